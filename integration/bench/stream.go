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
	"path/filepath"
)

// streams write and read large files from end to end.
func (in *inputs) streams() []workload {
	size := float64(len(in.big)) / mib
	big := func(dir string) string { return filepath.Join(dir, "big") }
	write := func(name string, data []byte) func(context.Context, string) error {
		return func(_ context.Context, dir string) error { return writeFile(filepath.Join(dir, name), data) }
	}
	read := func(_ context.Context, dir string) error { return readFile(big(dir), len(in.big)) }
	return []workload{
		{name: "write", about: "write incompressible bytes to a file and close it", unit: "MiB", amount: size,
			before: in.redraw, do: write("big", in.big), reach: []reach{{0.4, "null"}, {1, "gocryptfs"}}},
		{name: "write-settled", about: "the same, until they are where they are to stay", unit: "MiB", amount: size,
			before: in.redraw, do: write("big", in.big), settled: true, reach: []reach{{0.25, "null"}}},
		{name: "write-same", about: "write them once more to another file", unit: "MiB", amount: size,
			needs: "write-settled", do: write("same", in.big), settled: true, reach: []reach{{1.3, "write-settled"}}},
		{name: "write-text", about: "write compressible bytes", unit: "MiB", amount: float64(len(in.text)) / mib,
			do: write("text", in.text), settled: true},
		{name: "read-again", about: "read what was written; the page cache has it", unit: "MiB", amount: size,
			needs: "write-settled", do: read, reach: []reach{{0.8, "null"}, {1, "gocryptfs"}}},
		{name: "read-warm", about: "read it; the page cache is empty, the daemon's is not", unit: "MiB", amount: size,
			needs: "write-settled", before: forgetPages, do: read},
		{name: "read-cold", about: "read it from where it stays", unit: "MiB", amount: size,
			needs: "write-settled", before: forgetAll, do: read, reach: []reach{{0.5, "null"}, {1, "gocryptfs"}}},
		{name: "read-degraded", about: "the same with two of five stores gone", unit: "MiB", amount: size,
			needs: "write-settled", before: impair, do: read, after: remount, reach: []reach{{0.45, "null"}}},
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

func writeFile(path string, data []byte) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	for rest := data; len(rest) > 0; {
		n := min(mib, len(rest))
		if _, err := f.Write(rest[:n]); err != nil {
			return errors.Join(err, f.Close())
		}
		rest = rest[n:]
	}
	return f.Close()
}

func readFile(path string, size int) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	total, buf := 0, make([]byte, mib)
	for {
		n, err := f.Read(buf)
		total += n
		switch {
		case errors.Is(err, io.EOF) && total == size:
			return nil
		case errors.Is(err, io.EOF):
			return fmt.Errorf("read %d bytes of %d", total, size)
		case err != nil:
			return err
		}
	}
}
