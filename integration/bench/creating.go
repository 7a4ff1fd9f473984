package main

import (
	"context"
	"fmt"
	"time"

	"pifs/integration/bench/job"
	"pifs/integration/bench/report"
)

// creating makes small files in one folder: of three sizes, with and without
// an fsync of each, by one process and by four.
func creating(s sizes) []workload {
	var all []workload
	for _, sync := range []int64{0, 1} {
		for _, size := range []int64{1, 4, 64} {
			for _, processes := range []int64{1, 4} {
				all = append(all, creation(s, sync, size*kib, processes))
			}
		}
	}
	return all
}

func creation(s sizes, sync, size, processes int64) workload {
	verb, about, n := "create", "create, write, close", s.creates
	if sync != 0 {
		verb, about, n = "create-sync", "create, write, fsync, close", s.synced
	}
	n = n / processes * processes
	name := fmt.Sprintf("%s-%dk-p%d", verb, size/kib, processes)
	return workload{
		Workload: report.Workload{
			Name: name, About: fmt.Sprintf("%s files of %d KiB in one folder, %d at a time", about, size/kib, processes), Unit: "files"},
		amount: float64(n), settled: true,
		before: func(ctx context.Context, t *trial) error { return mkdir(ctx, t.path(name)) },
		do: func(ctx context.Context, t *trial) (time.Duration, error) {
			specs := make([]job.Spec, processes)
			for i := range specs {
				specs[i] = job.Spec{Do: "create", Path: t.path(name), Size: size, Every: sync,
					Count: n / processes, First: int64(i) * n / processes, Seed: t.seed()<<32 + uint64(size+sync)<<4 + uint64(i)}
			}
			return t.jobs(ctx, specs...)
		},
		after: func(ctx context.Context, t *trial) error { return remove(ctx, t.path(name)) },
	}
}

// oneFolder works on a folder with very many entries, which is made once.
func oneFolder(s sizes) []workload {
	n, some := s.folder, min(s.folder, 1000)
	made := []string{"folder-create"}
	at := func(do string, count int64) func(context.Context, *trial) (time.Duration, error) {
		return func(ctx context.Context, t *trial) (time.Duration, error) {
			return t.jobs(ctx, job.Spec{Do: do, Path: t.kept("folder"), Size: n, Count: count, Seed: t.seed()})
		}
	}
	about := func(what string) string { return fmt.Sprintf("%s in a folder of %d entries", what, n) }
	return []workload{
		{
			Workload: report.Workload{Name: "folder-create", About: fmt.Sprintf("create %d empty files in one folder", n), Unit: "files"},
			amount:   float64(n), when: firstRun, settled: true,
			before: func(ctx context.Context, t *trial) error { return mkdir(ctx, t.kept("folder")) },
			do: func(ctx context.Context, t *trial) (time.Duration, error) {
				return t.jobs(ctx, job.Spec{Do: "create", Path: t.kept("folder"), Count: n})
			},
		},
		{
			Workload: report.Workload{Name: "folder-first", About: about("see the first name after a new mount")},
			amount:   1, needs: made, before: remount, do: at("first-entry", 1),
		},
		{
			Workload: report.Workload{Name: "folder-stat-cold", About: about("stat some names after a new mount"), Unit: "files"},
			amount:   float64(some), needs: made, before: remount, do: at("stat-some", some),
		},
		{
			Workload: report.Workload{Name: "folder-names", About: about("read all names after a new mount"), Unit: "files"},
			amount:   float64(n), needs: made, before: remount, do: at("names", n),
		},
		{
			Workload: report.Workload{Name: "folder-remove", About: fmt.Sprintf("rm -rf of a folder of %d entries", n), Unit: "files"},
			amount:   float64(n), needs: made, when: lastRun, settled: true,
			do: func(ctx context.Context, t *trial) (time.Duration, error) {
				return t.command(ctx, "rm", "-rf", t.kept("folder"))
			},
		},
	}
}

func remount(ctx context.Context, t *trial) error { return t.target.Remount(ctx) }
