package blockstore_test

import (
	"bytes"
	"fmt"
	"os"
	"testing"

	"pifs/blockstore"
	"pifs/blockstore/blocktest"
)

// The throughput of every stage is per byte of plaintext: 1 MiB of
// incompressible data, class (3,5).

var benchScope = blockstore.Secret{1, 2, 3}

func BenchmarkChunk(b *testing.B) {
	_, data := blocktest.Shard(1, 16<<20)
	c, err := blockstore.NewChunker(benchScope)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		for rest := data; len(rest) > 0; {
			n := c.Cut(rest, 0)
			if n == 0 {
				n = len(rest)
			}
			rest = rest[n:]
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	for _, size := range []int{4 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("random/%d", size), func(b *testing.B) {
			_, plain := blocktest.Shard(1, size)
			benchmarkSeal(b, plain)
		})
	}
	b.Run("text", func(b *testing.B) { benchmarkSeal(b, goSource(b, 1<<20)) })
}

func benchmarkSeal(b *testing.B, plain []byte) {
	s := blockstore.NewSealer(benchScope)
	var block []byte
	b.SetBytes(int64(len(plain)))
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if block, _, err = s.Seal(block[:0], plain); err != nil {
			b.Fatal(err)
		}
	}
}

// goSource returns size bytes of Go source, repeated if need be.
func goSource(tb testing.TB, size int) []byte {
	tb.Helper()
	text, err := os.ReadFile("seal.go")
	if err != nil {
		tb.Fatal(err)
	}
	return bytes.Repeat(text, size/len(text)+1)[:size]
}

func BenchmarkOpen(b *testing.B) {
	s := blockstore.NewSealer(benchScope)
	_, plain := blocktest.Shard(1, 1<<20)
	block, ref, err := s.Seal(nil, plain)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(plain)))
	b.ReportAllocs()
	for b.Loop() {
		if plain, err = s.Open(plain[:0], block, ref); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	_, block := blocktest.Shard(1, 1<<20)
	addr := blockstore.AddressOf(block)
	for _, class := range []blockstore.Class{{K: 3, N: 5}, {K: 21, N: 34}} {
		b.Run(class.String(), func(b *testing.B) {
			c := blockstore.NewCoder()
			b.SetBytes(int64(len(block)))
			b.ReportAllocs()
			for b.Loop() {
				_, shards, err := c.Encode(class, addr, block)
				if err != nil {
					b.Fatal(err)
				}
				shards.Release()
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	_, block := blocktest.Shard(1, 1<<20)
	c := blockstore.NewCoder()
	d, shards, err := c.Encode(blockstore.Class{K: 3, N: 5}, blockstore.AddressOf(block), block)
	if err != nil {
		b.Fatal(err)
	}
	for _, lost := range []int{0, 2} {
		b.Run(fmt.Sprintf("lost%d", lost), func(b *testing.B) {
			pieces := append([][]byte{}, shards.Pieces...)
			clear(pieces[:lost])
			var out []byte
			b.SetBytes(int64(len(block)))
			b.ReportAllocs()
			for b.Loop() {
				if out, err = c.Decode(out[:0], d, pieces); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkPackPut puts shards that were never put before.
func BenchmarkPackPut(b *testing.B) {
	for _, size := range []int{1 << 10, 350 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			p, err := blockstore.OpenPack(b.TempDir(), blockstore.PackOptions{NoSync: true})
			if err != nil {
				b.Fatal(err)
			}
			defer p.Close()
			_, shard := blocktest.Shard(1, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				copy(shard, fmt.Sprint(i, "."))
				if err := p.Put(b.Context(), blockstore.ShardIDOf(shard), shard); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkPackGet(b *testing.B) {
	p, err := blockstore.OpenPack(b.TempDir(), blockstore.PackOptions{NoSync: true})
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	id, shard := blocktest.Shard(1, 350<<10)
	if err := p.Put(b.Context(), id, shard); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(shard)))
	b.ReportAllocs()
	for b.Loop() {
		if shard, err = p.Get(b.Context(), id, shard[:0]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkProve(b *testing.B) {
	_, shard := blocktest.Shard(1, 350<<10)
	for b.Loop() {
		if _, err := blockstore.Prove(shard, 100); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPipeline is the whole way down, from a stream to five stores.
func BenchmarkPipeline(b *testing.B) {
	const size = 16 << 20
	_, data := blocktest.Shard(1, size)
	chunker, err := blockstore.NewChunker(benchScope)
	if err != nil {
		b.Fatal(err)
	}
	var stores []blockstore.Store
	for range 5 {
		p, err := blockstore.OpenPack(b.TempDir(), blockstore.PackOptions{NoSync: true})
		if err != nil {
			b.Fatal(err)
		}
		defer p.Close()
		stores = append(stores, p)
	}
	sealer, coder := blockstore.NewSealer(benchScope), blockstore.NewCoder()
	var block []byte
	b.SetBytes(size)
	for i := 0; b.Loop(); i++ {
		for off := 0; off < size; off += 64 << 10 {
			copy(data[off:], fmt.Sprint(i, "."))
		}
		for rest := data; len(rest) > 0; {
			n := chunker.Cut(rest, 0)
			if n == 0 {
				n = len(rest)
			}
			var chunk []byte
			var ref blockstore.Ref
			chunk, rest = rest[:n], rest[n:]
			if block, ref, err = sealer.Seal(block[:0], chunk); err != nil {
				b.Fatal(err)
			}
			_, shards, err := coder.Encode(blockstore.Class{K: 3, N: 5}, ref.Address, block)
			if err != nil {
				b.Fatal(err)
			}
			for j, s := range stores {
				if err := blockstore.PutPiece(b.Context(), s, shards.Piece(j)); err != nil {
					b.Fatal(err)
				}
			}
			shards.Release()
		}
	}
}
