package mst

import (
	"bytes"
	"context"
	"fmt"
	"iter"

	"pifs/blockstore"
)

// Build stores the tree of entries, which must come sorted by key and
// distinct. Keys and values are copied: the sequence may reuse its buffers. A
// nil value is stored as an empty one. Memory is bounded by one node for each
// level.
func Build(ctx context.Context, b Blocks, entries iter.Seq2[[]byte, []byte]) (Root, error) {
	return newStore(b).build(ctx, entries)
}

func (s store) build(ctx context.Context, entries iter.Seq2[[]byte, []byte]) (Root, error) {
	bld := builder{store: s}
	var prev []byte
	first := true
	for key, value := range entries {
		if err := checkEntry(key, value); err != nil {
			return Root{}, err
		}
		if !first && bytes.Compare(prev, key) >= 0 {
			return Root{}, orderError(key)
		}
		it := copyEntry(key, value)
		if err := bld.add(ctx, 0, it); err != nil {
			return Root{}, err
		}
		prev, first = it.key, false
	}
	return bld.finish(ctx, 0)
}

// copyEntry copies key and value into one allocation.
func copyEntry(key, value []byte) item {
	buf := make([]byte, len(key)+len(value))
	n := copy(buf, key)
	copy(buf[n:], value)
	return item{key: buf[:n:n], value: buf[n:]}
}

// builder writes all levels of a tree at once, each a splitter that feeds the
// level above it.
type builder struct {
	store  store
	levels []level
}

type level struct {
	splitter
	nodes int  // stored so far
	last  item // the link to the latest of them
}

// add appends an item to a level.
func (b *builder) add(ctx context.Context, height uint8, it item) error {
	if height > MaxHeight {
		return fmt.Errorf("build tree: higher than %d: %w", MaxHeight, blockstore.ErrTooLarge)
	}
	for len(b.levels) <= int(height) {
		b.levels = append(b.levels, level{splitter: splitter{rule: b.store.rule, height: uint8(len(b.levels))}})
	}
	if b.levels[height].add(it) {
		return b.flush(ctx, height)
	}
	return nil
}

// flush stores the items that a level holds as its next node.
func (b *builder) flush(ctx context.Context, height uint8) error {
	lv := &b.levels[height]
	it, err := b.store.put(ctx, height, lv.take())
	if err != nil {
		return err
	}
	lv.nodes++
	lv.last = it
	return b.add(ctx, height+1, it)
}

// finish stores what is pending from the level of the given height upwards,
// and ends at the first level that has one node only: the links above it are
// never stored.
func (b *builder) finish(ctx context.Context, height uint8) (Root, error) {
	for h := height; int(h) < len(b.levels); h++ {
		if !b.levels[h].empty() {
			if err := b.flush(ctx, h); err != nil {
				return Root{}, err
			}
		}
		if lv := &b.levels[h]; lv.nodes == 1 {
			return Root{Height: h, Ref: lv.last.link.ref, Count: lv.last.link.count}, nil
		}
	}
	return Root{}, nil
}
