package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"pifs/integration/bench/job"
	"pifs/integration/bench/report"
	"pifs/integration/bench/target"
)

// The targets that are volumes of certain sizes.
const (
	smallVolume = "small"
	largeVolume = "large"
	hugeVolume  = "huge"
)

// files returns how many files a volume has at least.
func (s sizes) files(volume string) int64 {
	switch volume {
	case smallVolume:
		return s.small
	case largeVolume:
		return s.large
	case hugeVolume:
		return s.huge
	}
	return 0
}

// changes are numbers of files that are changed before a commit.
func changes(s sizes) []int64 {
	var all []int64
	for n := int64(1); n <= s.small; n *= 10 {
		all = append(all, n)
	}
	return all
}

func commitName(n int64) string { return fmt.Sprintf("commit-%d", n) }

// commitCurve is what is plotted of commits.
func commitCurve(s sizes) report.Curve {
	c := report.Curve{
		File: "commit", X: "changed files", Targets: []string{smallVolume, largeVolume},
		Title: fmt.Sprintf("Commit in volumes of %d and %d files", s.small, s.large),
	}
	for _, n := range changes(s) {
		c.Points = append(c.Points, report.CurvePoint{X: float64(n), Workload: commitName(n)})
	}
	return c
}

// volumes measures what depends on how much is in a volume.
func volumes(s sizes) []workload {
	var all []workload
	for _, n := range changes(s) {
		all = append(all, commit(s, n))
	}
	sized := []string{smallVolume, hugeVolume}
	return append(all, scattered(s),
		workload{
			Workload: report.Workload{Name: "umount", About: "pifs umount of a volume in which one file was changed"},
			amount:   1, on: sized,
			before: func(ctx context.Context, t *trial) error {
				if err := t.volume().Mount(ctx); err != nil {
					return err
				}
				_, err := t.jobs(ctx, job.Spec{Do: "write", Path: filepath.Join(t.target.Dir(), "changed"), Size: 100, Seed: t.seed()})
				return err
			},
			do: func(ctx context.Context, t *trial) (time.Duration, error) {
				return t.timed(func() error { return t.volume().Unmount(ctx) })
			},
		},
		workload{
			Workload: report.Workload{Name: "mount", About: "pifs mount, nothing of the volume in the page cache, and a first ls"},
			amount:   1, on: sized,
			before: func(ctx context.Context, t *trial) error {
				if err := t.volume().Unmount(ctx); err != nil {
					return err
				}
				return t.target.Forget(ctx, false)
			},
			do: mountAndLook,
		},
		workload{
			Workload: report.Workload{Name: "walk", About: "find through all that is in the volume, by size", Unit: "files"},
			amount:   1, on: sized, when: firstRun, before: func(ctx context.Context, t *trial) error {
				t.amount = float64(s.files(t.target.Name()))
				return t.target.Remount(ctx)
			},
			do: func(ctx context.Context, t *trial) (time.Duration, error) {
				return t.command(ctx, "find", t.target.Dir(), "-size", "+1M")
			},
		})
}

// mountAndLook mounts and lists the root; who serves it is asked afterwards.
func mountAndLook(ctx context.Context, t *trial) (time.Duration, error) {
	taken, err := t.timed(func() error {
		if err := t.volume().MountOnly(ctx); err != nil {
			return err
		}
		return run(ctx, nil, "ls", t.target.Dir())
	})
	return taken, errors.Join(err, t.volume().FindDaemon(ctx))
}

// commit changes files in the same folders whatever else is in the volume.
func commit(s sizes, n int64) workload {
	return committing(s.small, n, workload{
		Workload: report.Workload{
			Name: commitName(n), About: fmt.Sprintf("pifs sync after a change of %d files, in the same folders of both volumes", n)},
		on: []string{smallVolume, largeVolume},
	})
}

// scattered changes files in as many folders as there are.
func scattered(s sizes) workload {
	n := min(s.small, 1000)
	return committing(s.large, n, workload{
		Workload: report.Workload{
			Name: "commit-scattered", About: fmt.Sprintf("pifs sync after a change of %d files, spread over all folders of the volume", n)},
		on: []string{largeVolume},
	})
}

// committing changes n of the first so many files.
func committing(among, n int64, w workload) workload {
	w.amount = 1
	w.before = func(ctx context.Context, t *trial) error {
		if err := t.target.Settle(ctx); err != nil {
			return err
		}
		spec := job.Spec{Do: "touch", Path: filled(t.target), Size: among, Count: n, Seed: t.seed()<<32 + uint64(n)}
		_, err := t.jobs(ctx, spec)
		return err
	}
	w.do = func(ctx context.Context, t *trial) (time.Duration, error) {
		return t.timed(func() error { return t.target.Settle(ctx) })
	}
	return w
}

// filled returns the folder of t that openFilled fills.
func filled(t target.Target) string { return filepath.Join(t.Dir(), "part-0") }
