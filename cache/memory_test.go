package cache

import (
	"testing"

	"pgregory.net/rapid"

	"pifs/blockstore"
)

func memoryRef(i int, size uint32) blockstore.Ref {
	return blockstore.Ref{Address: blockstore.AddressOf([]byte{byte(i)}), Key: blockstore.Key{byte(i)}, Size: size}
}

func TestMemoryStaysWithinItsLimit(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		const limit = 4 << 20
		m := newMemory(limit)
		for range rapid.IntRange(1, 60).Draw(rt, "adds") {
			i := rapid.IntRange(0, 20).Draw(rt, "block")
			size := rapid.SampledFrom([]uint32{1, 4096, 200 << 10, 1 << 20, 4 << 20}).Draw(rt, "size")
			ref := memoryRef(i, size)
			m.add(ref, newPlain(make([]byte, size)))
			if m.used() > limit {
				rt.Fatalf("%d bytes used of %d", m.used(), limit)
			}
			if want := int64(size)+memoryCost <= limit; m.has(ref) != want {
				rt.Fatalf("latest block of %d bytes in memory: %v", size, !want)
			}
		}
	})
}

func TestStreamDoesNotPushOutNodes(t *testing.T) {
	m := newMemory(9 << 20)
	for i := range 10 {
		m.add(memoryRef(i, 128<<10), newPlain(make([]byte, 128<<10)))
	}
	for i := 100; i < 200; i++ {
		m.add(memoryRef(i, 1<<20), newPlain(make([]byte, 1<<20)))
	}
	for i := range 10 {
		if !m.has(memoryRef(i, 128<<10)) {
			t.Errorf("node %d is gone", i)
		}
	}
	// Nodes may use what chunks do not.
	m.drop()
	for i := range 60 {
		m.add(memoryRef(i, 128<<10), newPlain(make([]byte, 128<<10)))
	}
	if m.used() < 7<<20 {
		t.Errorf("60 nodes use %d bytes only", m.used())
	}
}

func TestMemoryEvictsWhatWasUsedLongestAgo(t *testing.T) {
	m := newMemory(3 * (1000 + memoryCost))
	for i := range 3 {
		m.add(memoryRef(i, 1000), newPlain(make([]byte, 1000)))
	}
	m.get(memoryRef(0, 1000))
	m.add(memoryRef(3, 1000), newPlain(make([]byte, 1000)))
	for i, want := range []bool{true, false, true, true} {
		if m.has(memoryRef(i, 1000)) != want {
			t.Errorf("block %d in memory: %v", i, !want)
		}
	}
}
