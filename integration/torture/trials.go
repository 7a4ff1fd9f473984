package main

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"time"
)

// trial is a test of the project in its long form.
type trial struct {
	name string
	env  []string // what makes it long
	cmd  []string
}

// trials lists them in the order in which they run: the longest comes last.
func trials() []trial {
	test := func(pkg, run string, more ...string) []string {
		return append([]string{"go", "test", "-count=1", "-timeout=0", "-v", "-run", run, pkg}, more...)
	}
	return []trial{
		{"kills at random", []string{"PIFS_KILLS=60"}, test("./integration", "^TestDiesAtRandom$")},
		{"kills at failpoints", nil, test("./integration", "^TestDiesAtEveryFailpoint$")},
		{"volume against its model", nil, test("./fsnode", "^TestVolumeAgainstModel$", "-rapid.checks=500")},
		{"lock-step with the disk", []string{"PIFS_LOCKSTEP_TIME=1m"}, test("./integration", "^TestLockstep$")},
		{"real programs", []string{"PIFS_PROGRAMS=1m"}, test("./integration", "^(TestGit|TestGoBuild|TestSQLite|TestRoundTrips|TestSaveWhileReading|TestSortAndSplit|TestMappedWriters|TestStressNG|TestFioVerifies|TestTrims)$")},
		{"takeover of mounts", nil, test("./integration", "^TestTakeover$")},
		{"fuzzing", nil, []string{"./integration/fuzz.sh", "5s"}},
		{"damage anywhere", []string{"PIFS_ROT=all"}, test("./cli", "^TestRot$")},
		{"every crash point", []string{"PIFS_CRASHPOINTS=all"}, test("./cli", "^(TestCrashPoints|TestFaultPoints)$")},
	}
}

// verdict is how one run of a trial ended.
type verdict struct {
	Trial   string   `json:"trial"`
	Seconds float64  `json:"seconds"`
	OK      bool     `json:"ok"`
	Says    []string `json:"says,omitempty"` // what the test logged of itself
	Output  string   `json:"output,omitempty"`
}

// runTrials goes round until ctx ends. What runs then is run to its end: only
// so nothing is left behind.
func runTrials(ctx context.Context, list []trial, said func(format string, args ...any)) []verdict {
	var all []verdict
	if len(list) == 0 {
		<-ctx.Done()
	}
	for {
		if ctx.Err() != nil {
			return all
		}
		for _, t := range list {
			if ctx.Err() != nil {
				return all
			}
			v := t.run()
			said("%-28s %6.0f s  %s", v.Trial, v.Seconds, map[bool]string{true: "passed", false: "FAILED"}[v.OK])
			all = append(all, v)
		}
	}
}

func (t trial) run() verdict {
	start := time.Now()
	cmd := exec.Command(t.cmd[0], t.cmd[1:]...)
	cmd.Env = append(os.Environ(), t.env...)
	out, err := cmd.CombinedOutput()
	v := verdict{Trial: t.name, Seconds: time.Since(start).Seconds(), OK: err == nil}
	text := string(out)
	if strings.Contains(text, "no tests to run") {
		v.OK = false // it was renamed, and nobody noticed
	}
	for line := range strings.Lines(text) {
		if _, says, ok := strings.Cut(line, "_test.go:"); ok && v.OK {
			if _, says, ok = strings.Cut(says, ": "); ok {
				v.Says = append(v.Says, strings.TrimSpace(says))
			}
		}
	}
	if !v.OK {
		v.Output = text[max(0, len(text)-16<<10):]
	}
	return v
}
