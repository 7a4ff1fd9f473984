package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"pifs/integration/bench/report"
	"pifs/integration/bench/target"
)

// run measures what the options say and reports it.
func (o options) run(ctx context.Context) (err error) {
	work, err := choose(workloads(o.sizes), o.only)
	if err != nil {
		return err
	}
	base, err := os.MkdirTemp(o.dir, "pifs-bench-")
	if err != nil {
		return err
	}
	defer func() {
		// In a child, and not into a mount that could not be taken away.
		err = errors.Join(err, run(context.WithoutCancel(ctx), nil, "rm", "-rf", "--one-file-system", base))
	}()
	program := filepath.Join(base, "pifs.bin")
	if err := run(ctx, nil, "go", "build", "-o", program, "pifs/cli/pifs"); err != nil {
		return err
	}
	kept := base
	if o.keep != "" {
		if kept, err = filepath.Abs(o.keep); err != nil {
			return err
		}
		if err := os.MkdirAll(kept, 0o700); err != nil {
			return err
		}
	}
	machine := report.ThisMachine()
	speed, err := budget(o.sizes.stream)
	if err != nil {
		return err
	}
	b := &bench{
		in: &inputs{base: base, sizes: o.sizes}, sizes: o.sizes, work: work, runs: o.times, base: base, kept: kept, program: program,
		log: func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) },
	}
	all, notes, failed := b.all(ctx, o.targets)
	machine.Measured()
	r := report.New(reported(work), all, chosenGoals(o.sizes, work), []report.Curve{commitCurve(o.sizes)})
	r.Machine, r.Budget, r.Notes = machine, speed, notes
	r.Settings = map[string]string{"arguments": strings.Join(o.args, " "), "sizes": fmt.Sprintf("%+v", o.sizes)}
	return errors.Join(failed, r.Print(os.Stdout), r.Save(o.out))
}

// all opens the targets, measures and closes them. What was measured before
// something failed is returned, too. A signal ends the measuring; the closing
// goes on without it.
func (b *bench) all(ctx context.Context, names []string) (samples []report.Sample, notes []string, err error) {
	lasting := context.WithoutCancel(ctx)
	defer func() { err = errors.Join(err, target.CloseAll(lasting, b.targets)) }()
	notes, err = b.open(lasting, names)
	if err != nil {
		return nil, notes, err
	}
	if !target.MayDropCaches() {
		notes = append(notes, "only root can drop the kernel's caches: what is called cold may be warm")
	}
	for _, n := range notes {
		b.log("note: %s", n)
	}
	samples, err = b.measure(ctx)
	return samples, notes, err
}

func reported(work []workload) []report.Workload {
	var list []report.Workload
	for _, w := range work {
		list = append(list, w.Workload)
	}
	return list
}
