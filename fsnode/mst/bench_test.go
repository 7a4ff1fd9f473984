package mst

import (
	"encoding/binary"
	"fmt"
	"testing"
)

const million = 1_000_000

// directory yields a million names with values of 80 bytes: inode data.
func directory(yield func(key, value []byte) bool) {
	key, value := make([]byte, 0, 32), make([]byte, 80)
	for i := range million {
		key = fmt.Appendf(key[:0], "file-%07d.dat", i)
		binary.LittleEndian.PutUint64(value, uint64(i)*0x9e3779b97f4a7c15)
		if !yield(key, value) {
			return
		}
	}
}

func BenchmarkBuildMillion(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Build(b.Context(), newMemBlocks(), directory); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUpdateOneOfMillion(b *testing.B) {
	blocks := newMemBlocks()
	root, err := Build(b.Context(), blocks, directory)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	i := 0
	blocks.reset()
	for b.Loop() {
		i += 7919
		change := Change{Key: fmt.Appendf(nil, "file-%07d.dat", i%million), Value: fmt.Appendf(nil, "%080d", i)}
		if root, err = Update(b.Context(), blocks, root, []Change{change}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(blocks.puts))/float64(b.N), "nodes/op")
}

func BenchmarkGetOfMillion(b *testing.B) {
	blocks := newMemBlocks()
	root, err := Build(b.Context(), blocks, directory)
	if err != nil {
		b.Fatal(err)
	}
	i := 0
	for b.Loop() {
		i += 7919
		if _, ok, err := Get(b.Context(), blocks, root, fmt.Appendf(nil, "file-%07d.dat", i%million)); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}

func BenchmarkRangeMillion(b *testing.B) {
	blocks := newMemBlocks()
	root, err := Build(b.Context(), blocks, directory)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		n := 0
		if err := Range(b.Context(), blocks, root, nil, func(_, _ []byte) error { n++; return nil }); err != nil || n != million {
			b.Fatal(n, err)
		}
	}
}
