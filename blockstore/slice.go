package blockstore

import (
	"encoding/binary"
	"fmt"

	"lukechampine.com/blake3/bao"
	"lukechampine.com/blake3/guts"
)

// Slice returns the bytes [off, off+n) of a shard, rounded out to leaves, with
// the hashes that lead from them to the shard's id: a slice of the Bao format
// (O'Connor, 2018), which begins with the shard's size. It hashes all of the
// shard, once, and does not compare it with an id.
func Slice(shard []byte, off, n int) ([]byte, error) {
	if n < 1 || off < 0 || off > len(shard)-n || len(shard) > MaxShard {
		return nil, fmt.Errorf("slice %d bytes at %d of %d: %w", n, off, len(shard), ErrTooLarge)
	}
	s := slicer{shard: shard, from: off, to: off + n}
	s.out = make([]byte, 8, MaxSlice(len(shard), off, n))
	binary.LittleEndian.PutUint64(s.out, uint64(len(shard)))
	s.write(0, len(shard))
	return s.out, nil
}

// MaxSlice bounds the bytes of a slice: its leaves, the two hashes of each node
// above them, and the size.
func MaxSlice(size, off, n int) int {
	first, last := off/LeafSize, (off+n-1)/LeafSize
	leaves := last - first + 1
	depth := 0
	for l := Leaves(size); l > 1; l = (l + 1) / 2 {
		depth++
	}
	return 8 + leaves*LeafSize + 64*(leaves+2*depth)
}

// slicer writes a slice in pre-order.
type slicer struct {
	shard    []byte
	from, to int // the bytes that are wanted
	out      []byte
}

// write writes what the subtree over [lo, hi) has to do with the wanted bytes,
// and returns its chaining value.
func (s *slicer) write(lo, hi int) [8]uint32 {
	switch {
	case hi-lo <= LeafSize && s.wants(lo, hi):
		s.out = append(s.out, s.shard[lo:hi]...)
		fallthrough
	case !s.wants(lo, hi):
		return guts.ChainingValue(plainTree.node(s.shard[lo:hi], lo))
	}
	at := len(s.out)
	s.out = append(s.out, make([]byte, 64)...)
	mid := lo + leftLen(hi-lo)
	left, right := s.write(lo, mid), s.write(mid, hi)
	l, r := bytesOf(left), bytesOf(right)
	copy(s.out[at:], l[:])
	copy(s.out[at+32:], r[:])
	return guts.ChainingValue(guts.ParentNode(left, right, &plainTree.key, plainTree.flags))
}

func (s *slicer) wants(lo, hi int) bool { return lo < s.to && s.from < hi }

// sliceGroup is the logarithm of the leaves that a slice is rounded out to: one.
const sliceGroup = 0

// SliceSize returns the size of the shard as a slice tells it. Whoever does not
// know it better may believe it: the hash does not cover the size, but bytes
// that a slice proves stand where it says in every shard that has the hash.
func SliceSize(slice []byte) (int, error) {
	if len(slice) < 8 || binary.LittleEndian.Uint64(slice) > MaxShard {
		return 0, fmt.Errorf("read slice: %w", ErrCorrupt)
	}
	return int(binary.LittleEndian.Uint64(slice)), nil
}

// OpenSlice returns the n bytes at off of the shard of size bytes that is named
// id. A slice that does not prove them is ErrCorrupt.
func OpenSlice(slice []byte, id ShardID, size, off, n int) ([]byte, error) {
	if n < 1 || off < 0 || off > size-n || size > MaxShard {
		return nil, fmt.Errorf("open slice of %d bytes at %d of %d: %w", n, off, size, ErrTooLarge)
	}
	if len(slice) > MaxSlice(size, off, n) || len(slice) < 8 || binary.LittleEndian.Uint64(slice) != uint64(size) {
		return nil, fmt.Errorf("open slice of %v: %w: of another size", id, ErrCorrupt)
	}
	plain, ok := bao.VerifySlice(slice, sliceGroup, uint64(off), uint64(n), id)
	if !ok || len(plain) != n {
		return nil, fmt.Errorf("open slice of %v: %w", id, ErrCorrupt)
	}
	return plain, nil
}
