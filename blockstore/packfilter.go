package blockstore

import (
	"encoding/binary"
	"sync/atomic"
)

// filter is a Bloom filter (Bloom, CACM 1970) over shard ids: it spares Put a
// search of the index for what was never there. Ids are hashes already, so
// their own bits choose the positions. It is safe for concurrent use.
type filter struct {
	bits  []uint64
	ready atomic.Bool // all ids that the index held at opening have been added
}

const (
	filterBitsPerID = 10 // with 7 probes: 1 % false positives at full size
	filterProbes    = 7
	filterMinIDs    = 1 << 18 // 320 KiB
)

// newFilter makes room for twice the ids held; beyond that it gets less
// useful, never wrong.
func newFilter(held int64) *filter {
	n := max(2*held, filterMinIDs) * filterBitsPerID
	return &filter{bits: make([]uint64, (n+63)/64)}
}

func (f *filter) add(id ShardID) {
	f.probe(id, func(word *uint64, bit uint64) bool {
		atomic.OrUint64(word, bit)
		return true
	})
}

// mayHold reports false only for an id that was never added.
func (f *filter) mayHold(id ShardID) bool {
	if !f.ready.Load() {
		return true
	}
	return f.probe(id, func(word *uint64, bit uint64) bool {
		return atomic.LoadUint64(word)&bit != 0
	})
}

// probe calls fn for each of id's positions until it returns false.
func (f *filter) probe(id ShardID, fn func(word *uint64, bit uint64) bool) bool {
	at := binary.LittleEndian.Uint64(id[:8])
	step := binary.LittleEndian.Uint64(id[8:16]) | 1
	n := uint64(len(f.bits)) * 64
	for range filterProbes {
		i := at % n
		if !fn(&f.bits[i/64], 1<<(i%64)) {
			return false
		}
		at += step
	}
	return true
}
