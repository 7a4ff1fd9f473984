package main

import (
	"context"
	"fmt"
	"io/fs"
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
		small: 20000,
	}
	if quick {
		in.big, in.small = in.big[:128<<20], 4000
		in.tree = filepath.Join(in.tree, "cmd")
	}
	err = filepath.WalkDir(in.tree, func(string, fs.DirEntry, error) error {
		in.files++
		return nil
	})
	if err != nil {
		return nil, err
	}
	return in, run(ctx, "tar", "-cf", in.tar, "-C", in.tree, ".")
}
