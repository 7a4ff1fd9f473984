package blockstore_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/iotest"

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

// cuts chunks what r has to read, checks sizes and that nothing is lost, and
// returns the chunk lengths.
func cuts(t *testing.T, c *blockstore.Chunker, r io.Reader, want []byte) (lengths []int) {
	t.Helper()
	c.Reset(r)
	var got []byte
	for {
		chunk, err := c.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(chunk) < 1 || len(chunk) > blockstore.MaxChunk {
			t.Fatalf("chunk of %d bytes", len(chunk))
		}
		got = append(got, chunk...)
		lengths = append(lengths, len(chunk))
	}
	if chunk, err := c.Next(); err != io.EOF || len(chunk) != 0 {
		t.Fatalf("after the end: %d bytes, %v", len(chunk), err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("chunks make %d bytes that differ from the %d read", len(got), len(want))
	}
	for i, n := range lengths {
		if n < blockstore.MinChunk && i < len(lengths)-1 {
			t.Fatalf("chunk %d of %d has %d bytes", i, len(lengths), n)
		}
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
		lengths := cuts(t, c, bytes.NewReader(data[:size]), data[:size])
		if (size == 0) != (len(lengths) == 0) {
			t.Errorf("%d bytes make %d chunks", size, len(lengths))
		}
	}
	if n := len(cuts(t, c, bytes.NewReader(data), data)); n < 12 || n > 28 {
		t.Errorf("20 MiB make %d chunks", n)
	}
	zeros := make([]byte, 9<<20)
	lengths := cuts(t, c, bytes.NewReader(zeros), zeros)
	if lengths[0] != lengths[1] {
		t.Errorf("equal bytes are cut differently: %v", lengths)
	}
}

// However the reader behaves, the cuts are the same.
func TestChunkerReaders(t *testing.T) {
	c := newChunker(t, benchScope)
	_, data := blocktest.Shard(2, 6<<20+12345)
	want := cuts(t, c, bytes.NewReader(data), data)
	for name, r := range map[string]io.Reader{
		"half":          iotest.HalfReader(bytes.NewReader(data)),
		"data with EOF": iotest.DataErrReader(bytes.NewReader(data)),
		"small reads":   io.MultiReader(iotest.OneByteReader(bytes.NewReader(data[:1000])), bytes.NewReader(data[1000:])),
	} {
		if got := cuts(t, c, r, data); !slices.Equal(got, want) {
			t.Errorf("%s: cuts %v, want %v", name, got, want)
		}
	}
}

// A cut depends only on the bytes since the one before it: starting anew at
// any cut, without whatever came before, gives the same next cut.
func TestChunkerCutsAreLocal(t *testing.T) {
	_, data := blocktest.Shard(3, 10<<20)
	c := newChunker(t, benchScope)
	off := 0
	for _, n := range cuts(t, c, bytes.NewReader(data), data) {
		c.Reset(bytes.NewReader(data[off:min(len(data), off+blockstore.MaxChunk)]))
		if chunk, err := c.Next(); err != nil || len(chunk) != n {
			t.Fatalf("chunk at %d has %d bytes, %v; want %d", off, len(chunk), err, n)
		}
		off += n
	}
}

// What follows a cut does not move it either.
func TestChunkerCutsIgnoreTheRest(t *testing.T) {
	_, data := blocktest.Shard(7, 6<<20)
	c := newChunker(t, benchScope)
	first := cuts(t, c, bytes.NewReader(data), data)[0]
	rapid.Check(t, func(r *rapid.T) {
		tail := rapid.SliceOfN(rapid.Byte(), 1, 100).Draw(r, "tail")
		c.Reset(io.MultiReader(bytes.NewReader(data[:first+1]), bytes.NewReader(tail)))
		if chunk, err := c.Next(); err != nil || len(chunk) != first {
			r.Fatalf("chunk of %d bytes, %v; want %d", len(chunk), err, first)
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
	for _, n := range cuts(t, c, bytes.NewReader(data), data) {
		set[blockstore.ShardIDOf(data[:n])] = true
		data = data[n:]
	}
	return set
}

func TestChunkerIsKeyed(t *testing.T) {
	_, data := blocktest.Shard(5, 5<<20)
	one := cuts(t, newChunker(t, blockstore.Secret{1}), bytes.NewReader(data), data)
	two := cuts(t, newChunker(t, blockstore.Secret{2}), bytes.NewReader(data), data)
	if slices.Equal(one, two) {
		t.Fatal("two scopes cut alike")
	}
}

func TestChunkerReadError(t *testing.T) {
	c := newChunker(t, benchScope)
	if _, err := c.Next(); err == nil {
		t.Error("a chunk before the first Reset")
	}
	_, data := blocktest.Shard(6, 100)
	broken := errors.New("broken")
	c.Reset(io.MultiReader(bytes.NewReader(data), iotest.ErrReader(broken)))
	for range 3 {
		if chunk, err := c.Next(); !errors.Is(err, broken) || chunk != nil {
			t.Fatalf("%d bytes, %v; want the reader's error", len(chunk), err)
		}
	}
	cuts(t, c, bytes.NewReader(data), data) // Reset recovers
}
