package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestMain lets the test binary be a load as the program is.
func TestMain(m *testing.M) {
	if dir := os.Getenv(loadEnv); dir != "" {
		if err := serveLoad(context.Background(), dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestSoakLeaksNothing works on a mount in rounds. After each, no handle is
// open; and there is a round after which the daemon has no more descriptors
// and goroutines than after the one before: whatever leaks with every round
// never gets there.
func TestSoakLeaksNothing(t *testing.T) {
	ctx := context.Background()
	d, err := openDrive(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.close(ctx); err != nil {
			t.Error(err)
		}
	})
	const most = 12
	var history []string
	var before sample
	for n := range most {
		after := soakRound(t, d, n)
		history = append(history, fmt.Sprintf("%d descriptors and %d goroutines", after.FDs, after.Goroutines))
		if n >= 3 && after.FDs <= before.FDs && after.Goroutines <= before.Goroutines {
			t.Logf("after %d rounds: %s, %d MiB resident", n+1, history[n], after.RSS/mib)
			return
		}
		before = after
	}
	t.Errorf("each of %d rounds left more than the one before: %s", most, strings.Join(history, "; "))
}

// soakRound lets the loads work for some cycles and returns a sample of the
// daemon at rest.
func soakRound(t *testing.T, d *drive, n int) sample {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	var all []*load
	for i := range loads {
		l, err := d.startLoad(ctx, fmt.Sprintf("load-%d", i), 25, 0)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, l)
	}
	for _, l := range all {
		if err := <-l.done; err != nil {
			t.Fatal(err)
		}
	}
	s := &soak{drive: d, said: t.Logf}
	if err := s.care(ctx, n+1); err != nil {
		t.Fatal(err)
	}
	one, err := settled(ctx, d)
	if err != nil {
		t.Fatal(err)
	}
	return one
}

// TestFit: a line that grows is found in noise, and noise alone is flat.
func TestFit(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		name  string
		value func(seconds float64) float64
		flat  bool
	}{
		{"constant", func(float64) float64 { return 7 }, true},
		{"noise", func(float64) float64 { return 200 + 20*rng.NormFloat64() }, true},
		{"a quarter more each hour", func(s float64) float64 { return 200 + 50*s/3600 + 5*rng.NormFloat64() }, false},
		{"one more each minute", func(s float64) float64 { return 40 + float64(int(s/60)) }, false},
		{"less and less", func(s float64) float64 { return 500 - s/10 }, true},
		{"warm after a while", func(s float64) float64 { return min(s, 600) + rng.NormFloat64() }, true},
	} {
		var x, y []float64
		for s := 0.0; s < 3600; s += 10 {
			x, y = append(x, s), append(y, c.value(s))
		}
		if got := fit(x, y, 2); got.Flat != c.flat {
			t.Errorf("%s: flat %v, want %v: %+v", c.name, got.Flat, c.flat, got)
		}
	}
}

// TestReport writes a report of a torture that failed, with its plots.
func TestReport(t *testing.T) {
	var samples []sample
	for i := range int64(60) {
		samples = append(samples, sample{Seconds: float64(10 * i), RSS: 200 * mib, FDs: 30 + i, Goroutines: 40})
	}
	r := newReport(10*time.Minute, samples, errors.New("a byte differs"), []verdict{
		{Trial: "one", OK: true, Seconds: 3, Says: []string{"12 kills"}}, {Trial: "two", Output: "why"}})
	text := fmt.Sprint(r.err())
	for _, want := range []string{"a byte differs", "file descriptors grows", "two failed"} {
		if !strings.Contains(text, want) {
			t.Errorf("the error lacks %q: %s", want, text)
		}
	}
	if strings.Contains(text, "goroutines") || strings.Contains(text, "one failed") {
		t.Errorf("the error has too much: %s", text)
	}
	dir := t.TempDir()
	if err := r.save(dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"summary.json", "summary.md", "soak.svg", "soak.png"} {
		if fi, err := os.Stat(filepath.Join(dir, name)); err != nil || fi.Size() < 100 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTrialsAreJudged: a trial that fails makes the torture fail, says how to
// run it again, and leaves all that it said; parts are taken in turn.
func TestTrialsAreJudged(t *testing.T) {
	dir := t.TempDir()
	list := []trial{
		{name: "good one", env: []string{"PART"}, cmd: []string{"sh", "-c", "echo x_test.go:1: part $PART"}, parts: 2},
		{name: "bad one", env: []string{"A=b"}, cmd: []string{"sh", "-c", "echo seed 7; exit 3"}},
		{name: "renamed", cmd: []string{"echo", "testing: warning: no tests to run"}},
	}
	all := runTrials(t.Context(), list, 3, dir, t.Logf)
	if len(all) != 9 {
		t.Fatalf("%d runs of three trials in three rounds", len(all))
	}
	for i, want := range []string{"part 1/2", "part 2/2", "part 1/2"} {
		good, bad, renamed := all[3*i], all[3*i+1], all[3*i+2]
		if !good.OK || !slices.Equal(good.Says, []string{want}) {
			t.Errorf("round %d: %+v", i+1, good)
		}
		if bad.OK || renamed.OK || !strings.Contains(bad.Output, "seed 7") || !strings.HasPrefix(bad.Again, "A=b sh -c ") {
			t.Errorf("round %d: %+v, %+v", i+1, bad, renamed)
		}
		if text, err := os.ReadFile(bad.Log); err != nil || string(text) != "seed 7\n" {
			t.Errorf("log %s: %q, %v", bad.Log, text, err)
		}
	}
	if err := newReport(time.Second, nil, nil, all).err(); err == nil || !strings.Contains(err.Error(), "bad one failed") || strings.Contains(err.Error(), "good one failed") {
		t.Errorf("the torture says %v", err)
	}
	if some, err := choose(trials(), "^every "); err != nil || len(some) != 2 {
		t.Errorf("chose %d trials, %v", len(some), err)
	}
	if _, err := choose(trials(), "no such"); err == nil {
		t.Error("a choice of no trials is none")
	}
}

// TestTrialsExist: what go test would silently not find is a trial that never
// fails.
func TestTrialsExist(t *testing.T) {
	for _, one := range trials() {
		at := slices.Index(one.cmd, "-run")
		if at < 0 {
			if _, err := os.Stat(filepath.Join("../..", one.cmd[0])); err != nil {
				t.Errorf("%s: %v", one.name, err)
			}
			continue
		}
		run, pkg := strings.Trim(one.cmd[at+1], "^$()"), one.cmd[at+2]
		files, err := filepath.Glob(filepath.Join("../..", pkg, "*_test.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: no tests in %s: %v", one.name, pkg, err)
		}
		var all strings.Builder
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			all.Write(text)
		}
		for name := range strings.SplitSeq(run, "|") {
			if !strings.Contains(all.String(), "func "+name+"(t *testing.T)") {
				t.Errorf("%s: there is no %s in %s", one.name, name, pkg)
			}
		}
	}
}
