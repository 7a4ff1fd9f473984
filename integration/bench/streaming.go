package main

import (
	"context"
	"time"

	"pifs/integration/bench/job"
	"pifs/integration/bench/report"
	"pifs/integration/bench/target"
)

const (
	kib = 1 << 10
	mib = 1 << 20
)

// content is what a stream is made of.
type content struct {
	name, about string
	data        job.Data
	needs       []string // duplicates need what they are duplicates of
}

func contents() []content {
	return []content{
		{name: "new", about: "incompressible bytes"},
		{name: "text", about: "compressible bytes", data: job.Text},
		{name: "dup", about: "bytes that are stored already", needs: []string{"write-new"}},
	}
}

// streaming writes and reads large files in sequence.
func streaming(s sizes) []workload {
	var all []workload
	amount := float64(s.stream) / mib
	for _, c := range contents() {
		all = append(all, workload{
			Workload: report.Workload{Name: "write-" + c.name, About: "write a file of " + c.about + " and close it", Unit: "MiB"},
			amount:   amount, needs: c.needs, settled: true,
			do: func(ctx context.Context, t *trial) (time.Duration, error) {
				return t.jobs(ctx, job.Spec{Do: "write", Path: t.path(c.name), Size: s.stream, Data: c.data, Seed: t.seed()})
			},
		})
	}
	for _, c := range contents() {
		read := func(ctx context.Context, t *trial) (time.Duration, error) {
			return t.jobs(ctx, job.Spec{Do: "read", Path: t.path(c.name), Size: s.stream})
		}
		for _, r := range readings(read) {
			all = append(all, workload{
				Workload: report.Workload{Name: "read-" + c.name + r.suffix, About: "read the file of " + c.about + r.about, Unit: "MiB"},
				amount:   amount, needs: []string{"write-" + c.name}, on: r.on, before: r.before, after: r.after, do: read,
			})
		}
	}
	return all
}

// reading is a state of caches in which something is read.
type reading struct {
	suffix, about string
	on            []string
	before, after func(context.Context, *trial) error
}

// readings returns them from the warmest to the coldest. read does the same
// reading, to warm up.
func readings(read func(context.Context, *trial) (time.Duration, error)) []reading {
	return []reading{
		{suffix: "-again", about: "; it was just read", before: func(ctx context.Context, t *trial) error {
			_, err := read(ctx, t)
			return err
		}},
		{suffix: "-warm", about: "; the kernel has forgotten it, the daemon has not", before: func(ctx context.Context, t *trial) error {
			return t.target.Forget(ctx, false)
		}},
		{suffix: "-cold", about: "; it comes from the disk", before: forgetAll},
		{
			suffix: "-degraded", about: "; two of five stores are missing", on: []string{target.Pifs, target.Null},
			before: func(ctx context.Context, t *trial) error {
				if v, ok := t.target.(*target.Volume); ok {
					return v.LoseStores(ctx)
				}
				return forgetAll(ctx, t)
			},
			after: func(ctx context.Context, t *trial) error {
				if v, ok := t.target.(*target.Volume); ok {
					return v.ReturnStores(ctx)
				}
				return nil
			},
		},
	}
}

func forgetAll(ctx context.Context, t *trial) error { return t.target.Forget(ctx, true) }
