package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// inputs are what workloads copy. They are made once, when they are first
// wanted, on the disk that all targets lie on.
type inputs struct {
	base  string
	sizes sizes

	goroot  string
	entries int // of the tree, folders included
	changes int
	cloned  bool // the repository is there
}

func (in *inputs) tree() string       { return filepath.Join(in.base, "source") }
func (in *inputs) archive() string    { return filepath.Join(in.base, "source.tar") }
func (in *inputs) repository() string { return filepath.Join(in.base, "source.git") }

// changed is the file of the tree that change changes.
func (in *inputs) changed() string { return filepath.Join(in.tree(), "changed.txt") }

// makeTree makes the tree and its archive.
func (in *inputs) makeTree(ctx context.Context) error {
	if in.entries > 0 {
		return nil
	}
	out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return fmt.Errorf("find Go's source tree: %w", err)
	}
	in.goroot = strings.TrimSpace(string(out))
	args := []string{"-a"}
	for _, pattern := range in.sizes.without {
		args = append(args, "--exclude="+pattern)
	}
	if err := run(ctx, nil, "rsync", append(args, filepath.Join(in.goroot, in.sizes.source)+"/", in.tree())...); err != nil {
		return err
	}
	if err := in.change(); err != nil {
		return err
	}
	if err := run(ctx, nil, "tar", "-cf", in.archive(), "-C", in.tree(), "."); err != nil {
		return err
	}
	return filepath.WalkDir(in.tree(), func(_ string, _ fs.DirEntry, err error) error {
		in.entries++
		return err
	})
}

// change changes one file of the tree, each time to another size.
func (in *inputs) change() error {
	in.changes++
	return os.WriteFile(in.changed(), []byte(strings.Repeat("changed\n", in.changes)), 0o644)
}

// makeRepository puts the tree into a git repository, the same one each time.
func (in *inputs) makeRepository(ctx context.Context) error {
	if in.cloned {
		return nil
	}
	if err := in.makeTree(ctx); err != nil {
		return err
	}
	const date = "2026-01-01T00:00:00Z"
	env := append(gitEnv(), "GIT_DIR="+in.repository(), "GIT_WORK_TREE="+in.tree(), "GIT_AUTHOR_DATE="+date, "GIT_COMMITTER_DATE="+date)
	for _, args := range [][]string{
		{"init", "-q", "-b", "main"}, {"add", "-A", "-f"}, {"commit", "-q", "-m", "source"}, {"repack", "-q", "-a", "-d"},
	} {
		if err := run(ctx, env, "git", args...); err != nil {
			return err
		}
	}
	in.cloned = true
	return nil
}

// gitEnv has git leave the settings of whoever measures alone.
func gitEnv() []string {
	return []string{
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_AUTHOR_NAME=bench", "GIT_AUTHOR_EMAIL=bench@invalid",
		"GIT_COMMITTER_NAME=bench", "GIT_COMMITTER_EMAIL=bench@invalid",
	}
}

// warm makes the tree and reads it, so that the disk that it lies on does not
// matter.
func warm(ctx context.Context, t *trial) error {
	if err := t.in.makeTree(ctx); err != nil {
		return err
	}
	t.amount = float64(t.in.entries)
	return run(ctx, nil, "sh", "-c", `tar -cf - -C "$1" . | cat - "$2" >/dev/null`, "sh", t.in.tree(), t.in.archive())
}
