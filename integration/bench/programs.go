package main

import (
	"context"
	"path/filepath"
	"time"

	"pifs/integration/bench/report"
	"pifs/integration/bench/target"
)

// keeping are the targets that keep what is written to them.
func keeping() []string { return []string{target.Pifs, target.Gocryptfs, target.Disk} }

// programs lets programs work on a tree.
func programs(s sizes) []workload {
	return []workload{
		{
			Workload: report.Workload{Name: "git-clone", About: "git clone of a repository of Go's source tree on the disk"},
			amount:   1, on: keeping(), settled: true,
			before: func(ctx context.Context, t *trial) error {
				if err := t.in.makeRepository(ctx); err != nil {
					return err
				}
				return run(ctx, nil, "sh", "-c", `tar -cf - -C "$1" . | cat >/dev/null`, "sh", t.in.repository())
			},
			do: func(ctx context.Context, t *trial) (time.Duration, error) {
				// As an address, so that no target gets hard links.
				return t.git(ctx, "clone", "-q", "file://"+t.in.repository(), t.path("clone"))
			},
		},
		{
			Workload: report.Workload{Name: "git-status", About: "git status of the clone; it ran before"},
			amount:   1, on: keeping(), needs: []string{"git-clone"},
			before: func(ctx context.Context, t *trial) error {
				_, err := t.git(ctx, "-C", t.path("clone"), "status", "--short")
				return err
			},
			do: func(ctx context.Context, t *trial) (time.Duration, error) {
				return t.git(ctx, "-C", t.path("clone"), "status", "--short")
			},
		},
		{
			Workload: report.Workload{Name: "go-build", About: "go build " + s.building + " from Go's source tree, with an empty build cache, all on the target"},
			amount:   1, on: keeping(), settled: true, before: makeGoroot, do: goBuild,
			after: func(ctx context.Context, t *trial) error { return remove(ctx, t.path("go")) },
		},
	}
}

func (t *trial) git(ctx context.Context, args ...string) (time.Duration, error) {
	return t.timed(func() error { return run(ctx, gitEnv(), "git", args...) })
}

// makeGoroot copies Go's library to the target; the compiler stays where it
// is.
func makeGoroot(ctx context.Context, t *trial) error {
	if err := t.in.makeTree(ctx); err != nil {
		return err
	}
	root := t.path("go", "root")
	if err := mkdir(ctx, root); err != nil {
		return err
	}
	if err := run(ctx, nil, "cp", "-a", t.in.tree(), filepath.Join(root, "src")); err != nil {
		return err
	}
	for _, name := range []string{"pkg", "bin", "lib", "VERSION", "go.env"} {
		if err := run(ctx, nil, "ln", "-s", filepath.Join(t.in.goroot, name), filepath.Join(root, name)); err != nil {
			return err
		}
	}
	return t.target.Settle(ctx)
}

func goBuild(ctx context.Context, t *trial) (time.Duration, error) {
	root := t.path("go", "root")
	env := []string{
		"GOROOT=" + root, "GOCACHE=" + t.path("go", "cache"), "GOTOOLCHAIN=local", "GOFLAGS=", "GOWORK=off", "GOPROXY=off",
		"GOTELEMETRY=off", "PWD=" + filepath.Join(root, "src"),
	}
	return t.timed(func() error {
		return run(ctx, env, filepath.Join(t.in.goroot, "bin", "go"), "build", "-C", filepath.Join(root, "src"), "-o", "/dev/null", t.in.sizes.building)
	})
}
