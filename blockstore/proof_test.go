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

func TestProofProperty(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		size := rapid.OneOf(
			rapid.IntRange(1, 200<<10),
			rapid.Map(rapid.IntRange(1, 200), func(n int) int { return n << 10 }),
		).Draw(r, "size")
		id, shard := blocktest.Shard(uint64(size), size)
		leaf := rapid.IntRange(0, blockstore.Leaves(size)-1).Draw(r, "leaf")
		p, err := blockstore.Prove(shard, leaf)
		if err != nil {
			r.Fatal(err)
		}
		if err := p.Verify(id); err != nil {
			r.Fatal(err)
		}
		if want := shard[leaf*1024 : min(size, leaf*1024+1024)]; !bytes.Equal(p.Data, want) {
			r.Fatalf("leaf %d has %d other bytes", leaf, len(p.Data))
		}
		b, err := blockstore.Marshal(p)
		if err != nil {
			r.Fatal(err)
		}
		var q blockstore.Proof
		if err := blockstore.Unmarshal(b, &q); err != nil || q.Verify(id) != nil {
			r.Fatalf("after a round trip: %v, %v", err, q.Verify(id))
		}
		forged := forgeProof(r, p)
		if err := forged.Verify(id); !errors.Is(err, blockstore.ErrCorrupt) {
			r.Fatalf("forged proof: %v; want ErrCorrupt", err)
		}
	})
}

// forgeProof alters a proof in a way that claims something else about the
// leaf.
func forgeProof(r *rapid.T, p blockstore.Proof) blockstore.Proof {
	p.Data, p.Path = bytes.Clone(p.Data), slices.Clone(p.Path)
	leaves := blockstore.Leaves(int(p.Size))
	kinds := []string{"data", "short data", "long path"}
	if leaves > 1 {
		kinds = append(kinds, "path", "short path", "leaf", "order")
	}
	switch rapid.SampledFrom(kinds).Draw(r, "forgery") {
	case "data":
		p.Data[rapid.IntRange(0, len(p.Data)-1).Draw(r, "byte")] ^= 1
	case "short data":
		p.Data = p.Data[:len(p.Data)-1]
	case "path":
		p.Path[rapid.IntRange(0, len(p.Path)-1).Draw(r, "level")][5] ^= 1
	case "short path":
		p.Path = p.Path[1:]
	case "long path":
		p.Path = append(p.Path, [32]byte{})
	case "leaf":
		p.Leaf = (p.Leaf + uint32(rapid.IntRange(1, leaves-1).Draw(r, "by"))) % uint32(leaves)
	case "order":
		if len(p.Path) == 1 {
			p.Path = nil
		} else {
			p.Path[0], p.Path[1] = p.Path[1], p.Path[0]
		}
	}
	return p
}

// Only the last leaf settles the size: no false size passes with it.
func TestProofOfLastLeafSettlesSize(t *testing.T) {
	const size = 5*1024 + 100
	id, shard := blocktest.Shard(1, size)
	p, err := blockstore.Prove(shard, blockstore.Leaves(size)-1)
	if err != nil {
		t.Fatal(err)
	}
	for claimed := range uint32(20 << 10) {
		p.Size = claimed
		if err := p.Verify(id); (err == nil) != (claimed == size) {
			t.Errorf("size %d: %v", claimed, err)
		}
	}
}

func TestProofLimits(t *testing.T) {
	_, shard := blocktest.Shard(1, 2048)
	for _, leaf := range []int{-1, 2} {
		if _, err := blockstore.Prove(shard, leaf); !errors.Is(err, blockstore.ErrNotFound) {
			t.Errorf("leaf %d: %v; want ErrNotFound", leaf, err)
		}
	}
	for _, size := range []int{0, blockstore.MaxShard + 1} {
		if _, err := blockstore.Prove(make([]byte, size), 0); !errors.Is(err, blockstore.ErrTooLarge) {
			t.Errorf("size %d: %v; want ErrTooLarge", size, err)
		}
	}
	id, shard := blocktest.Shard(2, blockstore.MaxShard)
	for _, leaf := range []int{0, 1, 2047, 4095, 4096} {
		p, err := blockstore.Prove(shard, leaf)
		if err != nil || p.Verify(id) != nil {
			t.Errorf("leaf %d of the largest shard: %v, %v", leaf, err, p.Verify(id))
		}
	}
	for _, p := range []blockstore.Proof{{}, {Size: 1 << 31}, {Size: 1 << 31, Leaf: 1 << 31}, {Size: 1024, Leaf: 1 << 31}} {
		if err := p.Verify(id); !errors.Is(err, blockstore.ErrCorrupt) {
			t.Errorf("%+v: %v; want ErrCorrupt", p, err)
		}
	}
}
