package cache

import (
	"encoding/binary"

	"pifs/blockstore"
)

const (
	filterBitsPer = 16        // bits per address expected
	filterProbes  = 4         // false positives: 0.24 % when as full as expected
	minFilterBits = 1 << 22   // 512 KiB
	maxFilterBits = 256 << 20 // 32 MiB
)

// filter is a Bloom filter (Bloom, CACM 1970) of addresses. These are hashes,
// so their own bytes serve as the probes. It is not safe for concurrent use.
type filter struct {
	bits  []uint64
	mask  uint64
	added int64
	room  int64 // addresses beyond which a larger filter pays
}

// newFilter returns a filter with room for twice as many addresses as there
// are.
func newFilter(present int64) *filter {
	bits := uint64(minFilterBits)
	for bits < maxFilterBits && bits < 2*filterBitsPer*uint64(present) {
		bits *= 2
	}
	f := &filter{bits: make([]uint64, bits/64), mask: bits - 1, room: int64(bits / filterBitsPer)}
	if bits == maxFilterBits {
		f.room = 1 << 62
	}
	return f
}

func (f *filter) add(addr blockstore.Address) {
	f.added++
	for i := range filterProbes {
		bit := f.probe(addr, i)
		f.bits[bit/64] |= 1 << (bit % 64)
	}
}

// has reports false only for an address that was never added.
func (f *filter) has(addr blockstore.Address) bool {
	for i := range filterProbes {
		bit := f.probe(addr, i)
		if f.bits[bit/64]&(1<<(bit%64)) == 0 {
			return false
		}
	}
	return true
}

func (f *filter) probe(addr blockstore.Address, i int) uint64 {
	return binary.LittleEndian.Uint64(addr[8*i:]) & f.mask
}

func (f *filter) crowded() bool { return f.added > f.room }
