package mst

import (
	"bytes"
	"context"
	"iter"
	"maps"
	"slices"

	"github.com/zeebo/blake3"
	"pgregory.net/rapid"

	"pifs/blockstore"
)

// memBlocks is Blocks in memory. It counts what is asked of it.
type memBlocks struct {
	nodes map[blockstore.Address][]byte
	puts  []blockstore.Address // since the last reset
	gets  int
}

var _ Blocks = (*memBlocks)(nil)

func newMemBlocks() *memBlocks {
	return &memBlocks{nodes: map[blockstore.Address][]byte{}}
}

func (m *memBlocks) Put(_ context.Context, plain []byte) (blockstore.Ref, error) {
	ref := blockstore.Ref{Address: blockstore.AddressOf(plain), Size: uint32(len(plain))}
	ref.Key = blake3.Sum256(ref.Address[:])
	m.nodes[ref.Address] = plain
	m.puts = append(m.puts, ref.Address)
	return ref, nil
}

func (m *memBlocks) Get(_ context.Context, ref blockstore.Ref) ([]byte, error) {
	m.gets++
	plain, ok := m.nodes[ref.Address]
	if !ok {
		return nil, blockstore.ErrNotFound
	}
	return plain, nil
}

func (m *memBlocks) reset() { m.puts, m.gets = nil, 0 }

// tiny is a rule that makes deep trees of few, short entries.
func tiny() rule { return rule{min: 300, span: 700, max: 2000} }

func tinyStore() (store, *memBlocks) {
	m := newMemBlocks()
	return store{blocks: m, rule: tiny()}, m
}

func standardStore() (store, *memBlocks) {
	m := newMemBlocks()
	return newStore(m), m
}

// model is the map that a tree should hold.
type model map[string][]byte

func (m model) sorted() iter.Seq2[[]byte, []byte] {
	return func(yield func(k, v []byte) bool) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if !yield([]byte(k), m[k]) {
				return
			}
		}
	}
}

func (m model) apply(changes []Change) {
	for _, c := range changes {
		if c.Value == nil {
			delete(m, string(c.Key))
		} else {
			m[string(c.Key)] = c.Value
		}
	}
}

// changesOf sorts edits into what Update takes.
func changesOf(edits model) []Change {
	var changes []Change
	for k, v := range edits.sorted() {
		changes = append(changes, Change{Key: k, Value: v})
	}
	return changes
}

// read returns the tree's entries and fails unless they come in order.
func (s store) read(t rapid.TB, root Root) model {
	t.Helper()
	got := model{}
	var prev []byte
	err := s.scan(context.Background(), root, nil, func(k, v []byte) error {
		if prev != nil && bytes.Compare(prev, k) >= 0 {
			t.Errorf("key %q comes after %q", k, prev)
		}
		prev = k
		got[string(k)] = v
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// reachable returns the addresses of the tree's nodes.
func (s store) reachable(t rapid.TB, root Root) map[blockstore.Address]bool {
	t.Helper()
	seen := map[blockstore.Address]bool{}
	w := newWalker(s, root)
	for !w.done() {
		if w.height() < 0 {
			w.leave()
			continue
		}
		seen[w.item().link.ref.Address] = true
		if err := w.enter(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	return seen
}
