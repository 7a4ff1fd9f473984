package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"
)

// smalls make many small files.
func (in *inputs) smalls() []workload {
	create := func(name string, n, size, by int, sync bool) func(context.Context, string) error {
		return func(ctx context.Context, dir string) error {
			return in.create(filepath.Join(dir, name), n, size, by, sync)
		}
	}
	n := in.small
	synced := max(1, n/20)
	return []workload{
		{name: "create-1k", about: "create, write 1 KiB, close", unit: "files", amount: float64(n),
			before: in.redraw, do: create("create-1k", n, 1<<10, 1, false)},
		{name: "create-4k", about: "the same with 4 KiB", unit: "files", amount: float64(n),
			before: in.redraw, do: create("create-4k", n, smallSize, 1, false), reach: []reach{{0.5, "null"}, {1, "gocryptfs"}}},
		{name: "create-4k-by-4", about: "the same by four at a time", unit: "files", amount: float64(n),
			before: in.redraw, do: create("create-4k-by-4", n, smallSize, 4, false)},
		{name: "create-64k", about: "the same with 64 KiB", unit: "files", amount: float64(n / 4),
			before: in.redraw, do: create("create-64k", n/4, 64<<10, 1, false)},
		{name: "create-fsync-4k", about: "create, write 4 KiB, fsync, close", unit: "files", amount: float64(synced),
			before: in.redraw, do: create("create-fsync-4k", synced, smallSize, 1, true), reach: []reach{{0.5, "disk"}}},
		{name: "create-fsync-4k-by-4", about: "the same by four at a time", unit: "files", amount: float64(synced),
			before: in.redraw, do: create("create-fsync-4k-by-4", synced, smallSize, 4, true)},
	}
}

// create makes n files of size bytes in dir, by so many at a time.
func (in *inputs) create(dir string, n, size, by int, sync bool) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	var g errgroup.Group
	for part := range by {
		g.Go(func() error {
			for i := part; i < n; i += by {
				at := i * size % (len(in.big) - size)
				if err := makeFile(filepath.Join(dir, fmt.Sprint(i)), in.big[at:at+size], sync); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

func makeFile(path string, data []byte, sync bool) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil && sync {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
