package node

import (
	"encoding/binary"

	"github.com/zeebo/blake3"

	"pifs/blockstore"
	"pifs/swarm"
	"pifs/swarm/wire"
)

// bitsPerShard and its hashes let one in a hundred shards that are not wanted
// pass for wanted (Bloom 1970): it is kept, which costs room and nothing else.
const (
	bitsPerShard = 10
	filterHashes = 7
)

// NewKeepSet returns a keep-set of ids, not signed, and its filter.
func NewKeepSet(principal, node swarm.MemberID, seq uint64, made int64, ids []blockstore.ShardID) (*wire.KeepSet, []byte) {
	filter := make([]byte, max(8, (len(ids)*bitsPerShard+7)/8))
	for i := range ids {
		eachBit(filterHashes, len(filter), ids[i], func(at uint64) bool {
			filter[at/8] |= 1 << (at % 8)
			return true
		})
	}
	return &wire.KeepSet{
		Principal: principal, Node: node, Seq: seq, Made: made, Count: uint64(len(ids)),
		Hashes: filterHashes, Size: uint32(len(filter)), Filter: blake3.Sum256(filter),
	}, filter
}

// names reports whether a filter has all bits of a shard.
func names(hashes uint8, filter []byte, id blockstore.ShardID) bool {
	return eachBit(hashes, len(filter), id, func(at uint64) bool { return filter[at/8]&(1<<(at%8)) != 0 })
}

// eachBit calls fn for the bits of a shard in a filter of size bytes until it
// returns false. Ids are hashes, so two halves of one serve for all (Kirsch &
// Mitzenmacher 2006).
func eachBit(hashes uint8, size int, id blockstore.ShardID, fn func(at uint64) bool) bool {
	a, b := binary.LittleEndian.Uint64(id[:8]), binary.LittleEndian.Uint64(id[8:16])|1
	for i := range uint64(hashes) {
		if !fn((a + i*b) % uint64(size*8)) {
			return false
		}
	}
	return true
}
