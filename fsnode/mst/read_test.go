package mst

import (
	"context"
	"errors"
	"slices"
	"testing"

	"pifs/blockstore"
)

var errStop = errors.New("stop")

// sample returns a tree of three levels and more, and what it holds.
func sample(t *testing.T) (store, *memBlocks, Root, model) {
	t.Helper()
	s, blocks := tinyStore()
	m := styles()[0].corpus().model(1000)
	root := mustBuild(t, s, m)
	if root.Height < 2 {
		t.Fatalf("the sample tree is of height %d only", root.Height)
	}
	return s, blocks, root, m
}

func TestGet(t *testing.T) {
	s, blocks, root, m := sample(t)
	for k, v := range m {
		blocks.reset()
		got, ok, err := s.lookup(t.Context(), root, []byte(k))
		if err != nil || !ok || string(got) != string(v) {
			t.Fatalf("get %q: %q, %t, %v; want %q", k, got, ok, err, v)
		}
		if blocks.gets != int(root.Height)+1 {
			t.Fatalf("get %q: read %d nodes", k, blocks.gets)
		}
		for _, absent := range []string{k + "\x00", k[:len(k)-1]} {
			if _, ok, err := s.lookup(t.Context(), root, []byte(absent)); ok || err != nil {
				t.Fatalf("get absent %q: %t, %v", absent, ok, err)
			}
		}
	}
	for _, absent := range [][]byte{nil, {}, []byte("\xff\xff\xff\xff\xff")} {
		if _, ok, err := s.lookup(t.Context(), root, absent); ok || err != nil {
			t.Fatalf("get absent %q: %t, %v", absent, ok, err)
		}
	}
}

func TestRangeFrom(t *testing.T) {
	s, _, root, m := sample(t)
	var keys []string
	for k := range m.sorted() {
		keys = append(keys, string(k))
	}
	for i := 0; i < len(keys); i += 37 {
		for after, from := range []string{keys[i], keys[i] + "\x00"} {
			want := keys[i+after:]
			var got []string
			err := s.scan(t.Context(), root, []byte(from), func(k, _ []byte) error {
				got = append(got, string(k))
				if len(got) == 100 {
					return errStop
				}
				return nil
			})
			if len(want) >= 100 && err != errStop || len(want) < 100 && err != nil {
				t.Fatalf("range from %q: error %v", from, err)
			}
			if !slices.Equal(got, want[:min(100, len(want))]) {
				t.Fatalf("range from %q: %q, want %q", from, got, want)
			}
		}
	}
}

func TestEmptyTree(t *testing.T) {
	blocks := newMemBlocks()
	root, err := Build(t.Context(), blocks, model{}.sorted())
	if err != nil || !root.IsZero() {
		t.Fatalf("root %v, error %v", root, err)
	}
	root, err = Update(t.Context(), blocks, Root{}, []Change{{Key: []byte("absent")}})
	if err != nil || !root.IsZero() {
		t.Fatalf("root %v after a deletion, error %v", root, err)
	}
	if _, ok, err := Get(t.Context(), blocks, root, []byte("k")); ok || err != nil {
		t.Fatalf("get: %t, %v", ok, err)
	}
	if err := Range(t.Context(), blocks, root, nil, func(_, _ []byte) error { return errStop }); err != nil {
		t.Fatal(err)
	}
	if err := Diff(t.Context(), blocks, root, root, func(_, _, _ []byte) error { return errStop }); err != nil {
		t.Fatal(err)
	}
	if len(blocks.puts) != 0 {
		t.Errorf("an empty tree stored %d nodes", len(blocks.puts))
	}
}

// A nil key is the empty key, in a tree of any size.
func TestEmptyKeyAndValue(t *testing.T) {
	s, _, root, m := sample(t)
	for _, root := range []Root{{}, root} {
		got, err := s.update(t.Context(), root, []Change{{Key: nil, Value: []byte{}}})
		if err != nil {
			t.Fatal(err)
		}
		v, ok, err := s.lookup(t.Context(), got, []byte{})
		if err != nil || !ok || v == nil || len(v) != 0 {
			t.Errorf("get of the empty key: %q, %t, %v", v, ok, err)
		}
	}
	m[""] = []byte{}
	got, err := s.update(t.Context(), root, []Change{{Value: []byte{}}})
	if err != nil {
		t.Fatal(err)
	}
	checkCanonical(t, s, got, m)
}

func TestInputsOutOfBounds(t *testing.T) {
	k := func(s string) []byte { return []byte(s) }
	cases := []struct {
		name    string
		changes []Change
		want    error
	}{
		{"unsorted", []Change{{k("b"), k("1")}, {k("a"), k("1")}}, nil},
		{"twice", []Change{{k("a"), k("1")}, {k("a"), k("2")}}, nil},
		{"empty twice", []Change{{k(""), k("1")}, {nil, k("2")}}, nil},
		{"long key", []Change{{make([]byte, MaxKey+1), k("1")}}, blockstore.ErrTooLarge},
		{"long value", []Change{{k("a"), make([]byte, MaxValue+1)}}, blockstore.ErrTooLarge},
	}
	for _, c := range cases {
		blocks := newMemBlocks()
		_, err := Update(t.Context(), blocks, Root{}, c.changes)
		if err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("update, %s: error %v", c.name, err)
		}
		_, err = Build(t.Context(), blocks, stored(c.changes))
		if err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("build, %s: error %v", c.name, err)
		}
		if len(blocks.puts) != 0 {
			t.Errorf("%s: stored %d nodes", c.name, len(blocks.puts))
		}
	}
}

// Nodes, Children and LeafEntries together see the whole tree, once.
func TestNodes(t *testing.T) {
	_, blocks := standardStore()
	m := styles()[0].corpus().model(10000)
	root, err := Build(t.Context(), blocks, m.sorted())
	if err != nil {
		t.Fatal(err)
	}
	expected := []blockstore.Ref{root.Ref}
	entries := 0
	err = Nodes(t.Context(), blocks, root, func(ref blockstore.Ref, height uint8, plain []byte) error {
		if !slices.Contains(expected, ref) {
			t.Errorf("node %s comes before its parent", ref.Address)
		}
		refs, err := Children(plain)
		if err != nil || (len(refs) > 0) != (height > 0) {
			t.Errorf("%d children at height %d, error %v", len(refs), height, err)
		}
		expected = append(expected, refs...)
		return LeafEntries(plain, func(k, v []byte) error {
			entries++
			if string(m[string(k)]) != string(v) {
				t.Errorf("value of %q: %q", k, v)
			}
			return nil
		})
	})
	if err != nil || entries != len(m) || len(expected) != len(blocks.puts) {
		t.Fatalf("%d of %d entries, %d of %d nodes, error %v", entries, len(m), len(expected), len(blocks.puts), err)
	}
}

func TestNodesStopsAndSkips(t *testing.T) {
	_, blocks := standardStore()
	root, err := Build(t.Context(), blocks, styles()[0].corpus().model(10000).sorted())
	if err != nil {
		t.Fatal(err)
	}
	for _, result := range []error{errStop, ErrSkip} {
		seen := 0
		err := Nodes(t.Context(), blocks, root, func(blockstore.Ref, uint8, []byte) error {
			seen++
			return result
		})
		if seen != 1 || result == errStop && err != errStop || result == ErrSkip && err != nil {
			t.Errorf("%v at the root: %d nodes, error %v", result, seen, err)
		}
	}
}

// A long walk keeps a bounded number of index nodes.
func TestMemoIsBounded(t *testing.T) {
	s, _ := tinyStore()
	root := mustBuild(t, s, styles()[0].corpus().model(10000))
	w := newWalker(s, root)
	w.memo = map[blockstore.Ref]*node{}
	most, entered := 0, 0
	for !w.done() {
		if w.height() == 0 {
			w.leave()
			continue
		}
		if err := w.enter(t.Context()); err != nil {
			t.Fatal(err)
		}
		entered++
		most = max(most, len(w.memo))
	}
	if most > memoLimit || entered <= memoLimit {
		t.Errorf("kept %d of %d index nodes", most, entered)
	}
}

// faulty fails once, after a number of calls.
type faulty struct {
	*memBlocks
	left int
}

var _ Blocks = (*faulty)(nil)

func (f *faulty) Put(ctx context.Context, plain []byte) (blockstore.Ref, error) {
	if f.left--; f.left == -1 {
		return blockstore.Ref{}, errStop
	}
	return f.memBlocks.Put(ctx, plain)
}

func (f *faulty) Get(ctx context.Context, ref blockstore.Ref) ([]byte, error) {
	if f.left--; f.left == -1 {
		return nil, errStop
	}
	return f.memBlocks.Get(ctx, ref)
}

// A block that cannot be had or stored ends the work with its error, wherever
// it happens; trying again gives what would have been.
func TestFaults(t *testing.T) {
	s, blocks, root, m := sample(t)
	edits := model{"\x00first": []byte("1"), "m": []byte("2"), "\xff\xff\xff": []byte("3")}
	for k := range m {
		if len(edits) < 200 {
			edits[k] = nil
		}
	}
	want, err := s.update(t.Context(), root, changesOf(edits))
	if err != nil {
		t.Fatal(err)
	}
	work := map[string]func(s store) error{
		"build": func(s store) error { _, err := s.build(t.Context(), m.sorted()); return err },
		"scan":  func(s store) error { return s.scan(t.Context(), root, nil, func(_, _ []byte) error { return nil }) },
		"diff": func(s store) error {
			return s.diff(t.Context(), root, want, func(_, _, _ []byte) error { return nil })
		},
		"update": func(s store) error {
			got, err := s.update(t.Context(), root, changesOf(edits))
			if err == nil && got != want {
				t.Errorf("update gave another root")
			}
			return err
		},
	}
	for name, do := range work {
		failures := 0
		for after := 0; ; after += 1 + after/8 {
			err := do(store{blocks: &faulty{blocks, after}, rule: s.rule})
			if err == nil {
				break
			}
			if !errors.Is(err, errStop) {
				t.Fatalf("%s: error %v", name, err)
			}
			failures++
		}
		if failures < 10 {
			t.Errorf("%s failed only %d times", name, failures)
		}
	}
}
