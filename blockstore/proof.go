package blockstore

import (
	"bytes"
	"fmt"

	"lukechampine.com/blake3/guts"
)

// LeafSize is the size in bytes of the leaves of a shard's BLAKE3 tree; the
// last may be shorter.
const LeafSize = guts.ChunkSize

// Proof shows that a leaf belongs to a shard: the leaf's bytes and the
// chaining values of its siblings on the way to the root, which is the
// shard's id.
type Proof struct {
	_struct bool       `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Size    uint32     // of the shard in bytes, 1 … MaxShard
	Leaf    uint32     // index, from 0
	Data    []byte     // of the leaf
	Path    [][32]byte // siblings, the root's child first
}

// Leaves returns how many leaves a shard of size bytes has.
func Leaves(size int) int { return max(1, (size+LeafSize-1)/LeafSize) }

// Prove makes the proof of one leaf of shard. It hashes the whole shard.
func Prove(shard []byte, leaf int) (Proof, error) {
	if len(shard) < 1 || len(shard) > MaxShard {
		return Proof{}, fmt.Errorf("prove leaf %d of %d bytes: %w", leaf, len(shard), ErrTooLarge)
	}
	if leaf < 0 || leaf >= Leaves(len(shard)) {
		return Proof{}, fmt.Errorf("prove leaf %d of %d: %w", leaf, Leaves(len(shard)), ErrNotFound)
	}
	p := Proof{Size: uint32(len(shard)), Leaf: uint32(leaf)}
	lo, hi := 0, len(shard)
	for hi-lo > LeafSize {
		mid := lo + leftLen(hi-lo)
		if leaf*LeafSize < mid {
			p.Path = append(p.Path, output(plainTree.node(shard[mid:hi], mid)))
			hi = mid
		} else {
			p.Path = append(p.Path, output(plainTree.node(shard[lo:mid], lo)))
			lo = mid
		}
	}
	p.Data = bytes.Clone(shard[lo:hi])
	return p, nil
}

// Verify reports, as ErrCorrupt, a proof that does not belong to the shard
// with that id. It needs nothing but the id, and settles which bytes the leaf
// with that index holds. The hash does not cover the size as such: only a
// proof of the last leaf settles it, and a false one that leaves this leaf's
// path the same shape passes. Whoever knows the size from a descriptor
// compares.
func (p Proof) Verify(id ShardID) error {
	if p.Size < 1 || p.Size > MaxShard || int64(p.Leaf) >= int64(Leaves(int(p.Size))) {
		return fmt.Errorf("verify proof for %v: %w: leaf %d of %d bytes", id, ErrCorrupt, p.Leaf, p.Size)
	}
	right, length := p.route()
	if len(p.Data) != length || len(p.Path) != len(right) {
		return fmt.Errorf("verify proof for %v: %w: wrong shape", id, ErrCorrupt)
	}
	node := guts.CompressChunk(p.Data, &guts.IV, uint64(p.Leaf), 0)
	for i := len(right) - 1; i >= 0; i-- {
		own, sibling := guts.ChainingValue(node), words(p.Path[i])
		if right[i] {
			own, sibling = sibling, own
		}
		node = guts.ParentNode(own, sibling, &guts.IV, 0)
	}
	node.Flags |= guts.FlagRoot
	if ShardID(output(node)) != id {
		return fmt.Errorf("verify proof for %v: %w: another root", id, ErrCorrupt)
	}
	return nil
}

// route returns, from the root down, whether the leaf lies in the right half,
// and the leaf's length.
func (p Proof) route() (right []bool, length int) {
	lo, hi := 0, int(p.Size)
	for hi-lo > LeafSize {
		mid := lo + leftLen(hi-lo)
		r := int(p.Leaf)*LeafSize >= mid
		if right = append(right, r); r {
			lo = mid
		} else {
			hi = mid
		}
	}
	return right, hi - lo
}
