package main

import (
	"context"
	"time"

	"pifs/integration/bench/job"
	"pifs/integration/bench/report"
)

// act is what a workload does.
type act = func(ctx context.Context, t *trial) (time.Duration, error)

// trees copies Go's source tree in several ways, looks at it and removes it.
func trees() []workload {
	return append(append(copying(), looking()...), workload{
		Workload: report.Workload{Name: "rm-rf", About: "rm -rf of the tree", Unit: "files"},
		amount:   1, needs: []string{"untar"}, settled: true, before: sized,
		do: func(ctx context.Context, t *trial) (time.Duration, error) {
			return t.command(ctx, "rm", "-rf", t.path("tree"))
		},
	})
}

func copying() []workload {
	rsync := func(ctx context.Context, t *trial) (time.Duration, error) {
		return t.command(ctx, "rsync", "-a", t.in.tree()+"/", t.path("rsync"))
	}
	copyOf := func(name, about string, needs []string, before func(context.Context, *trial) error, do act) workload {
		return workload{
			Workload: report.Workload{Name: name, About: about, Unit: "files"},
			amount:   1, needs: needs, settled: true, before: before, do: do,
		}
	}
	return []workload{
		copyOf("untar", "unpack Go's source tree with tar", nil, func(ctx context.Context, t *trial) error {
			if err := warm(ctx, t); err != nil {
				return err
			}
			return mkdir(ctx, t.path("tree"))
		}, func(ctx context.Context, t *trial) (time.Duration, error) {
			return t.command(ctx, "tar", "-xf", t.in.archive(), "-C", t.path("tree"))
		}),
		copyOf("cp-a", "cp -a of Go's source tree from the disk", nil, warm, func(ctx context.Context, t *trial) (time.Duration, error) {
			return t.command(ctx, "cp", "-a", t.in.tree(), t.path("copy"))
		}),
		copyOf("rsync-new", "rsync -a of the tree from the disk", nil, warm, rsync),
		copyOf("rsync-noop", "rsync -a again; nothing has changed", []string{"rsync-new"}, warm, rsync),
		copyOf("rsync-one", "rsync -a again; one file has changed", []string{"rsync-new"}, func(ctx context.Context, t *trial) error {
			if err := warm(ctx, t); err != nil {
				return err
			}
			return t.in.change()
		}, rsync),
	}
}

// looking walks through the tree that untar left: after a new mount, and once
// more.
func looking() []workload {
	var all []workload
	for _, l := range []struct {
		name, about string
		do          act
	}{
		{"ls-lR", "ls -lR of the tree", func(ctx context.Context, t *trial) (time.Duration, error) {
			return t.command(ctx, "ls", "-lR", t.path("tree"))
		}},
		{"find", "find in the tree, by names", func(ctx context.Context, t *trial) (time.Duration, error) {
			return t.command(ctx, "find", t.path("tree"), "-name", "*.go")
		}},
		{"stat", "stat of each path of the tree", func(ctx context.Context, t *trial) (time.Duration, error) {
			return t.jobs(ctx, job.Spec{Do: "stat-like", Path: t.path("tree"), From: t.in.tree()})
		}},
	} {
		look := func(suffix, about string, before func(context.Context, *trial) error) workload {
			return workload{
				Workload: report.Workload{Name: l.name + suffix, About: l.about + about, Unit: "files"},
				amount:   1, needs: []string{"untar"}, do: l.do,
				before: func(ctx context.Context, t *trial) error {
					t.amount = float64(t.in.entries)
					return before(ctx, t)
				},
			}
		}
		all = append(all, look("-cold", ", after a new mount", remount), look("", ", once more", func(ctx context.Context, t *trial) error {
			_, err := l.do(ctx, t)
			return err
		}))
	}
	return all
}

// sized says that a trial works on the whole tree.
func sized(_ context.Context, t *trial) error {
	t.amount = float64(t.in.entries)
	return nil
}
