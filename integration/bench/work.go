package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// workload is something done to a target. Those of one run find what those
// before them left.
type workload struct {
	name   string
	about  string
	unit   string  // "MiB" or "files"
	amount float64 // how many of them
	needs  string  // the workload that leaves what this one works on

	before  func(ctx context.Context, t target) error // not measured
	do      func(ctx context.Context, dir string) error
	settled bool // settling is part of what is measured
}

// inputs are what workloads write and copy.
type inputs struct {
	big   []byte // incompressible, other bytes each time
	drawn uint64 // how often big was filled
	tree  string // Go's source tree
	tar   string // the same as an archive
	files int    // in tree, folders included
	small int    // files that create makes
}

const (
	mib       = 1 << 20
	smallSize = 4 << 10
)

// workloads returns them in the order in which they run.
func (in *inputs) workloads() []workload {
	size, files := float64(len(in.big))/mib, float64(in.files)
	return []workload{
		{name: "write", about: "write incompressible bytes to a file and close it",
			unit: "MiB", amount: size, before: in.redraw, do: in.write},
		{name: "write-settled", about: "the same, until they are where they are to stay",
			unit: "MiB", amount: size, before: in.redraw, do: in.write, settled: true},
		{name: "read-warm", about: "read them; the page cache is empty, the daemon's is not",
			unit: "MiB", amount: size, needs: "write-settled", before: forgetPages, do: in.read},
		{name: "read-cold", about: "read them from where they stay",
			unit: "MiB", amount: size, needs: "write-settled", before: forgetAll, do: in.read},
		{name: "create-4k", about: "create, write 4 KiB, close",
			unit: "files", amount: float64(in.small), before: in.redraw, do: in.create},
		{name: "untar", about: "unpack Go's source tree",
			unit: "files", amount: files, before: in.warm, do: in.untar},
		{name: "cp-a", about: "cp -a of Go's source tree from the disk",
			unit: "files", amount: files, before: in.warm, do: in.copyTree},
		{name: "ls-lR", about: "ls -lR of the tree; the kernel's caches are empty",
			unit: "files", amount: files, needs: "untar", before: forgetPages, do: in.list},
		{name: "rm-r", about: "rm -r of the tree",
			unit: "files", amount: files, needs: "untar", do: in.remove},
	}
}

// redraw fills big with bytes that no target has seen, so that nothing is
// stored already.
func (in *inputs) redraw(context.Context, target) error {
	in.drawn++
	var key [16]byte
	binary.LittleEndian.PutUint64(key[:], in.drawn)
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return err
	}
	clear(in.big)
	cipher.NewCTR(block, make([]byte, aes.BlockSize)).XORKeyStream(in.big, in.big)
	return nil
}

// warm reads what is copied from, so that the disk it lies on does not matter.
func (in *inputs) warm(ctx context.Context, _ target) error {
	if err := run(ctx, "tar", "-cf", "/dev/null", "--checkpoint=1000000", "-C", in.tree, "."); err != nil {
		return err
	}
	return run(ctx, "cat", in.tar)
}

func forgetPages(_ context.Context, t target) error { return dropPageCache(t.dir()) }

func forgetAll(ctx context.Context, t target) error { return t.forget(ctx) }

func (in *inputs) write(_ context.Context, dir string) error {
	f, err := os.Create(filepath.Join(dir, "big"))
	if err != nil {
		return err
	}
	for rest := in.big; len(rest) > 0; {
		n := min(mib, len(rest))
		if _, err := f.Write(rest[:n]); err != nil {
			return errors.Join(err, f.Close())
		}
		rest = rest[n:]
	}
	return f.Close()
}

func (in *inputs) read(_ context.Context, dir string) error {
	f, err := os.Open(filepath.Join(dir, "big"))
	if err != nil {
		return err
	}
	defer f.Close()
	total, buf := 0, make([]byte, mib)
	for {
		n, err := f.Read(buf)
		total += n
		switch {
		case errors.Is(err, io.EOF) && total == len(in.big):
			return nil
		case errors.Is(err, io.EOF):
			return fmt.Errorf("read %d bytes of %d", total, len(in.big))
		case err != nil:
			return err
		}
	}
}

func (in *inputs) create(_ context.Context, dir string) error {
	dir = filepath.Join(dir, "small")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	for i := range in.small {
		at := i * smallSize % (len(in.big) - smallSize)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), in.big[at:at+smallSize], 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (in *inputs) untar(ctx context.Context, dir string) error {
	dir = filepath.Join(dir, "tree")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	return run(ctx, "tar", "-xf", in.tar, "-C", dir)
}

func (in *inputs) copyTree(ctx context.Context, dir string) error {
	return run(ctx, "cp", "-a", in.tree, filepath.Join(dir, "copy"))
}

func (in *inputs) list(ctx context.Context, dir string) error {
	return run(ctx, "ls", "-lR", filepath.Join(dir, "tree"))
}

func (in *inputs) remove(ctx context.Context, dir string) error {
	return run(ctx, "rm", "-r", filepath.Join(dir, "tree"))
}

// run runs a command whose output nobody wants.
func run(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
