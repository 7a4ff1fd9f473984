package mst

import (
	"bytes"
	"fmt"

	"pifs/blockstore"
)

// The first two fields of every node.
const (
	kindLeaf  = 'L'
	kindIndex = 'I'
	version   = 1
)

type leafNode struct {
	_struct bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Kind    uint8
	Version uint8
	Entries []leafEntry
}

type leafEntry struct {
	_struct bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Key     []byte
	Value   []byte
}

type indexNode struct {
	_struct bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Kind    uint8
	Version uint8
	Height  uint8 // ≥ 1
	Links   []indexLink
}

type indexLink struct {
	_struct bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Last    []byte
	Count   uint64
	Ref     blockstore.Ref
}

// node is a decoded node of either kind.
type node struct {
	height uint8
	items  []item // not empty; keys ascend
	count  uint64 // entries under it
	cut    bool   // it ends at a cut, and not merely with its level
}

// last returns the node's last key.
func (n *node) last() []byte { return n.items[len(n.items)-1].key }

// encodeNode returns the plaintext of a node of items.
func encodeNode(height uint8, items []item) ([]byte, error) {
	if height == 0 {
		n := leafNode{Kind: kindLeaf, Version: version, Entries: make([]leafEntry, len(items))}
		for i, it := range items {
			n.Entries[i] = leafEntry{Key: it.key, Value: it.value}
		}
		return blockstore.Marshal(&n)
	}
	n := indexNode{Kind: kindIndex, Version: version, Height: height, Links: make([]indexLink, len(items))}
	for i, it := range items {
		n.Links[i] = indexLink{Last: it.key, Count: it.link.count, Ref: it.link.ref}
	}
	return blockstore.Marshal(&n)
}

// decodeNode reads a node and checks all that can be checked without its
// surroundings, where it may be cut included. Its error is
// blockstore.ErrFormat.
func decodeNode(r rule, plain []byte) (*node, error) {
	if len(plain) > maxPlain {
		return nil, fmt.Errorf("decode tree node of %d bytes: %w", len(plain), blockstore.ErrFormat)
	}
	n, err := decodeItems(plain)
	if err != nil {
		return nil, err
	}
	if n.count, err = countEntries(n.items); err != nil {
		return nil, err
	}
	return n, n.checkItems(r)
}

func decodeItems(plain []byte) (*node, error) {
	if isLeaf(plain) {
		return decodeLeaf(plain)
	}
	return decodeIndex(plain)
}

// isLeaf tells the kinds apart by the array head and the kind byte.
func isLeaf(plain []byte) bool {
	return len(plain) >= 2 && plain[0] == 0x93 && plain[1] == kindLeaf
}

func decodeLeaf(plain []byte) (*node, error) {
	var n leafNode
	if err := blockstore.Unmarshal(plain, &n); err != nil {
		return nil, fmt.Errorf("decode tree leaf: %w", err)
	}
	if n.Kind != kindLeaf || n.Version != version {
		return nil, kindError(n.Kind, n.Version)
	}
	items := make([]item, len(n.Entries))
	for i, e := range n.Entries {
		if e.Key == nil || e.Value == nil || checkEntry(e.Key, e.Value) != nil {
			return nil, fmt.Errorf("decode tree leaf: entry %d is out of bounds: %w", i, blockstore.ErrFormat)
		}
		items[i] = item{key: e.Key, value: e.Value}
	}
	return &node{items: items}, nil
}

func decodeIndex(plain []byte) (*node, error) {
	var n indexNode
	if err := blockstore.Unmarshal(plain, &n); err != nil {
		return nil, fmt.Errorf("decode tree index: %w", err)
	}
	if n.Kind != kindIndex || n.Version != version {
		return nil, kindError(n.Kind, n.Version)
	}
	if n.Height == 0 || n.Height > MaxHeight {
		return nil, fmt.Errorf("decode tree index of height %d: %w", n.Height, blockstore.ErrFormat)
	}
	items, links := make([]item, len(n.Links)), make([]link, len(n.Links))
	for i, l := range n.Links {
		if l.Last == nil || len(l.Last) > MaxKey || l.Ref.Size == 0 || l.Ref.Size > maxPlain {
			return nil, fmt.Errorf("decode tree index: link %d is out of bounds: %w", i, blockstore.ErrFormat)
		}
		links[i] = link{count: l.Count, ref: l.Ref}
		items[i] = item{key: l.Last, link: &links[i]}
	}
	return &node{height: n.Height, items: items}, nil
}

// checkItems requires ascending keys and no cut before the end, and notes
// whether there is one at the end.
func (n *node) checkItems(r rule) error {
	if len(n.items) == 0 {
		return fmt.Errorf("decode tree node: empty: %w", blockstore.ErrFormat)
	}
	filled := 0
	for i, it := range n.items {
		if i > 0 && bytes.Compare(n.items[i-1].key, it.key) >= 0 {
			return fmt.Errorf("decode tree node: %w: %w", orderError(it.key), blockstore.ErrFormat)
		}
		if n.cut {
			return fmt.Errorf("decode tree node: not cut at %q: %w", n.items[i-1].key, blockstore.ErrFormat)
		}
		filled += it.size()
		n.cut = r.cutsAfter(n.height, filled, it)
	}
	return nil
}

func kindError(kind, version uint8) error {
	return fmt.Errorf("decode tree node: kind %#x, version %d: %w", kind, version, blockstore.ErrFormat)
}
