package blockstore_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"pifs/blockstore"
	"pifs/blockstore/blocktest"
)

func allClasses() []blockstore.Class {
	var all []blockstore.Class
	for _, l := range []blockstore.Ladder{blockstore.Phi, blockstore.Lean} {
		for n := 1; n <= 34; n++ {
			if c, err := l.ClassFor(n); err == nil && !slices.Contains(all, c) {
				all = append(all, c)
			}
		}
	}
	return all
}

// stripe is a block, its descriptor, and copies of its shards.
type stripe struct {
	block  []byte
	d      blockstore.Descriptor
	shards [][]byte
}

func newStripe(t rapid.TB, c *blockstore.Coder, class blockstore.Class, seed uint64, size int) stripe {
	t.Helper()
	_, block := blocktest.Shard(seed, size)
	d, s, err := c.Encode(class, blockstore.AddressOf(block), block)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Release()
	out := stripe{block: block, d: d}
	for i, p := range s.Pieces {
		if s.Piece(i).ID() != d.Shards[i] || blockstore.ShardIDOf(p) != d.Shards[i] || !bytes.Equal(s.Piece(i).Bytes(), p) {
			t.Fatalf("shard %d has another id", i)
		}
		if len(p) != d.ShardSize() {
			t.Fatalf("shard %d has %d bytes, want %d", i, len(p), d.ShardSize())
		}
		out.shards = append(out.shards, bytes.Clone(p))
	}
	if err := d.Validate(); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestStripeAllClasses(t *testing.T) {
	c := blockstore.NewCoder()
	for _, class := range allClasses() {
		for _, size := range []int{blockstore.MinBlock, 33, 1000, 4096, 100_003, blockstore.MaxBlock} {
			s := newStripe(t, c, class, 1, size)
			// The last shards of the data, and of the parity, are lost.
			given := slices.Clone(s.shards)
			for i := range class.Spare() {
				given[(int(class.K)-1+i)%int(class.N)] = nil
			}
			got, err := c.Decode([]byte("kept"), s.d, given)
			if err != nil || !bytes.Equal(got, append([]byte("kept"), s.block...)) {
				t.Fatalf("%v, %d bytes: decoded %d bytes, %v", class, size, len(got), err)
			}
		}
	}
}

// drawDamage nils and alters shards, and returns how many are right still.
func drawDamage(r *rapid.T, s stripe) (given [][]byte, right int) {
	for i, shard := range s.shards {
		switch rapid.SampledFrom([]string{"right", "right", "missing", "altered", "cut", "swapped"}).Draw(r, "shard") {
		case "right":
			given = append(given, bytes.Clone(shard))
			right++
		case "missing":
			given = append(given, nil)
		case "altered":
			b := bytes.Clone(shard)
			b[rapid.IntRange(0, len(b)-1).Draw(r, "byte")] ^= 1
			given = append(given, b)
		case "cut":
			given = append(given, bytes.Clone(shard[:len(shard)-1]))
		case "swapped":
			other := s.shards[(i+1)%len(s.shards)]
			given = append(given, bytes.Clone(other))
			if bytes.Equal(other, shard) {
				right++
			}
		}
	}
	return given, right
}

func TestDecodeProperty(t *testing.T) {
	c := blockstore.NewCoder()
	rapid.Check(t, func(r *rapid.T) {
		class := rapid.SampledFrom(allClasses()).Draw(r, "class")
		s := newStripe(r, c, class, rapid.Uint64().Draw(r, "seed"), rapid.IntRange(blockstore.MinBlock, 3000).Draw(r, "size"))
		given, right := drawDamage(r, s)
		before := slices.Clone(given)
		got, err := c.Decode(nil, s.d, given)
		if right >= int(class.K) {
			if err != nil || !bytes.Equal(got, s.block) {
				r.Fatalf("%d right shards of %v: %d bytes, %v", right, class, len(got), err)
			}
		} else if err == nil {
			// Damage to what only stands for padding leaves the block right.
			if !bytes.Equal(got, s.block) {
				r.Fatalf("%d right shards of %v: a wrong block", right, class)
			}
		} else if !errors.Is(err, blockstore.ErrLost) || len(got) != 0 {
			r.Fatalf("%d right shards of %v: %d bytes, %v; want ErrLost", right, class, len(got), err)
		}
		for i := range given {
			if !bytes.Equal(given[i], before[i]) || (given[i] == nil) != (before[i] == nil) {
				r.Fatalf("decode changed shard %d", i)
			}
		}
	})
}

// The last data shard of a small block ends in padding. Damage that touches
// nothing else is no loss for a reader, and one for who counts right shards.
func TestDecodePadding(t *testing.T) {
	c := blockstore.NewCoder()
	s := newStripe(t, c, blockstore.Class{K: 3, N: 5}, 0, 19) // three shards of 7 bytes, 2 of them padding
	given := slices.Clone(s.shards)
	given[2], given[3], given[4] = nil, nil, bytes.Clone(given[4])
	given[4][5] ^= 1
	if got, err := c.Decode(nil, s.d, given); err != nil || !bytes.Equal(got, s.block) {
		t.Fatalf("damaged padding: %d bytes, %v", len(got), err)
	}
	if err := c.Rebuild(s.d, given); !errors.Is(err, blockstore.ErrLost) {
		t.Fatalf("rebuilt from two right shards: %v", err)
	}
	given[4][4] ^= 1
	if got, err := c.Decode(nil, s.d, given); !errors.Is(err, blockstore.ErrLost) || len(got) != 0 {
		t.Fatalf("damaged data: %d bytes, %v; want ErrLost", len(got), err)
	}
}

func TestRebuildProperty(t *testing.T) {
	c := blockstore.NewCoder()
	rapid.Check(t, func(r *rapid.T) {
		class := rapid.SampledFrom(allClasses()).Draw(r, "class")
		s := newStripe(r, c, class, rapid.Uint64().Draw(r, "seed"), rapid.IntRange(blockstore.MinBlock, 3000).Draw(r, "size"))
		given, right := drawDamage(r, s)
		before := slices.Clone(given)
		err := c.Rebuild(s.d, given)
		if right < int(class.K) {
			if !errors.Is(err, blockstore.ErrLost) || !slices.EqualFunc(given, before, bytes.Equal) {
				r.Fatalf("%d right shards of %v: %v; want ErrLost and no change", right, class, err)
			}
			return
		}
		if err != nil || !slices.EqualFunc(given, s.shards, bytes.Equal) {
			r.Fatalf("%d right shards of %v: not all rebuilt, %v", right, class, err)
		}
	})
}

// A descriptor that lies about its shards makes nothing that passes.
func TestRebuildRefusesFalseDescriptor(t *testing.T) {
	c := blockstore.NewCoder()
	class := blockstore.Class{K: 3, N: 5}
	s := newStripe(t, c, class, 1, 1000)
	other := newStripe(t, c, class, 2, 1000)
	lies := map[string]func(d *blockstore.Descriptor, shards [][]byte){
		"id of a lost shard": func(d *blockstore.Descriptor, shards [][]byte) {
			d.Shards[4] = other.d.Shards[4]
			shards[4] = nil
		},
		"shard of another block": func(d *blockstore.Descriptor, shards [][]byte) {
			d.Shards[0], shards[0] = other.d.Shards[0], other.shards[0]
		},
		"address":  func(d *blockstore.Descriptor, shards [][]byte) { d.Address = other.d.Address },
		"a length": func(d *blockstore.Descriptor, shards [][]byte) { d.Length++ },
	}
	for name, lie := range lies {
		d, shards := s.d, slices.Clone(s.shards)
		d.Shards = slices.Clone(d.Shards)
		lie(&d, shards)
		before := slices.Clone(shards)
		if err := c.Rebuild(d, shards); !errors.Is(err, blockstore.ErrCorrupt) {
			t.Errorf("%s: rebuild: %v; want ErrCorrupt", name, err)
		}
		if !slices.EqualFunc(shards, before, bytes.Equal) {
			t.Errorf("%s: rebuild changed shards", name)
		}
		if _, err := c.Decode(nil, d, shards); name != "id of a lost shard" && !errors.Is(err, blockstore.ErrCorrupt) {
			t.Errorf("%s: decode: %v; want ErrCorrupt", name, err)
		}
	}
}

func TestCoderRefuses(t *testing.T) {
	c := blockstore.NewCoder()
	s := newStripe(t, c, blockstore.Class{K: 2, N: 3}, 1, 100)
	if _, _, err := c.Encode(blockstore.Class{K: 2, N: 4}, s.d.Address, s.block); !errors.Is(err, blockstore.ErrFormat) {
		t.Errorf("encode with no class: %v", err)
	}
	for _, size := range []int{blockstore.MinBlock - 1, blockstore.MaxBlock + 1} {
		if _, _, err := c.Encode(s.d.Class, s.d.Address, make([]byte, size)); !errors.Is(err, blockstore.ErrTooLarge) {
			t.Errorf("encode %d bytes: %v", size, err)
		}
	}
	if _, err := c.Decode(nil, s.d, s.shards[:2]); !errors.Is(err, blockstore.ErrFormat) {
		t.Errorf("decode of too few places: %v", err)
	}
	if _, err := c.Decode(nil, blockstore.Descriptor{}, nil); !errors.Is(err, blockstore.ErrFormat) {
		t.Errorf("decode of no descriptor: %v", err)
	}
	if err := c.Rebuild(blockstore.Descriptor{}, nil); !errors.Is(err, blockstore.ErrFormat) {
		t.Errorf("rebuild of no descriptor: %v", err)
	}
}

func TestPutPiece(t *testing.T) {
	c := blockstore.NewCoder()
	_, block := blocktest.Shard(1, 10_000)
	d, shards, err := c.Encode(blockstore.Class{K: 3, N: 5}, blockstore.AddressOf(block), block)
	if err != nil {
		t.Fatal(err)
	}
	defer shards.Release()
	for _, s := range []blockstore.Store{blocktest.NewMemory(), openPack(t, t.TempDir(), smallPacks(t))} {
		for i, id := range d.Shards {
			if err := blockstore.PutPiece(t.Context(), s, shards.Piece(i)); err != nil {
				t.Fatal(err)
			}
			if got, err := s.Get(t.Context(), id, nil); err != nil || !bytes.Equal(got, shards.Pieces[i]) {
				t.Fatalf("shard %d: %d bytes, %v", i, len(got), err)
			}
		}
		var none blockstore.Piece
		if err := blockstore.PutPiece(t.Context(), s, none); err == nil {
			t.Error("a piece of nothing was stored")
		}
	}
}
