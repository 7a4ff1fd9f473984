package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// sample is what one workload took on one target in one run.
type sample struct {
	Workload string  `json:"workload"`
	Target   string  `json:"target"`
	Run      int     `json:"run"`
	Seconds  float64 `json:"seconds"` // of what is measured
	Settle   float64 `json:"settle"`  // seconds until settled, after that
	CPU      float64 `json:"cpu"`     // seconds of the serving process, settling included
	Peak     int64   `json:"peak"`    // its largest resident size, bytes
}

// bench is a whole measurement.
type bench struct {
	in      *inputs
	targets []target
	work    []workload
	runs    int
	log     func(format string, args ...any)
}

// measure runs everything. The target that begins changes from run to run.
func (b *bench) measure(ctx context.Context) ([]sample, error) {
	var all []sample
	for run := range b.runs {
		for _, t := range b.targets {
			if err := os.Mkdir(workDir(t), 0o755); err != nil {
				return all, err
			}
		}
		for i, w := range b.work {
			for j := range b.targets {
				t := b.targets[(i+j+run)%len(b.targets)]
				if w.real && t.name() == "null" {
					continue
				}
				s, err := measureOne(ctx, w, t)
				if err != nil {
					return all, fmt.Errorf("%s on %s: %w", w.name, t.name(), err)
				}
				s.Run = run
				all = append(all, s)
				b.log("run %d of %d  %-20s %-9s %8.2f s", run+1, b.runs, w.name, t.name(), s.Seconds)
			}
		}
		for _, t := range b.targets {
			if err := errors.Join(os.RemoveAll(workDir(t)), t.settle(ctx)); err != nil {
				return all, err
			}
		}
	}
	return all, nil
}

func workDir(t target) string { return filepath.Join(t.dir(), "work") }

func measureOne(ctx context.Context, w workload, t target) (sample, error) {
	s := sample{Workload: w.name, Target: t.name()}
	if w.before != nil {
		if err := w.before(ctx, t); err != nil {
			return s, err
		}
	}
	if err := resetPeak(t.pid()); err != nil {
		return s, err
	}
	cpu, err := cpuSeconds(t.pid())
	if err != nil {
		return s, err
	}
	start := time.Now()
	if err := w.do(ctx, workDir(t)); err != nil {
		return s, err
	}
	done := time.Now()
	if err := t.settle(ctx); err != nil {
		return s, err
	}
	s.Seconds, s.Settle = done.Sub(start).Seconds(), time.Since(done).Seconds()
	if w.settled {
		s.Seconds += s.Settle
	}
	after, err := cpuSeconds(t.pid())
	if err != nil {
		return s, err
	}
	s.CPU = after - cpu
	if s.Peak, err = peakBytes(t.pid()); err == nil && w.after != nil {
		err = w.after(ctx, t)
	}
	return s, err
}

// summary is what the runs of one workload on one target amount to.
type summary struct {
	Median float64 `json:"median"` // seconds
	Low    float64 `json:"low"`    // the fastest run
	High   float64 `json:"high"`   // the slowest
	CPU    float64 `json:"cpu"`    // median, seconds
	Peak   int64   `json:"peak"`   // the largest, bytes
}

// summarise folds samples by workload and target.
func summarise(all []sample) map[string]map[string]summary {
	groups := make(map[[2]string][]sample)
	for _, s := range all {
		k := [2]string{s.Workload, s.Target}
		groups[k] = append(groups[k], s)
	}
	out := make(map[string]map[string]summary)
	for k, group := range groups {
		var seconds, cpu []float64
		sum := summary{Low: math.Inf(1)}
		for _, s := range group {
			seconds, cpu = append(seconds, s.Seconds), append(cpu, s.CPU)
			sum.Low, sum.High = min(sum.Low, s.Seconds), max(sum.High, s.Seconds)
			sum.Peak = max(sum.Peak, s.Peak)
		}
		sum.Median, sum.CPU = median(seconds), median(cpu)
		if out[k[0]] == nil {
			out[k[0]] = make(map[string]summary)
		}
		out[k[0]][k[1]] = sum
	}
	return out
}

// median returns the middle of values, or the mean of the two in the middle.
func median(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	if len(v) == 0 {
		return math.NaN()
	}
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// ratios compares target a with b run by run and returns the median of how
// many times as fast a was.
func ratios(all []sample, workload, a, b string) float64 {
	seconds := make(map[int]map[string]float64)
	for _, s := range all {
		if s.Workload == workload {
			if seconds[s.Run] == nil {
				seconds[s.Run] = make(map[string]float64)
			}
			seconds[s.Run][s.Target] = s.Seconds
		}
	}
	var r []float64
	for _, run := range seconds {
		if run[a] > 0 && run[b] > 0 {
			r = append(r, run[b]/run[a])
		}
	}
	return median(r)
}
