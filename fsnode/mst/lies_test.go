package mst

import (
	"context"
	"errors"
	"maps"
	"testing"

	"pifs/blockstore"
)

// forge is a valid tree of one index over some leaves, taken apart.
type forge struct {
	blocks *memBlocks
	root   Root
	index  indexNode
}

func newForge(t testing.TB) *forge {
	t.Helper()
	f := &forge{blocks: newMemBlocks()}
	c := styles()[0].corpus()
	var err error
	if f.root, err = Build(t.Context(), f.blocks, c.model(6000).sorted()); err != nil {
		t.Fatal(err)
	}
	f.open(t, f.root.Ref, &f.index)
	if len(f.index.Links) < 4 {
		t.Fatalf("the sample tree has %d leaves only", len(f.index.Links))
	}
	return f
}

// again returns a forge of the same tree, to be spoilt.
func (f *forge) again(t testing.TB) *forge {
	t.Helper()
	g := &forge{blocks: newMemBlocks(), root: f.root}
	maps.Copy(g.blocks.nodes, f.blocks.nodes)
	g.open(t, g.root.Ref, &g.index)
	return g
}

func (f *forge) open(t testing.TB, ref blockstore.Ref, node any) {
	t.Helper()
	plain, err := f.blocks.Get(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := blockstore.Unmarshal(plain, node); err != nil {
		t.Fatal(err)
	}
}

func (f *forge) put(t testing.TB, node any) blockstore.Ref {
	t.Helper()
	plain, err := blockstore.Marshal(node)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := f.blocks.Put(t.Context(), plain)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// leaf changes the leaf under link i and links the result in its place.
func (f *forge) leaf(t testing.TB, i int, change func(n *leafNode)) {
	t.Helper()
	var n leafNode
	f.open(t, f.index.Links[i].Ref, &n)
	change(&n)
	f.index.Links[i].Ref = f.put(t, &n)
}

// Every lie is found by whoever reads all of the tree, and by an update of
// the place where it stands; nobody hangs or panics.
func TestTreesThatLie(t *testing.T) {
	lies := map[string]func(t *testing.T, f *forge){
		"links out of order": func(t *testing.T, f *forge) {
			f.index.Links[1], f.index.Links[2] = f.index.Links[2], f.index.Links[1]
		},
		"one link twice": func(t *testing.T, f *forge) { f.index.Links[2] = f.index.Links[1] },
		"one child twice": func(t *testing.T, f *forge) {
			f.index.Links[2].Ref = f.index.Links[1].Ref
		},
		"last key too small": func(t *testing.T, f *forge) {
			last := f.index.Links[1].Last
			last[len(last)-1]--
		},
		"last key too large": func(t *testing.T, f *forge) {
			last := f.index.Links[1].Last
			f.index.Links[1].Last = append(last, 0)
		},
		"count too large": func(t *testing.T, f *forge) { f.index.Links[1].Count++; f.root.Count++ },
		"count moved": func(t *testing.T, f *forge) {
			f.index.Links[1].Count++
			f.index.Links[2].Count--
		},
		"count zero":      func(t *testing.T, f *forge) { f.index.Links[1].Count = 0 },
		"count overflows": func(t *testing.T, f *forge) { f.index.Links[1].Count = 1<<64 - 1 },
		"count of root":   func(t *testing.T, f *forge) { f.root.Count-- },
		"no links":        func(t *testing.T, f *forge) { f.index.Links = f.index.Links[:0] },
		"one link at the root": func(t *testing.T, f *forge) {
			f.index.Links = f.index.Links[len(f.index.Links)-1:]
			f.root.Count = f.index.Links[0].Count
		},
		"height of index": func(t *testing.T, f *forge) { f.index.Height, f.root.Height = 2, 2 },
		"height of root":  func(t *testing.T, f *forge) { f.root.Height = 2 },
		"height zero":     func(t *testing.T, f *forge) { f.index.Height = 0 },
		"too high":        func(t *testing.T, f *forge) { f.index.Height, f.root.Height = 17, 17 },
		"kind":            func(t *testing.T, f *forge) { f.index.Kind = 'F' },
		"version":         func(t *testing.T, f *forge) { f.index.Version++ },
		"key too long":    func(t *testing.T, f *forge) { f.index.Links[3].Last = make([]byte, MaxKey+1) },
		"key nil":         func(t *testing.T, f *forge) { f.index.Links[0].Last = nil },
		"ref of nothing":  func(t *testing.T, f *forge) { f.index.Links[1].Ref = blockstore.Ref{} },
		"leaf version":    func(t *testing.T, f *forge) { f.leaf(t, 1, func(n *leafNode) { n.Version++ }) },
		"leaf empty":      func(t *testing.T, f *forge) { f.leaf(t, 1, func(n *leafNode) { n.Entries = nil }) },
		"leaf unsorted": func(t *testing.T, f *forge) {
			f.leaf(t, 1, func(n *leafNode) { n.Entries[3], n.Entries[4] = n.Entries[4], n.Entries[3] })
		},
		"leaf key twice": func(t *testing.T, f *forge) {
			f.leaf(t, 1, func(n *leafNode) { n.Entries[3].Key = n.Entries[4].Key })
		},
		"leaf key below its range": func(t *testing.T, f *forge) {
			f.leaf(t, 1, func(n *leafNode) { n.Entries[0].Key = []byte{} })
		},
		"leaf key equal to the neighbour's": func(t *testing.T, f *forge) {
			f.leaf(t, 1, func(n *leafNode) { n.Entries[0].Key = f.index.Links[0].Last })
		},
		"leaf key nil": func(t *testing.T, f *forge) {
			f.leaf(t, 0, func(n *leafNode) { n.Entries[0].Key = nil })
		},
		"leaf value nil": func(t *testing.T, f *forge) {
			f.leaf(t, 1, func(n *leafNode) { n.Entries[3].Value = nil })
		},
		"leaf value too long": func(t *testing.T, f *forge) {
			f.leaf(t, 1, func(n *leafNode) { n.Entries[3].Value = make([]byte, MaxValue+1) })
		},
		"leaf too long": func(t *testing.T, f *forge) {
			f.leaf(t, 1, func(n *leafNode) {
				for i := range n.Entries[:8] {
					n.Entries[i].Value = make([]byte, MaxValue)
				}
			})
		},
		"leaf not cut where it should be": joinLeaves,
		"leaf cut where it should not be": splitLeaf,
	}
	honest := newForge(t)
	for name, lie := range lies {
		t.Run(name, func(t *testing.T) {
			f := honest.again(t)
			good := f.root
			lie(t, f)
			f.root.Ref = f.put(t, &f.index)
			expectFormat(t, f, good)
		})
	}
}

// joinLeaves makes one leaf of two.
func joinLeaves(t *testing.T, f *forge) {
	var second leafNode
	f.open(t, f.index.Links[2].Ref, &second)
	f.leaf(t, 1, func(n *leafNode) { n.Entries = append(n.Entries, second.Entries...) })
	f.index.Links[1].Last = f.index.Links[2].Last
	f.index.Links[1].Count += f.index.Links[2].Count
	f.index.Links = append(f.index.Links[:2], f.index.Links[3:]...)
}

// splitLeaf makes two leaves of one.
func splitLeaf(t *testing.T, f *forge) {
	whole := f.index.Links[1]
	var n leafNode
	f.open(t, whole.Ref, &n)
	half := len(n.Entries) / 2
	head, tail := n.Entries[:half], n.Entries[half:]
	n.Entries = head
	first := indexLink{Last: head[half-1].Key, Count: uint64(half), Ref: f.put(t, &n)}
	n.Entries = tail
	whole.Count, whole.Ref = uint64(len(tail)), f.put(t, &n)
	f.index.Links = append([]indexLink{f.index.Links[0], first, whole}, f.index.Links[2:]...)
}

// expectFormat reads and updates the whole of a tree that lies.
func expectFormat(t *testing.T, f *forge, good Root) {
	t.Helper()
	ctx := t.Context()
	all, n := []Change{}, 0
	err := Range(ctx, f.blocks, good, nil, func(k, _ []byte) error {
		if n++; n%10 == 0 { // some in every leaf
			all = append(all, Change{Key: k, Value: []byte("new")})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	_, updateErr := Update(ctx, f.blocks, f.root, all)
	found := map[string]error{
		"range":  Range(ctx, f.blocks, f.root, nil, func(_, _ []byte) error { return nil }),
		"nodes":  Nodes(ctx, f.blocks, f.root, func(blockstore.Ref, uint8, []byte) error { return nil }),
		"diff":   Diff(ctx, f.blocks, Root{}, f.root, func(_, _, _ []byte) error { return nil }),
		"update": updateErr,
	}
	for what, err := range found {
		if !errors.Is(err, blockstore.ErrFormat) {
			t.Errorf("%s: error %v, want ErrFormat", what, err)
		}
	}
	for _, c := range all[:50] {
		if _, _, err := Get(ctx, f.blocks, f.root, c.Key); err != nil && !errors.Is(err, blockstore.ErrFormat) {
			t.Errorf("get: error %v", err)
		}
	}
}

// mirror answers every ref with the same index: a tree without end.
type mirror struct{ plain []byte }

func (m mirror) Put(context.Context, []byte) (blockstore.Ref, error) {
	return blockstore.Ref{Size: 1}, nil
}
func (m mirror) Get(context.Context, blockstore.Ref) ([]byte, error) { return m.plain, nil }

func TestTreeWithoutEnd(t *testing.T) {
	f := newForge(t)
	plain, err := blockstore.Marshal(&f.index)
	if err != nil {
		t.Fatal(err)
	}
	err = Range(t.Context(), mirror{plain}, f.root, nil, func(_, _ []byte) error { return nil })
	if !errors.Is(err, blockstore.ErrFormat) {
		t.Errorf("error %v, want ErrFormat", err)
	}
}

func TestRootsThatLie(t *testing.T) {
	ref := blockstore.Ref{Size: 5}
	for i, root := range []Root{{Height: 17, Ref: ref, Count: 1}, {Ref: ref}, {Count: 3}, {Height: 1}} {
		err := Range(t.Context(), newMemBlocks(), root, nil, func(_, _ []byte) error { return nil })
		if !errors.Is(err, blockstore.ErrFormat) {
			t.Errorf("root %d: error %v, want ErrFormat", i, err)
		}
	}
}

// Counts that overflow are refused even when their sum comes out right.
func TestCountsThatOverflow(t *testing.T) {
	f := newForge(t)
	f.index.Links[0].Count += 1 << 63
	f.index.Links[1].Count += 1 << 63
	plain, err := blockstore.Marshal(&f.index)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Children(plain); !errors.Is(err, blockstore.ErrFormat) {
		t.Errorf("error %v, want ErrFormat", err)
	}
}
