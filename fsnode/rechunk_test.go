package fsnode

import (
	"context"
	"testing"

	"pgregory.net/rapid"

	"pifs/blockstore"
	"pifs/cache"
)

// chunker under test works on a file kept as a plain slice.
func rechunkOnce(t *rapid.T, base []extent, baseSize int64, pieces []cache.Piece, data []byte, hard int64, final bool) ([]extent, int64, int64) {
	c, err := blockstore.NewChunker(blockstore.Secret{1})
	if err != nil {
		t.Fatal(err)
	}
	r := &rechunk{
		base: base, pieces: pieces, size: int64(len(data)), final: final, cuts: c, hardCut: hard, bufs: make(chan []byte, 1),
		put: func(_ context.Context, p *[]byte) (blockstore.Ref, error) {
			ref := blockstore.Ref{Address: blockstore.AddressOf(*p), Size: uint32(len(*p))}
			clear(*p)
			return ref, nil
		},
		readAt: func(_ context.Context, off int64, p []byte) error {
			copy(p, data[off:])
			return nil
		},
	}
	r.bufs <- nil
	exts, limit, err := r.run(context.Background(), baseSize)
	if err != nil {
		t.Fatal(err)
	}
	end := int64(0)
	for _, e := range exts {
		if e.Off < end || e.end() > limit {
			t.Fatalf("extent at %d of %d bytes: before it all up to %d is taken, and %d is the limit", e.Off, e.Len, end, limit)
		}
		end = e.end()
	}
	return exts, limit, r.hardCut
}

// TestRechunkIsCanonical edits a file at random and compares the extents that
// incremental chunking gives with those of chunking from the beginning.
func TestRechunkIsCanonical(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var data []byte
		var base []extent
		baseSize, hard := int64(0), int64(0)
		fresh := cache.NewFresh(nil)
		for range rapid.IntRange(1, 8).Draw(t, "steps") {
			data = edit(t, data, fresh, &base, &baseSize, &hard)
			if rapid.Bool().Draw(t, "flush") {
				final := rapid.Bool().Draw(t, "final")
				pieces, gen := fresh.Freeze()
				var limit int64
				base, limit, hard = rechunkOnce(t, base, baseSize, pieces, data, hard, final)
				if final {
					hard = 0
				}
				fresh.Thaw(gen, limit)
				baseSize = limit
			}
		}
		pieces, _ := fresh.Freeze()
		got, _, _ := rechunkOnce(t, base, baseSize, pieces, data, hard, true)
		all := cache.NewFresh(nil) // one piece over everything: nothing is taken from base
		if len(data) > 0 {
			all.Zero(0, int64(len(data)))
		}
		whole, _ := all.Freeze()
		want, _, _ := rechunkOnce(t, nil, 0, whole, data, 0, true)
		if len(got) != len(want) {
			t.Fatalf("%d extents, want %d\n%v\n%v", len(got), len(want), got, want)
		}
		for i := range got {
			if got[i] != want[i] {
				t.Fatalf("extent %d: %+v, want %+v", i, got[i], want[i])
			}
		}
	})
}

// TestRechunkGrowingOverOld flushes a file whose end was written anew and may
// still grow: old extents that reach beyond the last cut must not stay.
func TestRechunkGrowingOverOld(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := noise(1, 6<<20)
		fresh := cache.NewFresh(nil)
		fresh.Write(0, data)
		pieces, gen := fresh.Freeze()
		base, limit, _ := rechunkOnce(t, nil, 0, pieces, data, 0, true)
		fresh.Thaw(gen, limit)
		from := rapid.IntRange(0, 5<<20).Draw(t, "from")
		copy(data[from:], noise(rapid.Uint64Range(2, 1000).Draw(t, "seed"), len(data)-from))
		fresh.Write(int64(from), data[from:])
		pieces, _ = fresh.Freeze()
		rechunkOnce(t, base, limit, pieces, data, 0, false) // checks what comes out
	})
}

// edit changes data and, in step, the layers over base.
func edit(t *rapid.T, data []byte, fresh *cache.Fresh, base *[]extent, baseSize, hard *int64) []byte {
	const limit = 12 << 20
	switch rapid.SampledFrom([]string{"append", "append", "write", "zero", "rewrite", "truncate", "grow"}).Draw(t, "op") {
	case "append", "grow":
		off := int64(len(data))
		if rapid.Bool().Draw(t, "gap") {
			off += rapid.Int64Range(0, 2<<20).Draw(t, "gapsize")
		}
		p := noise(rapid.Uint64Range(0, 40).Draw(t, "seed"), rapid.IntRange(1, 3<<20).Draw(t, "size"))
		if off+int64(len(p)) > limit {
			return data
		}
		data = append(data, make([]byte, off+int64(len(p))-int64(len(data)))...)
		copy(data[off:], p)
		fresh.Write(off, p)
	case "write", "zero":
		if len(data) == 0 {
			return data
		}
		off := rapid.IntRange(0, len(data)-1).Draw(t, "off")
		n := min(rapid.IntRange(1, 1<<20).Draw(t, "n"), len(data)-off)
		if rapid.Bool().Draw(t, "zeros") {
			clear(data[off : off+n])
			fresh.Zero(int64(off), int64(n))
		} else {
			copy(data[off:off+n], noise(uint64(n), n))
			fresh.Write(int64(off), data[off:off+n])
		}
	case "rewrite": // to the end
		if len(data) == 0 {
			return data
		}
		off := rapid.IntRange(0, len(data)-1).Draw(t, "from")
		copy(data[off:], noise(rapid.Uint64Range(0, 40).Draw(t, "seed"), len(data)-off))
		fresh.Write(int64(off), data[off:])
	case "truncate":
		n := int64(rapid.IntRange(0, len(data)).Draw(t, "len"))
		data = append([]byte(nil), data[:n]...)
		fresh.Truncate(n)
		*base = clip(*base, n)
		*baseSize = min(*baseSize, n)
		*hard = 0
	}
	return data
}
