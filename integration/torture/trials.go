package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// trialLimit is when a trial is taken for stuck: go test then prints where.
const trialLimit = 90 * time.Minute

// trial is a test of the project in its long form.
type trial struct {
	name string
	env  []string // what makes it long
	cmd  []string
	// parts says that each run does one of so many parts of everything, in
	// turn; env[0] is the variable to which the part is given. 0 for no parts.
	parts int
}

// trials lists them in the order in which they run: the longest comes last.
func trials() []trial {
	test := func(pkg, run string, more ...string) []string {
		return append([]string{"go", "test", "-count=1", "-timeout=" + trialLimit.String(), "-v", "-run", run, pkg}, more...)
	}
	return []trial{
		{name: "kills at random", env: []string{"PIFS_KILLS=60"}, cmd: test("./integration", "^TestDiesAtRandom$")},
		{name: "kills at failpoints", cmd: test("./integration", "^TestDiesAtEveryFailpoint$")},
		{name: "volume against its model", cmd: test("./fsnode", "^TestVolumeAgainstModel$", "-rapid.checks=500", "-rapid.nofailfile")},
		{name: "lock-step with the disk", env: []string{"PIFS_LOCKSTEP_TIME=1m"}, cmd: test("./integration", "^TestLockstep$", "-rapid.nofailfile")},
		{name: "real programs", env: []string{"PIFS_PROGRAMS=1m"}, cmd: test("./integration",
			"^(TestGit|TestGoBuild|TestSQLite|TestRoundTrips|TestSaveWhileReading|TestSortAndSplit|TestMappedWriters|TestStressNG|TestFioVerifies|TestTrims)$")},
		{name: "takeover of mounts", cmd: test("./integration", "^TestTakeover$")},
		{name: "fuzzing", cmd: []string{"./integration/fuzz.sh", "5s"}},
		{name: "damage anywhere", env: []string{"PIFS_ROT=500"}, cmd: test("./cli", "^TestRot$")},
		{name: "every crash point", env: []string{"PIFS_CRASHPOINTS"}, cmd: test("./cli", "^TestCrashPoints$"), parts: 4},
		{name: "every fault", env: []string{"PIFS_CRASHPOINTS"}, cmd: test("./cli", "^TestFaultPoints$"), parts: 16},
	}
}

// choose returns the trials whose names match.
func choose(list []trial, names string) ([]trial, error) {
	re, err := regexp.Compile(names)
	if err != nil {
		return nil, fmt.Errorf("choose trials: %w", err)
	}
	var out []trial
	for _, t := range list {
		if re.MatchString(t.name) {
			out = append(out, t)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("choose trials: none is named like %q", names)
	}
	return out, nil
}

// verdict is how one run of a trial ended.
type verdict struct {
	Trial   string   `json:"trial"`
	Seconds float64  `json:"seconds"`
	OK      bool     `json:"ok"`
	Says    []string `json:"says,omitempty"` // what the test logged of itself
	Again   string   `json:"again"`          // the command; seeds are in the output
	Log     string   `json:"log"`            // the file with the whole output
	Output  string   `json:"output,omitempty"`
}

// runTrials goes round until ctx ends, or for so many rounds unless that is 0.
// What runs then is run to its end: only so nothing is left behind. Logs go to
// the folder dir.
func runTrials(ctx context.Context, list []trial, rounds int, dir string, said func(format string, args ...any)) []verdict {
	var all []verdict
	if len(list) == 0 {
		<-ctx.Done()
	}
	for round := 0; rounds == 0 || round < rounds; round++ {
		for _, t := range list {
			if ctx.Err() != nil {
				return all
			}
			said("%-28s begins", t.name)
			v := t.run(round, dir)
			said("%-28s %6.0f s  %s", v.Trial, v.Seconds, map[bool]string{true: "passed", false: "FAILED, see " + v.Log}[v.OK])
			all = append(all, v)
		}
		if ctx.Err() != nil {
			return all
		}
	}
	return all
}

// environment returns what the run of a round needs beyond the process's own.
func (t trial) environment(round int) []string {
	if t.parts == 0 {
		return t.env
	}
	return []string{fmt.Sprintf("%s=%d/%d", t.env[0], round%t.parts+1, t.parts)}
}

func (t trial) run(round int, dir string) verdict {
	start := time.Now()
	v := verdict{Trial: t.name, Again: strings.Join(append(t.environment(round), quoted(t.cmd)...), " ")}
	v.Log = filepath.Join(dir, fmt.Sprintf("%03d-%s.log", round+1, strings.ReplaceAll(t.name, " ", "-")))
	text, err := t.output(round, v.Log)
	v.Seconds, v.OK = time.Since(start).Seconds(), err == nil
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
		v.Output = text[max(0, len(text)-16<<10):] + fmt.Sprintf("\n%v", err)
	}
	return v
}

// output runs the trial, with its output in the file log as it comes. One that
// is stuck even though go test has a limit is ended.
func (t trial) output(round int, log string) (string, error) {
	f, err := os.Create(log)
	if err != nil {
		return "", fmt.Errorf("keep log: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), trialLimit+5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, t.cmd[0], t.cmd[1:]...)
	cmd.WaitDelay = time.Minute // whoever it left behind may hold its output open
	cmd.Env = append(os.Environ(), t.environment(round)...)
	var text strings.Builder
	cmd.Stdout = io.MultiWriter(f, &text)
	cmd.Stderr = cmd.Stdout
	err = cmd.Run()
	return text.String(), errors.Join(err, f.Close())
}

// quoted returns words as a shell takes them.
func quoted(words []string) []string {
	out := make([]string, len(words))
	for i, w := range words {
		if out[i] = w; strings.ContainsAny(w, "^$()| ") {
			out[i] = "'" + w + "'"
		}
	}
	return out
}
