package main

import (
	"context"
	"time"

	"pifs/integration/bench/job"
	"pifs/integration/bench/report"
	"pifs/integration/bench/target"
)

// onNodes writes and reads a large file on a volume that lies on ten nodes, and
// on one that lies in five folders.
func onNodes(s sizes) []workload {
	const name = "nodes"
	size := s.stream / 4
	on := []string{target.Pifs, target.Swarm}
	amount := float64(size) / mib
	read := func(ctx context.Context, t *trial) (time.Duration, error) {
		return t.jobs(ctx, job.Spec{Do: "read", Path: t.path(name), Size: size})
	}
	return []workload{
		{
			Workload: report.Workload{Name: "nodes-write", About: "write a file of incompressible bytes to ten nodes and close it", Unit: "MiB"},
			amount:   amount, on: on, settled: true,
			do: func(ctx context.Context, t *trial) (time.Duration, error) {
				return t.jobs(ctx, job.Spec{Do: "write", Path: t.path(name), Size: size, Seed: t.seed() + 1000})
			},
		},
		{
			Workload: report.Workload{Name: "nodes-read-cold", About: "read it from the nodes", Unit: "MiB"},
			amount:   amount, on: on, needs: []string{"nodes-write"}, before: forgetAll, do: read,
		},
		{
			Workload: report.Workload{Name: "nodes-read-degraded", About: "read it; four of ten nodes, or two of five folders, are gone", Unit: "MiB"},
			amount:   amount, on: on, needs: []string{"nodes-write"}, do: read,
			before: func(ctx context.Context, t *trial) error {
				if s, ok := t.target.(*target.SwarmVolume); ok {
					return s.LoseNodes(ctx)
				}
				return t.volume().LoseStores(ctx)
			},
			after: func(ctx context.Context, t *trial) error {
				if s, ok := t.target.(*target.SwarmVolume); ok {
					return s.ReturnNodes(ctx)
				}
				return t.volume().ReturnStores(ctx)
			},
		},
	}
}
