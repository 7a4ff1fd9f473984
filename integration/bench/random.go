package main

import (
	"context"
	"fmt"
	"time"

	"pifs/integration/bench/job"
	"pifs/integration/bench/report"
)

// chunkMax is the most that reading one byte from shards may have to decode.
const chunkMax = 4 * mib

// randomReads reads blocks of the file that write-new left, in random order.
// Warm reads are of a part that the daemon can keep in memory; cold ones never
// meet the same chunk twice.
func randomReads(s sizes) []workload {
	var all []workload
	for _, block := range []int64{4 * kib, 128 * kib} {
		spec := job.Spec{Do: "read-random", Block: block, Size: min(s.stream, 32*mib)}
		spec.Count = min(s.blocks, spec.Size/block)
		coldly := job.Spec{Do: "read-random", Block: block, Size: s.stream, Apart: chunkMax}
		coldly.Count = max(1, min(256, s.stream/chunkMax))
		name := fmt.Sprintf("random-read-%dk", block/kib)
		about := fmt.Sprintf("read blocks of %d KiB in random order", block/kib)
		all = append(all,
			randomRead(name+"-again", about+"; the file was just read", spec, readWhole(s, false)),
			randomRead(name+"-warm", about+"; the daemon has just read them, the kernel has forgotten them", spec, readWhole(s, true)),
			randomRead(name+"-cold", about+", each of another chunk, from the disk", coldly, forgetAll))
	}
	return all
}

func randomRead(name, about string, spec job.Spec, before func(context.Context, *trial) error) workload {
	return workload{
		Workload: report.Workload{Name: name, About: about, Unit: "reads"},
		amount:   float64(spec.Count), needs: []string{"write-new"}, before: before,
		do: func(ctx context.Context, t *trial) (time.Duration, error) {
			spec := spec
			spec.Path, spec.Seed = t.path("new"), t.seed()
			return t.jobs(ctx, spec)
		},
	}
}

// readWhole reads the part of the file that is read at random, and has the
// kernel forget it again if it is told to.
func readWhole(s sizes, forget bool) func(context.Context, *trial) error {
	part := job.Spec{Do: "read-random", Block: mib, Size: min(s.stream, 32*mib)}
	part.Count = part.Size / part.Block
	return func(ctx context.Context, t *trial) error {
		spec := part
		spec.Path = t.path("new")
		if _, err := t.jobs(ctx, spec); err != nil || !forget {
			return err
		}
		return t.target.Forget(ctx, false)
	}
}

// randomWrites writes blocks of 4 KiB over a file that is stored.
func randomWrites(s sizes) []workload {
	size := max(s.stream/4, 4*kib*s.blocks)
	var all []workload
	for _, w := range []struct {
		name, about string
		every, n    int64
	}{
		{"sync1", "an fsync after each", 1, s.synced},
		{"sync32", "an fsync after every 32nd", 32, min(s.blocks, 8*s.synced)},
		{"never", "no fsync", 0, s.blocks},
	} {
		all = append(all, workload{
			Workload: report.Workload{
				Name: "random-write-" + w.name, About: "write blocks of 4 KiB over a stored file in random order; " + w.about, Unit: "writes"},
			amount: float64(w.n), settled: true,
			before: func(ctx context.Context, t *trial) error {
				_, err := t.jobs(ctx, job.Spec{Do: "write", Path: t.path("random"), Size: size, Seed: t.seed() + 1000})
				if err == nil {
					err = t.target.Settle(ctx)
				}
				return err
			},
			do: func(ctx context.Context, t *trial) (time.Duration, error) {
				return t.jobs(ctx, job.Spec{Do: "overwrite", Path: t.path("random"), Size: size,
					Block: 4 * kib, Count: w.n, Every: w.every, Seed: t.seed() + 2000})
			},
		})
	}
	return all
}

// appending writes a log.
func appending(s sizes) []workload {
	return []workload{{
		Workload: report.Workload{Name: "append-100", About: "append records of 100 bytes to a file, one write each", Unit: "writes"},
		amount:   float64(s.appends), settled: true,
		do: func(ctx context.Context, t *trial) (time.Duration, error) {
			return t.jobs(ctx, job.Spec{Do: "append", Path: t.path("log"), Block: 100, Count: s.appends, Seed: t.seed() + 3000})
		},
	}}
}
