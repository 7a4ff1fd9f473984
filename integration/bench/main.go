package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := start(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func start(ctx context.Context) error {
	if dir := os.Getenv(nullEnv); dir != "" {
		return serveNull(ctx, dir)
	}
	o, err := parse(os.Args[1:])
	if err != nil {
		return err
	}
	return o.run(ctx)
}

type options struct {
	quick bool
	only  []string
	runs  int
	dir   string // the disk to measure
	out   string
}

func parse(args []string) (options, error) {
	var o options
	var only string
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.BoolVar(&o.quick, "quick", false, "smaller inputs and three runs: for a look, not for a claim")
	f.StringVar(&only, "only", "", "the workloads to run, separated by commas")
	f.IntVar(&o.runs, "runs", 0, "how often each workload runs (default 5, or 3 with -quick)")
	f.StringVar(&o.dir, "dir", os.TempDir(), "a folder on the disk to measure; everything lies below it")
	f.StringVar(&o.out, "out", "integration/bench/out", "where bench.json and bench.svg go")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if only != "" {
		o.only = strings.Split(only, ",")
	}
	switch {
	case o.runs == 0 && o.quick:
		o.runs = 3
	case o.runs == 0:
		o.runs = 5
	}
	return o, nil
}

// choose returns the workloads named in only and those that they need.
func choose(all []workload, only []string) ([]workload, error) {
	if len(only) == 0 {
		return all, nil
	}
	wanted := make(map[string]bool)
	for _, name := range only {
		wanted[name] = true
	}
	var chosen []workload
	for _, w := range slices.Backward(all) {
		if wanted[w.name] {
			delete(wanted, w.name)
			chosen = append(chosen, w)
			if w.needs != "" {
				wanted[w.needs] = true
			}
		}
	}
	for name := range wanted {
		return nil, fmt.Errorf("there is no workload %q", name)
	}
	slices.Reverse(chosen)
	return chosen, nil
}

func (o options) run(ctx context.Context) (err error) {
	base, err := os.MkdirTemp(o.dir, "pifs-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(base)) }()
	in, err := newInputs(ctx, base, o.quick)
	if err != nil {
		return err
	}
	work, err := choose(in.workloads(), o.only)
	if err != nil {
		return err
	}
	pifs := filepath.Join(base, "pifs.bin")
	if err := run(ctx, "go", "build", "-o", pifs, "pifs/cli/pifs"); err != nil {
		return err
	}
	if err := in.redraw(ctx, nil); err != nil {
		return err
	}
	speed, err := budget(in.big)
	if err != nil {
		return err
	}
	all, err := o.measure(ctx, base, pifs, in, work)
	if err != nil {
		return err
	}
	r := newReport(work, all, speed)
	if err := r.print(os.Stdout); err != nil {
		return err
	}
	return r.save(o.out)
}

// measure mounts, measures and unmounts. A signal ends the measuring; the
// unmounting goes on without it.
func (o options) measure(ctx context.Context, base, pifs string, in *inputs, work []workload) (all []sample, err error) {
	lasting := context.WithoutCancel(ctx)
	targets, err := openTargets(lasting, base, pifs)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closeTargets(lasting, targets)) }()
	b := &bench{in: in, targets: targets, work: work, runs: o.runs, log: func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, format+"\n", args...)
	}}
	return b.measure(ctx)
}
