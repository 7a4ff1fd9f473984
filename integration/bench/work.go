package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
)

// workload is something done to a target. Those of one run find what those
// before them left.
type workload struct {
	name   string
	about  string
	unit   string  // "MiB", "files" or "ops"
	amount float64 // how many of them
	needs  string  // the workload that leaves what this one works on

	before  func(ctx context.Context, t target) error // not measured
	do      func(ctx context.Context, dir string) error
	after   func(ctx context.Context, t target) error // not measured
	settled bool                                      // settling is part of what is measured
	real    bool                                      // reads what was written: not for the null file system
	reach   []reach
}

// reach is what πFS is to come to: at least times as fast as a target, or as
// itself at another workload.
type reach struct {
	times   float64
	against string // a target, or a workload
}

const (
	mib       = 1 << 20
	smallSize = 4 << 10
)

// inputs are what workloads write and copy.
type inputs struct {
	big   []byte // incompressible, other bytes each time
	drawn uint64 // how often big was filled
	text  []byte // compressible
	tree  string // Go's source tree
	tar   string // the same as an archive
	repo  string // a repository of git
	files int    // in tree, folders included
	small int    // files that create makes
	ops   int    // of random access
}

// workloads returns them in the order in which they run.
func (in *inputs) workloads() []workload {
	return slices.Concat(in.streams(), in.randoms(), in.smalls(), in.trees())
}

func forgetPages(_ context.Context, t target) error { return dropPageCache(t.dir()) }

func forgetAll(ctx context.Context, t target) error { return t.forget(ctx) }

func remount(ctx context.Context, t target) error { return t.remount(ctx, 0) }

// impair has two of five stores gone.
func impair(ctx context.Context, t target) error {
	if err := t.remount(ctx, 2); err != nil {
		return err
	}
	return t.forget(ctx)
}

// all is several preparations.
func all(steps ...func(context.Context, target) error) func(context.Context, target) error {
	return func(ctx context.Context, t target) error {
		for _, step := range steps {
			if err := step(ctx, t); err != nil {
				return err
			}
		}
		return nil
	}
}

// run runs a command whose output nobody wants.
func run(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
