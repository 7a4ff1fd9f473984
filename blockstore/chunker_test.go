package blockstore_test

import (
	"bytes"
	"io"
	"slices"
	"testing"

	chunkers "github.com/PlakarKorp/go-cdc-chunkers"
	"github.com/zeebo/blake3"
	"pgregory.net/rapid"

	"pifs/blockstore"
	"pifs/blockstore/blocktest"
)

func newChunker(t *testing.T, scope blockstore.Secret) *blockstore.Chunker {
	t.Helper()
	c, err := blockstore.NewChunker(scope)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// cuts chunks data, checks the sizes, and returns the chunk lengths.
func cuts(t *testing.T, c *blockstore.Chunker, data []byte) (lengths []int) {
	t.Helper()
	for len(data) > 0 {
		n := c.Cut(data, 0)
		switch {
		case n == 0:
			n = len(data)
			if n >= blockstore.MaxChunk {
				t.Fatalf("no cut in %d bytes", n)
			}
		case n < blockstore.MinChunk || n > blockstore.MaxChunk || n > len(data):
			t.Fatalf("chunk %d has %d of %d bytes", len(lengths), n, len(data))
		}
		data = data[n:]
		lengths = append(lengths, n)
	}
	return lengths
}

func TestChunkerSizes(t *testing.T) {
	c := newChunker(t, benchScope)
	_, data := blocktest.Shard(1, 20<<20)
	for _, size := range []int{
		0, 1, 100, blockstore.MinChunk - 1, blockstore.MinChunk, blockstore.MinChunk + 1,
		blockstore.MaxChunk, blockstore.MaxChunk + 1, 2*blockstore.MaxChunk + 1,
	} {
		lengths := cuts(t, c, data[:size])
		if (size == 0) != (len(lengths) == 0) {
			t.Errorf("%d bytes make %d chunks", size, len(lengths))
		}
	}
	if n := len(cuts(t, c, data)); n < 12 || n > 28 {
		t.Errorf("20 MiB make %d chunks", n)
	}
	zeros := make([]byte, 9<<20)
	lengths := cuts(t, c, zeros)
	if lengths[0] != lengths[1] {
		t.Errorf("equal bytes are cut differently: %v", lengths)
	}
}

// The engine of the library is the definition of the cuts.
func TestChunkerCutsLikeTheEngine(t *testing.T) {
	c := newChunker(t, benchScope)
	key := make([]byte, 32)
	blake3.DeriveKey("pifs 2026-01-01 chunker key v1", benchScope[:], key)
	opts := &chunkers.ChunkerOpts{MinSize: blockstore.MinChunk, NormalSize: blockstore.AvgChunk, MaxSize: blockstore.MaxChunk, Key: key}
	rapid.Check(t, func(r *rapid.T) {
		_, data := blocktest.Shard(rapid.Uint64().Draw(r, "seed"), rapid.IntRange(1, 12<<20).Draw(r, "size"))
		if rapid.Bool().Draw(r, "zeros") { // no cut before the largest size
			from := rapid.IntRange(0, len(data)-1).Draw(r, "from")
			clear(data[from:min(len(data), from+6<<20)])
		}
		engine, err := chunkers.NewChunker("fastcdc-v1.0.0", bytes.NewReader(data), opts)
		if err != nil {
			r.Fatal(err)
		}
		for i, n := range cuts(t, c, data) {
			chunk, err := engine.Next()
			if err != nil && err != io.EOF || len(chunk) != n {
				r.Fatalf("chunk %d has %d bytes, %v; the engine's has %d", i, n, err, len(chunk))
			}
		}
		if chunk, err := engine.Next(); err != io.EOF || len(chunk) != 0 {
			r.Fatalf("the engine has %d bytes more, %v", len(chunk), err)
		}
	})
}

// However the bytes arrive, the cuts are the same.
func TestChunkerGoesOn(t *testing.T) {
	c := newChunker(t, benchScope)
	_, data := blocktest.Shard(2, 6<<20+12345)
	lengths := cuts(t, c, data)
	rapid.Check(t, func(r *rapid.T) {
		off, step := 0, rapid.IntRange(1, 1<<20).Draw(r, "step")
		for i, want := range lengths[:len(lengths)-1] {
			n, seen := 0, 0
			for have := step; n == 0; have += step {
				have = min(have, len(data)-off)
				n, seen = c.Cut(data[off:off+have], seen), have
				step = min(2*step, blockstore.MaxChunk)
			}
			if n != want {
				r.Fatalf("chunk %d has %d bytes, want %d", i, n, want)
			}
			off += n
		}
	})
}

// A cut depends only on the bytes since the one before it: starting anew at
// any cut, without whatever came before, gives the same next cut.
func TestChunkerCutsAreLocal(t *testing.T) {
	_, data := blocktest.Shard(3, 10<<20)
	c := newChunker(t, benchScope)
	off := 0
	for _, n := range cuts(t, c, data) {
		if got := c.Cut(data[off:min(len(data), off+blockstore.MaxChunk)], 0); got != n && off+n < len(data) {
			t.Fatalf("chunk at %d has %d bytes; want %d", off, got, n)
		}
		off += n
	}
}

// What follows a cut does not move it either.
func TestChunkerCutsIgnoreTheRest(t *testing.T) {
	_, data := blocktest.Shard(7, 6<<20)
	c := newChunker(t, benchScope)
	first := cuts(t, c, data)[0]
	rapid.Check(t, func(r *rapid.T) {
		tail := rapid.SliceOfN(rapid.Byte(), 1, 100).Draw(r, "tail")
		if n := c.Cut(append(slices.Clone(data[:first+1]), tail...), 0); n != first {
			r.Fatalf("chunk of %d bytes; want %d", n, first)
		}
	})
}

// After an insertion or a deletion most chunks are the same as before.
func TestChunkerResynchronises(t *testing.T) {
	_, data := blocktest.Shard(4, 10<<20)
	c := newChunker(t, benchScope)
	before := ids(t, c, data)
	edits := map[string][]byte{
		"insertion": slices.Concat(data[:3<<20], []byte("inserted"), data[3<<20:]),
		"deletion":  slices.Concat(data[:3<<20], data[3<<20+77:]),
		"change":    slices.Concat(data[:3<<20], []byte{data[3<<20] ^ 1}, data[3<<20+1:]),
	}
	for name, edited := range edits {
		after := ids(t, c, edited)
		fresh := 0
		for id := range after {
			if !before[id] {
				fresh++
			}
		}
		if fresh > 4 {
			t.Errorf("%s: %d of %d chunks are new", name, fresh, len(after))
		}
	}
}

func ids(t *testing.T, c *blockstore.Chunker, data []byte) map[blockstore.ShardID]bool {
	t.Helper()
	set := make(map[blockstore.ShardID]bool)
	for _, n := range cuts(t, c, data) {
		set[blockstore.ShardIDOf(data[:n])] = true
		data = data[n:]
	}
	return set
}

func TestChunkerIsKeyed(t *testing.T) {
	_, data := blocktest.Shard(5, 5<<20)
	one := cuts(t, newChunker(t, blockstore.Secret{1}), data)
	two := cuts(t, newChunker(t, blockstore.Secret{2}), data)
	if slices.Equal(one, two) {
		t.Fatal("two scopes cut alike")
	}
}
