package mst

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"pifs/blockstore"
)

// FuzzDecodeNode: what decodes is what a builder writes for its items.
func FuzzDecodeNode(f *testing.F) {
	for _, height := range []uint8{0, 1} {
		items := []item{{key: []byte{}, value: []byte{}}, {key: []byte("b"), value: []byte("value")}}
		if height > 0 {
			l := &link{count: 3, ref: blockstore.Ref{Size: 9}}
			items = []item{{key: []byte("a"), link: l}, {key: []byte("b"), link: l}}
		}
		plain, err := encodeNode(height, items)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(plain)
	}
	f.Fuzz(func(t *testing.T, plain []byte) {
		n, err := decodeNode(tiny(), plain)
		if err != nil {
			if !errors.Is(err, blockstore.ErrFormat) {
				t.Fatalf("error %v, want ErrFormat", err)
			}
			return
		}
		again, err := encodeNode(n.height, n.items)
		if err != nil || !bytes.Equal(again, plain) {
			t.Fatalf("encodes again as %x, error %v", again, err)
		}
		split := splitter{rule: tiny(), height: n.height}
		for i, it := range n.items {
			if split.add(it) && i < len(n.items)-1 {
				t.Fatalf("decoded a node that should have been cut at item %d", i)
			}
		}
	})
}

// FuzzDamagedTree changes one byte of one node. Either the tree is refused, or
// it still is a tree: in order, as long as it says, and canonical.
func FuzzDamagedTree(f *testing.F) {
	f.Add(uint16(0), uint16(1), byte(1))
	f.Add(uint16(3), uint16(40), byte(0x80))
	s, blocks := tinyStore()
	c := styles()[0].corpus()
	m := c.model(300)
	root, err := s.build(context.Background(), m.sorted())
	if err != nil {
		f.Fatal(err)
	}
	order := blocks.puts
	f.Fuzz(func(t *testing.T, which, pos uint16, flip byte) {
		addr := order[int(which)%len(order)]
		damaged := &memBlocks{nodes: map[blockstore.Address][]byte{}}
		for a, plain := range blocks.nodes {
			damaged.nodes[a] = plain
		}
		plain := bytes.Clone(blocks.nodes[addr])
		plain[int(pos)%len(plain)] ^= flip
		damaged.nodes[addr] = plain
		checkDamaged(t, store{blocks: damaged, rule: s.rule}, root)
	})
}

func checkDamaged(t *testing.T, s store, root Root) {
	t.Helper()
	seen := uint64(0)
	var prev []byte
	err := s.scan(t.Context(), root, nil, func(k, _ []byte) error {
		if seen > 0 && bytes.Compare(prev, k) >= 0 {
			return fmt.Errorf("key %q comes after %q", k, prev)
		}
		prev = k
		seen++
		return nil
	})
	switch {
	case errors.Is(err, blockstore.ErrFormat) || errors.Is(err, blockstore.ErrNotFound):
	case err != nil:
		t.Fatal(err)
	case seen != root.Count:
		t.Fatalf("read %d of %d entries", seen, root.Count)
	}
	for _, key := range []string{"", "m", "zzz"} {
		_, err := s.update(t.Context(), root, []Change{{Key: []byte(key), Value: []byte("v")}})
		if err != nil && !errors.Is(err, blockstore.ErrFormat) && !errors.Is(err, blockstore.ErrNotFound) {
			t.Fatalf("update: %v", err)
		}
	}
}
