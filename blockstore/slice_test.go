package blockstore_test

import (
	"bytes"
	"errors"
	"testing"

	"lukechampine.com/blake3/bao"
	"pgregory.net/rapid"

	"pifs/blockstore"
	"pifs/blockstore/blocktest"
)

// TestSlice: any range of any shard is proved by its slice, which is not larger
// than told; another range, size or bit is not.
func TestSlice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.OneOf(rapid.IntRange(1, 5000), rapid.IntRange(1, 1<<20)).Draw(t, "size")
		off := rapid.IntRange(0, size-1).Draw(t, "off")
		n := rapid.IntRange(1, size-off).Draw(t, "n")
		id, shard := blocktest.Shard(uint64(size), size)
		s, err := blockstore.Slice(shard, off, n)
		if err != nil {
			t.Fatal(err)
		}
		if len(s) > blockstore.MaxSlice(size, off, n) || !bytes.Equal(s, slowSlice(t, shard, off, n)) {
			t.Fatalf("%d bytes, and not those of the format", len(s))
		}
		got, err := blockstore.OpenSlice(s, id, size, off, n)
		if err != nil || !bytes.Equal(got, shard[off:off+n]) {
			t.Fatal("open:", err)
		}
		i := rapid.IntRange(0, len(s)-1).Draw(t, "bit at")
		flip := byte(1) << rapid.IntRange(0, 7).Draw(t, "bit")
		s[i] ^= flip
		if got, err := blockstore.OpenSlice(s, id, size, off, n); err == nil && !bytes.Equal(got, shard[off:off+n]) {
			t.Fatal("an altered slice shows other bytes")
		} else if err == nil {
			t.Fatal("an altered slice is taken")
		}
		s[i] ^= flip
		if _, err := blockstore.OpenSlice(s, id, size+1, off, n); !errors.Is(err, blockstore.ErrCorrupt) {
			t.Fatal("of another size:", err)
		}
	})
}

// TestSliceIsSmall: 4 KiB of a shard cost 4 KiB and a path.
func TestSliceIsSmall(t *testing.T) {
	_, shard := blocktest.Shard(1, 350<<10)
	s, err := blockstore.Slice(shard, 100<<10, 4<<10)
	if err != nil {
		t.Fatal(err)
	}
	if len(s) > 4<<10+1200 {
		t.Errorf("%d bytes", len(s))
	}
}

// slowSlice makes a slice as the library does, through the whole tree.
func slowSlice(t *rapid.T, shard []byte, off, n int) []byte {
	outboard, _ := bao.EncodeBuf(shard, 0, true)
	var out bytes.Buffer
	leaves := bytes.NewReader(shard[off&^(blockstore.LeafSize-1):]) // it is read from the first leaf on
	if err := bao.ExtractSlice(&out, leaves, bytes.NewReader(outboard), 0, uint64(off), uint64(n)); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func BenchmarkSlice(b *testing.B) {
	_, shard := blocktest.Shard(1, 1<<20)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := blockstore.Slice(shard, 512<<10, 4096); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpenSlice(b *testing.B) {
	id, shard := blocktest.Shard(1, 1<<20)
	s, err := blockstore.Slice(shard, 512<<10, 4096)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := blockstore.OpenSlice(s, id, 1<<20, 512<<10, 4096); err != nil {
			b.Fatal(err)
		}
	}
}
