package proof_test

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"pifs/blockstore"
	"pifs/blockstore/blocktest"
	"pifs/swarm/proof"
)

// TestMalformedStripes: of stripes in which a writer replaced a shard by something else,
// and its id in the descriptor, any k+1 shards show it, to whoever has a leaf of
// each; of right ones nothing shows that.
func TestMalformedStripes(t *testing.T) {
	c := blockstore.NewCoder()
	rapid.Check(t, func(r *rapid.T) {
		class := rapid.SampledFrom([]blockstore.Class{{K: 1, N: 2}, {K: 2, N: 3}, {K: 3, N: 5}, {K: 5, N: 8}, {K: 21, N: 34}}).Draw(r, "class")
		_, block := blocktest.Shard(rapid.Uint64().Draw(r, "seed"), rapid.IntRange(blockstore.MinBlock, 100_000).Draw(r, "size"))
		d, made, err := c.Encode(class, blockstore.AddressOf(block), block)
		if err != nil {
			r.Fatal(err)
		}
		defer made.Release()
		shards := slices.Clone(made.Pieces)
		if _, err := proof.FindMalformed(c, d, shards); !errors.Is(err, blockstore.ErrNotFound) {
			r.Fatalf("a right stripe: %v", err)
		}
		odd := rapid.IntRange(0, len(shards)-1).Draw(r, "odd")
		shards[odd] = slices.Clone(shards[odd])
		shards[odd][rapid.IntRange(0, len(shards[odd])-1).Draw(r, "byte")] ^= 1
		d.Shards = slices.Clone(d.Shards)
		d.Shards[odd] = blockstore.ShardIDOf(shards[odd])
		for gone := range rapid.IntRange(0, class.Spare()-1).Draw(r, "gone") {
			if at := (odd + 1 + gone) % len(shards); at != odd {
				shards[at] = nil
			}
		}
		m, err := proof.FindMalformed(c, d, shards)
		if err != nil {
			r.Fatal(err)
		}
		b, err := blockstore.Marshal(m)
		if err != nil {
			r.Fatal(err)
		}
		var got proof.Malformed
		if err := blockstore.Unmarshal(b, &got); err != nil || got.Verify(c) != nil {
			r.Fatalf("verify: %v, %v", err, got.Verify(c))
		}
		if most := (int(class.K) + 1) * 1700; len(b) > most+2000 {
			r.Fatalf("%d bytes for class %v", len(b), class)
		}
		got.Leaves[0].Data = slices.Clone(got.Leaves[0].Data)
		got.Leaves[0].Data[0] ^= 1
		if err := got.Verify(c); !errors.Is(err, blockstore.ErrCorrupt) {
			r.Fatalf("a forged leaf: %v", err)
		}
	})
}

// No proof is made of a right stripe by whoever has all its shards.
func TestRightStripesAreNotMalformed(t *testing.T) {
	c := blockstore.NewCoder()
	class := blockstore.Class{K: 3, N: 5}
	_, block := blocktest.Shard(1, 50_000)
	d, made, err := c.Encode(class, blockstore.AddressOf(block), block)
	if err != nil {
		t.Fatal(err)
	}
	defer made.Release()
	m := &proof.Malformed{Stripe: d}
	for i := range 4 {
		p, err := blockstore.Prove(made.Pieces[i], 2)
		if err != nil {
			t.Fatal(err)
		}
		m.Shards, m.Leaves = append(m.Shards, uint8(i)), append(m.Leaves, p)
	}
	if err := m.Verify(c); !errors.Is(err, blockstore.ErrCorrupt) {
		t.Errorf("leaves that agree: %v", err)
	}
	m.Leaves[3], err = blockstore.Prove(made.Pieces[3], 3)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Verify(c); !errors.Is(err, blockstore.ErrCorrupt) {
		t.Errorf("leaves of different places: %v", err)
	}
	m.Shards = []uint8{0, 1, 1, 3}
	if err := m.Verify(c); !errors.Is(err, blockstore.ErrCorrupt) {
		t.Errorf("a shard twice: %v", err)
	}
}
