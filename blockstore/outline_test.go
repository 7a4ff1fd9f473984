package blockstore_test

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"pifs/blockstore"
	"pifs/blockstore/blocktest"
)

// sealOutlined returns a block of size random bytes, and all that belongs to it.
func sealOutlined(r *rapid.T, s *blockstore.Sealer, size int) (plain, block, outline []byte, ref blockstore.Ref) {
	_, plain = blocktest.Shard(uint64(size), size)
	block, ref, outline, err := s.SealInPlace(bytes.Clone(plain))
	if err != nil {
		r.Fatal(err)
	}
	return plain, block, outline, ref
}

func drawSize(r *rapid.T) int {
	const group = blockstore.OutlineGroup
	return rapid.OneOf(
		rapid.IntRange(1, 12*group),
		rapid.Custom(func(r *rapid.T) int {
			return rapid.IntRange(1, 8).Draw(r, "groups")*group + rapid.IntRange(-2, 2).Draw(r, "more")
		})).Draw(r, "size")
}

func TestRangesAreThoseOfThePlaintext(t *testing.T) {
	s := blockstore.NewSealer(benchScope)
	rapid.Check(t, func(r *rapid.T) {
		size := drawSize(r)
		plain, block, outline, ref := sealOutlined(r, s, size)
		if want := size+1 > blockstore.OutlineGroup; (outline != nil) != want {
			r.Fatalf("an outline of %d bytes for %d", len(outline), size)
		}
		if outline == nil {
			return
		}
		off := rapid.IntRange(0, size-1).Draw(r, "off")
		n := rapid.IntRange(1, size-off).Draw(r, "n")
		from, to := blockstore.RangeOf(ref, off, n)
		got, err := s.OpenRange([]byte("kept"), rawOf(block[from:to]), from, outline, ref)
		if err != nil || !bytes.Equal(got[4+off-from:][:n], plain[off:off+n]) {
			r.Fatalf("%d bytes at %d: %d, %v", n, off, len(got), err)
		}
		altered := bytes.Clone(block[from:to])
		altered[rapid.IntRange(0, len(altered)-1).Draw(r, "altered")] ^= 1
		bad := bytes.Clone(outline)
		bad[rapid.IntRange(0, len(bad)-1).Draw(r, "altered outline")] ^= 1
		other := ref
		other.Key[3] ^= 1
		longer := ref
		longer.Size += blockstore.OutlineGroup
		for what, try := range map[string]func() ([]byte, error){
			"altered":         func() ([]byte, error) { return s.OpenRange([]byte("kept"), rawOf(altered), from, outline, ref) },
			"altered outline": func() ([]byte, error) { return s.OpenRange([]byte("kept"), rawOf(block[from:to]), from, bad, ref) },
			"no outline":      func() ([]byte, error) { return s.OpenRange([]byte("kept"), rawOf(block[from:to]), from, nil, ref) },
			"other key": func() ([]byte, error) {
				return s.OpenRange([]byte("kept"), rawOf(block[from:to]), from, outline, other)
			},
			"longer": func() ([]byte, error) {
				return s.OpenRange([]byte("kept"), rawOf(block[from:to]), from, outline, longer)
			},
			"elsewhere": func() ([]byte, error) {
				return s.OpenRange([]byte("kept"), rawOf(block[from:to]), from+blockstore.OutlineGroup, outline, ref)
			},
			"between groups": func() ([]byte, error) {
				return s.OpenRange([]byte("kept"), rawOf(block[from:to]), from+16, outline, ref)
			},
			"cut": func() ([]byte, error) {
				return s.OpenRange([]byte("kept"), rawOf(block[from:to-1]), from, outline, ref)
			},
		} {
			if got, err := try(); !errors.Is(err, blockstore.ErrCorrupt) || string(got) != "kept" {
				r.Fatalf("%s: %d bytes, %v; want ErrCorrupt", what, len(got), err)
			}
		}
	})
}

// The bytes of a payload that is compressed are not those of the plaintext.
func TestCompressedBlocksHaveNoOutline(t *testing.T) {
	_, _, outline, err := blockstore.NewSealer(benchScope).SealInPlace(make([]byte, 1<<20))
	if err != nil || outline != nil {
		t.Fatalf("an outline of %d bytes, %v", len(outline), err)
	}
}
