package main

import (
	"context"
	"path/filepath"
	"time"

	"pifs/integration/bench/job"
	"pifs/integration/bench/report"
)

// scrubVolume is the target that is checked and repaired.
const scrubVolume = "scrub"

// scrubbing checks and repairs a volume of large files, incompressible ones.
func scrubbing(s sizes) []workload {
	on := []string{scrubVolume}
	return []workload{
		{
			Workload: report.Workload{Name: "check", About: "pifs check: read and verify every shard of a volume of large files", Unit: "MiB"},
			amount:   1, on: on,
			before: func(ctx context.Context, t *trial) error {
				stored, err := t.volume().Stored(ctx)
				if err == nil && stored == 0 {
					_, err = t.jobs(ctx, job.Spec{Do: "write", Path: filepath.Join(t.target.Dir(), "big"), Size: s.stream, Seed: 1})
				}
				if err != nil {
					return err
				}
				if err := t.target.Settle(ctx); err != nil {
					return err
				}
				if stored, err = t.volume().Stored(ctx); err != nil {
					return err
				}
				t.amount = float64(stored) / mib
				return t.target.Forget(ctx, true)
			},
			do: func(ctx context.Context, t *trial) (time.Duration, error) {
				return t.timed(func() error { return t.volume().Check(ctx, false) })
			},
		},
		{
			Workload: report.Workload{Name: "repair", About: "pifs check --repair: rebuild all shards of one of five stores", Unit: "MiB"},
			amount:   1, on: on, needs: []string{"check"}, settled: true,
			before: func(ctx context.Context, t *trial) error {
				lost, err := t.volume().EmptyStore(ctx)
				if err != nil {
					return err
				}
				t.amount = float64(lost) / mib
				return t.target.Forget(ctx, true)
			},
			do: func(ctx context.Context, t *trial) (time.Duration, error) {
				return t.timed(func() error { return t.volume().Check(ctx, true) })
			},
		},
	}
}
