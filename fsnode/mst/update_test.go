package mst

import (
	"bytes"
	"context"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// After any history, a tree is the one that a fresh build of its entries
// makes, reads back as the map, was written without waste, and differs from
// its predecessor in what was changed.
func TestUpdateIsCanonical(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, blocks := tinyStore()
		c := drawCorpus(t)
		m := c.model(rapid.IntRange(0, 1500).Draw(t, "entries"))
		root := mustBuild(t, s, m)
		for range rapid.IntRange(1, 5).Draw(t, "rounds") {
			before, old := maps.Clone(m), root
			edits := c.edits(t, m)
			m.apply(changesOf(edits))
			blocks.reset()
			var err error
			if root, err = s.update(context.Background(), old, changesOf(edits)); err != nil {
				t.Fatal(err)
			}
			checkNoWaste(t, s, blocks, root)
			checkCanonical(t, s, root, m)
			checkDiff(t, s, old, root, before, m)
		}
	})
}

func mustBuild(t rapid.TB, s store, m model) Root {
	t.Helper()
	root, err := s.build(context.Background(), m.sorted())
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// checkCanonical compares a tree with a fresh build into empty blocks.
func checkCanonical(t rapid.TB, s store, root Root, m model) {
	t.Helper()
	blocks := newMemBlocks()
	fresh := store{blocks: blocks, rule: s.rule}
	want := mustBuild(t, fresh, m)
	if root != want {
		t.Fatalf("updated tree of %d entries: height %d, root %s; fresh build: height %d, root %s",
			len(m), root.Height, root.Ref.Address, want.Height, want.Ref.Address)
	}
	if root.Count != uint64(len(m)) {
		t.Fatalf("root counts %d of %d entries", root.Count, len(m))
	}
	checkNoWaste(t, fresh, blocks, want)
	if d := cmp.Diff(m, s.read(t, root)); d != "" {
		t.Fatalf("tree does not hold the map (-want +got):\n%s", d)
	}
}

// checkNoWaste requires that every node stored is part of the tree.
func checkNoWaste(t rapid.TB, s store, blocks *memBlocks, root Root) {
	t.Helper()
	in := s.reachable(t, root)
	for _, a := range blocks.puts {
		if !in[a] {
			t.Fatalf("node %s was stored but is not part of the tree", a)
		}
	}
}

// checkDiff compares Diff, both ways, with a comparison of maps.
func checkDiff(t rapid.TB, s store, a, z Root, ma, mz model) {
	t.Helper()
	for range 2 {
		if d := cmp.Diff(diffMaps(ma, mz), diffTrees(t, s, a, z)); d != "" {
			t.Fatalf("tree diff (-want +got):\n%s", d)
		}
		a, z, ma, mz = z, a, mz, ma
	}
}

func diffMaps(a, z model) map[string][2][]byte {
	out := map[string][2][]byte{}
	for k, v := range a {
		if w, ok := z[k]; !ok || !bytes.Equal(v, w) {
			out[k] = [2][]byte{v, w}
		}
	}
	for k, w := range z {
		if _, ok := a[k]; !ok {
			out[k] = [2][]byte{nil, w}
		}
	}
	return out
}

func diffTrees(t rapid.TB, s store, a, z Root) map[string][2][]byte {
	t.Helper()
	out := map[string][2][]byte{}
	prev := ""
	err := s.diff(context.Background(), a, z, func(k, va, vz []byte) error {
		if len(out) > 0 && string(k) <= prev {
			t.Fatalf("diff reports %q after %q", k, prev)
		}
		prev = string(k)
		out[prev] = [2][]byte{va, vz}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
