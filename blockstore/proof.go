package blockstore

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"lukechampine.com/blake3/guts"
)

// LeafSize is the size in bytes of the leaves of a shard's BLAKE3 tree; the
// last may be shorter.
const LeafSize = guts.ChunkSize

// Proof shows that a leaf belongs to a shard: the leaf's bytes and the
// chaining values of its siblings on the way to the root, which is the
// shard's id (BLAKE3 specification, section 2.1: the left subtree is the
// largest power of two of leaves that leaves something for the right).
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
			p.Path = append(p.Path, chainingBytes(subtree(shard[mid:hi], mid)))
			hi = mid
		} else {
			p.Path = append(p.Path, chainingBytes(subtree(shard[lo:mid], lo)))
			lo = mid
		}
	}
	p.Data = append([]byte{}, shard[lo:hi]...)
	return p, nil
}

// Verify reports, as ErrCorrupt, a proof that does not belong to the shard
// with that id. It needs nothing but the id. An id says nothing about its
// shard's size except through a proof: one with a false size fails.
func (p Proof) Verify(id ShardID) error {
	if p.Size < 1 || p.Size > MaxShard || int64(p.Leaf) >= int64(Leaves(int(p.Size))) {
		return fmt.Errorf("verify proof for %v: %w: leaf %d of %d bytes", id, ErrCorrupt, p.Leaf, p.Size)
	}
	lo, hi := 0, int(p.Size)
	var right []bool // at each level: the leaf lies in the right half
	for hi-lo > LeafSize {
		mid := lo + leftLen(hi-lo)
		r := int(p.Leaf)*LeafSize >= mid
		if right = append(right, r); r {
			lo = mid
		} else {
			hi = mid
		}
	}
	if len(p.Data) != hi-lo || len(p.Path) != len(right) {
		return fmt.Errorf("verify proof for %v: %w: wrong shape", id, ErrCorrupt)
	}
	node := guts.CompressChunk(p.Data, &guts.IV, uint64(p.Leaf), 0)
	for i := len(right) - 1; i >= 0; i-- {
		own, sibling := guts.ChainingValue(node), chainingWords(p.Path[i])
		if right[i] {
			own, sibling = sibling, own
		}
		node = guts.ParentNode(own, sibling, &guts.IV, 0)
	}
	node.Flags |= guts.FlagRoot
	if ShardID(chainingBytes(node)) != id {
		return fmt.Errorf("verify proof for %v: %w: another root", id, ErrCorrupt)
	}
	return nil
}

// leftLen returns how many of n > LeafSize bytes belong to the left subtree.
func leftLen(n int) int {
	return LeafSize << (bits.Len(uint(Leaves(n)-1)) - 1)
}

// subtree returns the node over buf, which begins at byte off of the shard.
func subtree(buf []byte, off int) guts.Node {
	counter := uint64(off / LeafSize)
	if len(buf) <= LeafSize {
		return guts.CompressChunk(buf, &guts.IV, counter, 0)
	}
	if len(buf) == guts.MaxSIMD*LeafSize {
		return guts.CompressBuffer((*[guts.MaxSIMD * LeafSize]byte)(buf), len(buf), &guts.IV, counter, 0)
	}
	if len(buf) < guts.MaxSIMD*LeafSize {
		var area [guts.MaxSIMD * LeafSize]byte
		return guts.CompressBuffer(&area, copy(area[:], buf), &guts.IV, counter, 0)
	}
	l := leftLen(len(buf))
	left, right := subtree(buf[:l], off), subtree(buf[l:], off+l)
	return guts.ParentNode(guts.ChainingValue(left), guts.ChainingValue(right), &guts.IV, 0)
}

// chainingBytes returns the first 32 bytes of a node's output: its chaining
// value, or the hash if it is the root.
func chainingBytes(n guts.Node) (b [32]byte) {
	words := guts.ChainingValue(n)
	for i, w := range words {
		binary.LittleEndian.PutUint32(b[4*i:], w)
	}
	return b
}

func chainingWords(b [32]byte) (words [8]uint32) {
	for i := range words {
		words[i] = binary.LittleEndian.Uint32(b[4*i:])
	}
	return words
}
