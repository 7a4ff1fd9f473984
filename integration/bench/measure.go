package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"pifs/integration/bench/job"
	"pifs/integration/bench/report"
	"pifs/integration/bench/target"
)

// trialLimit is how long one workload may take on one target: whatever hangs
// ends the measurement.
const trialLimit = 2 * time.Hour

// bench is a whole measurement.
type bench struct {
	in      *inputs
	sizes   sizes
	work    []workload
	runs    int
	base    string // everything lies below it
	kept    string // but volumes of certain sizes, which lie below this
	program string // pifs
	log     func(format string, args ...any)

	targets []target.Target // the open ones
}

// open opens those of the named targets that can be had; it returns why others
// cannot.
func (b *bench) open(ctx context.Context, names []string) (notes []string, err error) {
	for _, name := range names {
		t, err := target.Open(ctx, b.base, b.program, name)
		switch {
		case errors.Is(err, target.ErrAbsent):
			notes = append(notes, fmt.Sprintf("%s is left out: %v", name, err))
		case err != nil:
			return notes, fmt.Errorf("open %s: %w", name, err)
		default:
			b.targets = append(b.targets, t)
		}
	}
	return notes, nil
}

// of returns the targets that a workload runs on. Volumes that it wants are
// made when they are first asked for.
func (b *bench) of(ctx context.Context, w *workload) ([]target.Target, error) {
	var list []target.Target
	for _, name := range target.All() {
		if w.on == nil || slices.Contains(w.on, name) {
			if t := b.find(name); t != nil {
				list = append(list, t)
			}
		}
	}
	for _, name := range w.on {
		if slices.Contains(target.All(), name) {
			continue
		}
		t := b.find(name)
		if t == nil {
			var err error
			if name == target.Swarm {
				t, err = target.OpenSwarm(ctx, b.base, b.program)
			} else {
				t, err = b.openFilled(ctx, name)
			}
			if err != nil {
				return nil, err
			}
			b.targets = append(b.targets, t)
		}
		list = append(list, t)
	}
	return list, nil
}

// find returns nil if the target is not open.
func (b *bench) find(name string) target.Target {
	for _, t := range b.targets {
		if t.Name() == name {
			return t
		}
	}
	return nil
}

// measure runs everything. What is compared is never more than minutes apart:
// each workload runs on one target after the other, and which one begins
// changes from run to run.
func (b *bench) measure(ctx context.Context) ([]report.Sample, error) {
	var all []report.Sample
	for run := range b.runs {
		for i := range b.work {
			w := &b.work[i]
			if !w.in(run, b.runs) {
				continue
			}
			targets, err := b.of(ctx, w)
			if err != nil {
				return all, err
			}
			for j := range targets {
				t := targets[(i+j+run)%len(targets)]
				s, err := b.try(ctx, w, t, run)
				if err != nil {
					return all, fmt.Errorf("%s on %s: %w", w.Name, t.Name(), err)
				}
				all = append(all, s)
				b.log("run %d of %d  %-22s %-9s %9.3f s", run+1, b.runs, w.Name, t.Name(), s.Seconds)
			}
		}
		if err := b.clean(ctx); err != nil {
			return all, err
		}
	}
	return all, nil
}

// clean empties what the workloads of a run left.
func (b *bench) clean(ctx context.Context) error {
	for _, t := range b.targets {
		if !target.Emptied(t.Name()) {
			continue
		}
		trial := trial{target: t}
		if err := errors.Join(remove(ctx, trial.path()), t.Settle(ctx)); err != nil {
			return err
		}
	}
	return nil
}

// try runs one workload on one target.
func (b *bench) try(ctx context.Context, w *workload, t target.Target, run int) (s report.Sample, err error) {
	ctx, cancel := context.WithTimeout(ctx, trialLimit)
	defer cancel()
	x := &trial{target: t, in: b.in, run: run, amount: w.amount}
	if target.Emptied(t.Name()) {
		if err := mkdir(ctx, x.path()); err != nil {
			return s, err
		}
	}
	if w.after != nil {
		defer func() {
			// Also when ctx has ended: targets must be as they were.
			err = errors.Join(err, w.after(context.WithoutCancel(ctx), x), t.Settle(context.WithoutCancel(ctx)))
		}()
	}
	if w.before != nil {
		if err := w.before(ctx, x); err != nil {
			return s, fmt.Errorf("prepare: %w", err)
		}
	}
	// Where memory is cold differs from trial to trial, by more than targets do.
	if _, err := job.Run(ctx, job.Spec{Do: "occupy", Size: w.memory()}); err != nil {
		return s, err
	}
	return x.measure(ctx, w)
}

// measure does what is measured and reads the meters around it.
func (t *trial) measure(ctx context.Context, w *workload) (s report.Sample, err error) {
	before, err := read(ctx, t.target)
	if err != nil {
		return s, err
	}
	if err := target.ResetPeak(t.target.PID()); err != nil {
		return s, err
	}
	taken, err := w.do(ctx, t)
	if err != nil {
		return s, err
	}
	s = report.Sample{Workload: w.Name, Target: t.target.Name(), Run: t.run, Amount: t.amount, Seconds: taken.Seconds()}
	if w.settled {
		begun := time.Now()
		if err := t.target.Settle(ctx); err != nil {
			return s, fmt.Errorf("settle: %w", err)
		}
		s.Settle = time.Since(begun).Seconds()
	}
	after, err := read(ctx, t.target)
	if err != nil {
		return s, err
	}
	if after.pid != before.pid {
		before = meters{} // another process serves now
	}
	s.CPU, s.Work = after.cpu-before.cpu, after.work.Sub(before.work)
	s.Peak, err = target.PeakBytes(t.target.PID())
	return s, err
}

// meters are what the process that serves a target has used and done.
type meters struct {
	pid  int
	cpu  float64
	work target.Work
}

func read(ctx context.Context, t target.Target) (m meters, err error) {
	m.pid = t.PID()
	if m.work, err = t.Work(ctx); err != nil {
		return m, err
	}
	m.cpu, err = target.CPUSeconds(m.pid)
	return m, err
}
