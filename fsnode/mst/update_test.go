package mst

import (
	"bytes"
	"context"
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// After any history, a tree is the one that a fresh build of its entries
// makes, reads back as the map, was written without waste, and differs from
// its predecessor in what was changed.
func TestUpdateIsCanonical(t *testing.T) { rapid.Check(t, canonicalProperty) }

func FuzzUpdate(f *testing.F) { f.Fuzz(rapid.MakeFuzz(canonicalProperty)) }

func canonicalProperty(t *rapid.T) {
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
	if got := s.read(t, root); !maps.EqualFunc(got, m, bytes.Equal) {
		t.Fatalf("tree does not hold the map (-want +got):\n%s", cmp.Diff(m, got))
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
		want, got := diffMaps(ma, mz), diffTrees(t, s, a, z)
		if !maps.EqualFunc(want, got, samePair) {
			t.Fatalf("tree diff (-want +got):\n%s", cmp.Diff(want, got))
		}
		a, z, ma, mz = z, a, mz, ma
	}
}

// samePair tells an empty value from none.
func samePair(x, y [2][]byte) bool {
	return (x[0] == nil) == (y[0] == nil) && (x[1] == nil) == (y[1] == nil) &&
		bytes.Equal(x[0], y[0]) && bytes.Equal(x[1], y[1])
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

// Deletions that end exactly at a cut leave whole nodes alone and can leave
// one of them, of any height, as the new root; even an index with one link,
// below which the root then lies.
func TestUpdateAtCuts(t *testing.T) {
	single := 0
	for round := range uint32(100) {
		s, _ := tinyStore()
		c := &corpus{rng: rand.New(rand.NewPCG(uint64(round), 1))}
		c.key = func(i uint32) []byte { return c.address(i + round<<16) }
		c.value = func() []byte { return c.bytes(30) }
		m := c.model(100 + int(round))
		root := mustBuild(t, s, m)
		cuts, lonely := s.cuts(t, root)
		single += lonely
		for _, cut := range cuts {
			checkSplit(t, s, root, m, cut)
		}
	}
	if single == 0 {
		t.Error("no tree had an index with one link")
	}
}

// checkSplit deletes what is up to key from the tree, or all the rest.
func checkSplit(t *testing.T, s store, root Root, m model, key string) {
	t.Helper()
	left, right, dropLeft, dropRight := model{}, model{}, model{}, model{}
	for k, v := range m {
		if k <= key {
			left[k], dropLeft[k] = v, nil
		} else {
			right[k], dropRight[k] = v, nil
		}
	}
	for _, c := range []struct{ kept, edits model }{{left, dropRight}, {right, dropLeft}} {
		got, err := s.update(t.Context(), root, changesOf(c.edits))
		if err != nil {
			t.Fatal(err)
		}
		checkCanonical(t, s, got, c.kept)
	}
}

// cuts returns the last keys of all index nodes but the root, and how many of
// these nodes have one link only.
func (s store) cuts(t *testing.T, root Root) (cuts []string, single int) {
	t.Helper()
	for w := newWalker(s, root); !w.done(); {
		if w.height() < 1 {
			w.leave()
			continue
		}
		if key := w.item().key; key != nil {
			cuts = append(cuts, string(key))
		}
		if err := w.enter(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(w.top().items) == 1 {
			single++
		}
	}
	return cuts, single
}
