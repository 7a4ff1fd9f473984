package mst

import (
	"bytes"
	"fmt"

	"pifs/blockstore"
)

// item is one element of a level: an entry on level 0, a link above.
type item struct {
	key   []byte // of the entry, or the last key under the link
	value []byte // never nil in an entry
	link  *link  // nil in an entry
}

// link is what an index says of a child.
type link struct {
	count uint64 // entries under the child, ≥ 1
	ref   blockstore.Ref
}

// drops reports whether the item, used as an edit, deletes its key.
func (it item) drops() bool { return it.value == nil && it.link == nil }

// entries returns how many entries lie at or under the item.
func (it item) entries() uint64 {
	if it.link == nil {
		return 1
	}
	return it.link.count
}

// size is the weight of the item in the cut rule, in bytes. It bounds what
// the item takes in a node, whose lengths are encoded in one to five bytes.
func (it item) size() int {
	if it.link == nil {
		return len(it.key) + len(it.value) + entryOverhead
	}
	return len(it.key) + linkOverhead
}

const (
	entryOverhead = 9
	linkOverhead  = 88
)

func compareKey(it item, key []byte) int { return bytes.Compare(it.key, key) }

// sameItem reports whether two items with one key are equal.
func sameItem(a, b item) bool {
	if a.link == nil || b.link == nil {
		return a.link == b.link && bytes.Equal(a.value, b.value)
	}
	return *a.link == *b.link
}

// countEntries adds up the entries under items.
func countEntries(items []item) (uint64, error) {
	total := uint64(0)
	for _, it := range items {
		n := it.entries()
		if n == 0 || total+n < total {
			return 0, fmt.Errorf("tree node counts its entries wrongly: %w", blockstore.ErrFormat)
		}
		total += n
	}
	return total, nil
}
