package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"pifs/integration/bench/job"
	"pifs/integration/bench/report"
	"pifs/integration/bench/target"
)

// workload is something done to targets. Those of one run find what those
// before them left.
type workload struct {
	report.Workload
	amount  float64  // in units; at least 1
	needs   []string // the workloads that leave what this one works on
	on      []string // the targets that it can run on; nil: all, but no volumes of certain sizes
	when    occasion
	settled bool // it writes: that is waited for, and counts as the daemon's work

	before func(ctx context.Context, t *trial) error // not measured
	do     func(ctx context.Context, t *trial) (time.Duration, error)
	after  func(ctx context.Context, t *trial) error // not measured; runs even if do fails
}

// memory returns how many bytes of memory it fills at most, roughly: those of
// the file that it writes or reads, on their way and in the caches of two
// file systems.
func (w *workload) memory() int64 {
	const least = 512 * mib
	if w.Unit != "MiB" {
		return least
	}
	return max(least, 4*int64(w.amount)*mib)
}

// occasion says in which runs a workload takes part.
type occasion int

const (
	everyRun occasion = iota
	firstRun          // what it leaves is kept
	lastRun
)

func (w *workload) in(run, runs int) bool {
	return w.when == everyRun || w.when == firstRun && run == 0 || w.when == lastRun && run == runs-1
}

// trial is one run of one workload on one target.
type trial struct {
	target target.Target
	in     *inputs
	run    int
	amount float64 // that of the workload, unless this trial had another
}

// path returns a path in the folder that is emptied between runs.
func (t *trial) path(names ...string) string {
	return filepath.Join(t.target.Dir(), "work", filepath.Join(names...))
}

// kept returns a path in the folder that is not.
func (t *trial) kept(names ...string) string {
	return filepath.Join(t.target.Dir(), "kept", filepath.Join(names...))
}

// seed returns a number for the data of this run: no two runs write the same.
func (t *trial) seed() uint64 { return uint64(t.run + 1) }

// volume returns the target of workloads that run on volumes alone.
func (t *trial) volume() *target.Volume { return t.target.(*target.Volume) }

// jobs has children do jobs.
func (t *trial) jobs(ctx context.Context, specs ...job.Spec) (time.Duration, error) {
	return job.Run(ctx, specs...)
}

// command runs a command whose output nobody wants.
func (t *trial) command(ctx context.Context, name string, args ...string) (time.Duration, error) {
	return t.timed(func() error { return run(ctx, nil, name, args...) })
}

func (t *trial) timed(do func() error) (time.Duration, error) {
	begun := time.Now()
	err := do()
	return time.Since(begun), err
}

// mkdir makes a folder, in a child.
func mkdir(ctx context.Context, path string) error { return run(ctx, nil, "mkdir", "-p", path) }

// remove removes a tree, in a child.
func remove(ctx context.Context, path string) error { return run(ctx, nil, "rm", "-rf", path) }

// run runs a command with more environment; its output goes nowhere, its
// errors to standard error.
func run(ctx context.Context, env []string, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = os.Stderr
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return nil
}

// workloads returns all workloads in the order in which they run.
func workloads(s sizes) []workload {
	return slices.Concat(
		streaming(s), onNodes(s), randomReads(s), randomWrites(s), creating(s), appending(s),
		trees(), programs(s), oneFolder(s), volumes(s), scrubbing(s))
}

// choose returns the workloads that match and those that they need.
func choose(all []workload, only *regexp.Regexp) ([]workload, error) {
	wanted := make(map[string]bool)
	var chosen []workload
	for _, w := range slices.Backward(all) {
		if wanted[w.Name] || only.MatchString(w.Name) {
			chosen = append(chosen, w)
			for _, name := range w.needs {
				wanted[name] = true
			}
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("no workload matches %q; see -list", only)
	}
	slices.Reverse(chosen)
	return chosen, nil
}
