package main

import (
	"context"
	"os"
	"path/filepath"
)

// trees copy, list and remove Go's source tree with the tools that people use.
func (in *inputs) trees() []workload {
	n := float64(in.files)
	in1 := func(name string) func(dir string) string {
		return func(dir string) string { return filepath.Join(dir, name) }
	}
	tree, synced, clone := in1("tree"), in1("synced"), in1("clone")
	tool := func(name string, args func(dir string) []string) func(context.Context, string) error {
		return func(ctx context.Context, dir string) error { return run(ctx, name, args(dir)...) }
	}
	rsync := tool("rsync", func(dir string) []string { return []string{"-a", in.tree + "/", synced(dir)} })
	list := tool("ls", func(dir string) []string { return []string{"-lR", tree(dir)} })
	return []workload{
		{name: "untar", about: "unpack Go's source tree", unit: "files", amount: n, before: in.warm, do: in.untar,
			reach: []reach{{0.5, "null"}, {1, "gocryptfs"}}},
		{name: "cp-a", about: "cp -a of it from the disk", unit: "files", amount: n, before: in.warm,
			do:    tool("cp", func(dir string) []string { return []string{"-a", in.tree, filepath.Join(dir, "copy")} }),
			reach: []reach{{0.5, "null"}, {1, "gocryptfs"}}},
		{name: "rsync", about: "rsync -a of it from the disk", unit: "files", amount: n, before: in.warm, do: rsync},
		{name: "rsync-no-op", about: "once more", unit: "files", amount: n, needs: "rsync", before: in.warm, do: rsync,
			reach: []reach{{1 / 1.3, "null"}, {1, "gocryptfs"}}},
		{name: "rsync-one", about: "once more with one file changed", unit: "files", amount: n, needs: "rsync",
			before: changeOne, do: rsync},
		{name: "ls-lR", about: "ls -lR of the tree after a remount", unit: "files", amount: n, needs: "untar",
			before: all(remount, forgetPages), do: list, reach: []reach{{1 / 1.5, "null"}, {1, "gocryptfs"}}},
		{name: "ls-lR-again", about: "once more", unit: "files", amount: n, needs: "untar", do: list,
			reach: []reach{{1 / 1.1, "null"}}},
		{name: "find", about: "find in it; the kernel's caches are empty", unit: "files", amount: n, needs: "untar", before: forgetPages,
			do: tool("find", func(dir string) []string { return []string{tree(dir), "-name", "nothing"} })},
		{name: "git-clone", about: "git clone of it", unit: "files", amount: n, real: true, before: in.warm,
			do: tool("git", func(dir string) []string { return []string{"clone", "-q", "--no-local", in.repo, clone(dir)} })},
		{name: "git-status", about: "git status in the clone; the kernel's caches are empty", unit: "files", amount: n, real: true,
			needs: "git-clone", before: forgetPages,
			do: tool("git", func(dir string) []string { return []string{"-C", clone(dir), "status", "-s"} })},
		{name: "rm-r", about: "rm -r of the tree", unit: "files", amount: n, needs: "untar",
			do:    tool("rm", func(dir string) []string { return []string{"-r", tree(dir)} }),
			reach: []reach{{1 / 1.5, "null"}, {1, "gocryptfs"}}},
	}
}

// warm reads what is copied from, so that the disk it lies on does not matter.
func (in *inputs) warm(ctx context.Context, _ target) error {
	if err := run(ctx, "tar", "-cf", "/dev/null", "--checkpoint=1000000", "-C", in.tree, "."); err != nil {
		return err
	}
	return run(ctx, "cat", in.tar)
}

func (in *inputs) untar(ctx context.Context, dir string) error {
	dir = filepath.Join(dir, "tree")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	return run(ctx, "tar", "-xf", in.tar, "-C", dir)
}

// changeOne makes one file of what rsync made differ from its source.
func changeOne(ctx context.Context, t target) error {
	return run(ctx, "sh", "-c", `f=$(find "$1" -type f | sort | head -1); echo changed > "$f"`, "sh", filepath.Join(workDir(t), "synced"))
}
