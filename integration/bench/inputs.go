package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// newInputs makes the inputs below base; quick ones are smaller.
func newInputs(ctx context.Context, base string, quick bool) (*inputs, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("find Go's source tree: %w", err)
	}
	in := &inputs{
		big:   make([]byte, 1<<30),
		tree:  filepath.Join(strings.TrimSpace(string(out)), "src"),
		tar:   filepath.Join(base, "tree.tar"),
		repo:  filepath.Join(base, "repo"),
		small: 20000,
		ops:   20000,
	}
	if quick {
		in.big, in.small, in.ops = in.big[:128<<20], 4000, 2000
		in.tree = filepath.Join(in.tree, "cmd")
	}
	err = filepath.WalkDir(in.tree, func(string, fs.DirEntry, error) error {
		in.files++
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := run(ctx, "tar", "-cf", in.tar, "-C", in.tree, "."); err != nil {
		return nil, err
	}
	if in.text, err = textOf(in.tar, len(in.big)/4); err != nil {
		return nil, err
	}
	return in, in.makeRepo(ctx)
}

// textOf returns size bytes of an archive of text, again and again if need be:
// further apart than a chunk is long.
func textOf(path string, size int) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil || len(b) == 0 {
		return nil, errors.Join(err, errors.New("the archive is empty"))
	}
	text := bytes.Repeat(b, size/len(b)+1)
	return text[:size], nil
}

// makeRepo commits the tree to a repository of git.
func (in *inputs) makeRepo(ctx context.Context) error {
	git := func(args ...string) error {
		return run(ctx, "git", append([]string{"-C", in.repo, "-c", "user.name=bench", "-c", "user.email=bench@localhost"}, args...)...)
	}
	if err := os.Mkdir(in.repo, 0o755); err != nil {
		return err
	}
	for _, step := range []func() error{
		func() error { return run(ctx, "tar", "-xf", in.tar, "-C", in.repo) },
		func() error { return git("init", "-q", "-b", "main") },
		func() error { return git("add", "-A") },
		func() error { return git("commit", "-q", "-m", "the tree") },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}
