package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// randoms read and write pieces of the large file, and append.
func (in *inputs) randoms() []workload {
	n := float64(in.ops)
	read := func(size int) func(context.Context, string) error {
		return func(_ context.Context, dir string) error { return in.readAt(dir, size) }
	}
	write := func(every int) func(context.Context, string) error {
		return func(_ context.Context, dir string) error { return in.writeAt(dir, every) }
	}
	return []workload{
		{name: "rand-read-4k-warm", about: "read 4 KiB anywhere; the page cache has them", unit: "ops", amount: n,
			needs: "write-settled", before: in.readBig, do: read(4 << 10), reach: []reach{{0.8, "null"}}},
		{name: "rand-read-4k-cold", about: "the same from where they stay", unit: "ops", amount: n,
			needs: "write-settled", before: forgetAll, do: read(4 << 10)},
		{name: "rand-read-128k-cold", about: "read 128 KiB anywhere from where they stay", unit: "ops", amount: n,
			needs: "write-settled", before: forgetAll, do: read(128 << 10)},
		{name: "rand-write-4k", about: "write 4 KiB anywhere", unit: "ops", amount: n, needs: "write-settled", do: write(0)},
		{name: "rand-write-4k-sync32", about: "the same with fsync each 32", unit: "ops", amount: n, needs: "write-settled", do: write(32)},
		{name: "rand-write-4k-sync", about: "the same with fsync each time", unit: "ops", amount: float64(in.ops / 10),
			needs: "write-settled", do: func(_ context.Context, dir string) error { return in.writeSome(dir, in.ops/10, 1) }},
		{name: "append-100", about: "append 100 bytes again and again", unit: "ops", amount: 10_000, do: in.appends},
	}
}

// readBig has the page cache hold the large file.
func (in *inputs) readBig(_ context.Context, t target) error {
	return readFile(filepath.Join(workDir(t), "big"), len(in.big))
}

// places gives out offsets, the same each time.
func (in *inputs) places(size int) func() int64 {
	r := rand.New(rand.NewPCG(1, 2))
	return func() int64 { return r.Int64N(int64((len(in.big)-size)/smallSize)) * smallSize }
}

func (in *inputs) readAt(dir string, size int) error {
	f, err := os.Open(filepath.Join(dir, "big"))
	if err != nil {
		return err
	}
	defer f.Close()
	buf, place := make([]byte, size), in.places(size)
	for range in.ops {
		if _, err := f.ReadAt(buf, place()); err != nil {
			return err
		}
	}
	return nil
}

func (in *inputs) writeAt(dir string, every int) error { return in.writeSome(dir, in.ops, every) }

// writeSome writes n pieces, with an fsync after every so many; none if 0.
func (in *inputs) writeSome(dir string, n, every int) error {
	f, err := os.OpenFile(filepath.Join(dir, "big"), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	place := in.places(smallSize)
	for i := range n {
		at := place()
		_, err := f.WriteAt(in.big[len(in.big)-smallSize-i:][:smallSize], at)
		if err == nil && every > 0 && (i+1)%every == 0 {
			err = f.Sync()
		}
		if err != nil {
			return errors.Join(err, f.Close())
		}
	}
	return f.Close()
}

func (in *inputs) appends(_ context.Context, dir string) error {
	f, err := os.OpenFile(filepath.Join(dir, "log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	for i := range 10_000 {
		if _, err := f.Write(in.big[i:][:100]); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	return f.Close()
}
