package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"lukechampine.com/blake3/bao"

	"pifs/blockstore"
)

// sliceGroup is the logarithm of the leaves that a slice is rounded out to: one.
const sliceGroup = 0

// Slice returns the bytes [off, off+n) of a shard, rounded out to leaves of
// 1 KiB, with the hashes that lead from them to the shard's id: a slice of the
// Bao format (O'Connor, 2018), which begins with the shard's size. It hashes
// all of the shard, whose id the caller need not check.
func Slice(shard []byte, off, n int) ([]byte, error) {
	if n < 1 || off < 0 || off > len(shard)-n {
		return nil, fmt.Errorf("slice %d bytes at %d of %d: %w", n, off, len(shard), blockstore.ErrTooLarge)
	}
	outboard, _ := bao.EncodeBuf(shard, sliceGroup, true)
	var out bytes.Buffer
	leaves := bytes.NewReader(shard[off&^(blockstore.LeafSize-1):]) // it is read from the first leaf on
	err := bao.ExtractSlice(&out, leaves, bytes.NewReader(outboard), sliceGroup, uint64(off), uint64(n))
	if err != nil {
		return nil, fmt.Errorf("slice %d bytes at %d of %d: %w", n, off, len(shard), err)
	}
	return out.Bytes(), nil
}

// SliceSize returns the size of the shard as a slice tells it. Whoever does not
// know it better may believe it: the hash does not cover the size, but bytes
// that a slice proves stand where it says in every shard that has the hash.
func SliceSize(slice []byte) (int, error) {
	if len(slice) < 8 || binary.LittleEndian.Uint64(slice) > blockstore.MaxShard {
		return 0, fmt.Errorf("read slice: %w", blockstore.ErrCorrupt)
	}
	return int(binary.LittleEndian.Uint64(slice)), nil
}

// OpenSlice returns the n bytes at off of the shard of size bytes that is named
// id. A slice that does not prove them is blockstore.ErrCorrupt.
func OpenSlice(slice []byte, id blockstore.ShardID, size, off, n int) ([]byte, error) {
	if n < 1 || off < 0 || off > size-n || size > blockstore.MaxShard {
		return nil, fmt.Errorf("open slice of %d bytes at %d of %d: %w", n, off, size, blockstore.ErrTooLarge)
	}
	if len(slice) > MaxSlice(size, off, n) || len(slice) < 8 || binary.LittleEndian.Uint64(slice) != uint64(size) {
		return nil, fmt.Errorf("open slice of %v: %w: of another size", id, blockstore.ErrCorrupt)
	}
	plain, ok := bao.VerifySlice(slice, sliceGroup, uint64(off), uint64(n), id)
	if !ok || len(plain) != n {
		return nil, fmt.Errorf("open slice of %v: %w", id, blockstore.ErrCorrupt)
	}
	return plain, nil
}

// MaxSlice bounds the bytes of a slice: its leaves, the two hashes of each node
// above them, and the size.
func MaxSlice(size, off, n int) int {
	first, last := off/blockstore.LeafSize, (off+n-1)/blockstore.LeafSize
	leaves := last - first + 1
	depth := 0
	for l := blockstore.Leaves(size); l > 1; l = (l + 1) / 2 {
		depth++
	}
	return 8 + leaves*blockstore.LeafSize + 64*(leaves+2*depth)
}
