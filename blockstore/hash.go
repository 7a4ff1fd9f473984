package blockstore

import (
	"encoding/binary"
	"math/bits"

	"github.com/zeebo/blake3"
	"lukechampine.com/blake3/guts"
)

// treeFrom is the input size in bytes from which walking the tree ourselves,
// 16 leaves at a time, beats the streaming hasher.
const treeFrom = guts.MaxSIMD * LeafSize

// sum returns BLAKE3-256 of b.
func sum(b []byte) [32]byte {
	if len(b) < treeFrom {
		return blake3.Sum256(b)
	}
	return plainTree.root(b)
}

// tree is the BLAKE3 tree over a message, plain or keyed.
type tree struct {
	key   [8]uint32
	flags uint32
}

// plainTree is a constant in all but name.
var plainTree = tree{key: guts.IV}

func keyedTree(key [32]byte) tree {
	return tree{key: words(key), flags: guts.FlagKeyedHash}
}

// root returns the hash of b.
func (t *tree) root(b []byte) [32]byte {
	n := t.node(b, 0)
	n.Flags |= guts.FlagRoot
	return output(n)
}

// node returns the node over b, which begins at byte off of the message: a
// multiple of b's own span, so that b is a subtree.
func (t *tree) node(b []byte, off int) guts.Node {
	counter := uint64(off / LeafSize)
	switch {
	case len(b) <= LeafSize:
		return guts.CompressChunk(b, &t.key, counter, t.flags)
	case len(b) == treeFrom:
		return guts.CompressBuffer((*[treeFrom]byte)(b), treeFrom, &t.key, counter, t.flags)
	case len(b) < treeFrom:
		return t.smallNode(b, counter)
	}
	l := leftLen(len(b))
	left, right := t.node(b[:l], off), t.node(b[l:], off+l)
	return guts.ParentNode(guts.ChainingValue(left), guts.ChainingValue(right), &t.key, t.flags)
}

// smallNode is apart so that node's frames stay small.
func (t *tree) smallNode(b []byte, counter uint64) guts.Node {
	var area [treeFrom]byte
	return guts.CompressBuffer(&area, copy(area[:], b), &t.key, counter, t.flags)
}

// leftLen returns how many of n > LeafSize bytes belong to the left subtree:
// the largest power of two of leaves that leaves something for the right
// (BLAKE3 specification, section 2.1).
func leftLen(n int) int {
	return LeafSize << (bits.Len(uint(Leaves(n)-1)) - 1)
}

// output returns the first 32 bytes of a node's output: its chaining value,
// or the hash if it is the root.
func output(n guts.Node) [32]byte { return bytesOf(guts.ChainingValue(n)) }

func bytesOf(w [8]uint32) (b [32]byte) {
	for i, w := range w {
		binary.LittleEndian.PutUint32(b[4*i:], w)
	}
	return b
}

// words is the inverse of bytesOf.
func words(b [32]byte) (w [8]uint32) {
	for i := range w {
		w[i] = binary.LittleEndian.Uint32(b[4*i:])
	}
	return w
}
