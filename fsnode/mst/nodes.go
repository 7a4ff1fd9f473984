package mst

import (
	"context"
	"errors"

	"pifs/blockstore"
)

// ErrSkip, returned by the function that Nodes calls, leaves out the nodes
// below the current one.
var ErrSkip = errors.New("skip the nodes below")

// Nodes calls fn for every node of the tree, parents before children, keys
// ascending, with its ref, its height and its plaintext, which is only read.
// It goes on until fn returns an error, which it returns as it is, but for
// ErrSkip.
func Nodes(ctx context.Context, b Blocks, root Root, fn func(ref blockstore.Ref, height uint8, plain []byte) error) error {
	if err := root.Validate(); err != nil || root.IsZero() {
		return err
	}
	tap := &tapped{Blocks: b}
	w := newWalker(newStore(tap), root)
	for !w.done() {
		if w.height() < 0 { // the leaf's entries came with its plaintext
			w.leave()
			continue
		}
		ref, height := w.item().link.ref, uint8(w.height())
		if err := w.enter(ctx); err != nil {
			return err
		}
		switch err := fn(ref, height, tap.last); {
		case errors.Is(err, ErrSkip):
			w.leave()
		case err != nil:
			return err
		}
	}
	return nil
}

// tapped remembers the plaintext that was read last.
type tapped struct {
	Blocks
	last []byte
}

var _ Blocks = (*tapped)(nil)

func (t *tapped) Get(ctx context.Context, ref blockstore.Ref) ([]byte, error) {
	plain, err := t.Blocks.Get(ctx, ref)
	t.last = plain
	return plain, err
}

// Children returns the refs of the nodes below the node in plain, in key
// order; none for a leaf.
func Children(plain []byte) ([]blockstore.Ref, error) {
	n, err := decodeNode(standard(), plain)
	if err != nil || n.height == 0 {
		return nil, err
	}
	refs := make([]blockstore.Ref, len(n.items))
	for i, it := range n.items {
		refs[i] = it.link.ref
	}
	return refs, nil
}

// LeafEntries calls fn for every entry of the leaf in plain, in key order,
// until fn returns an error, which it returns as it is. An index has none.
func LeafEntries(plain []byte, fn func(key, value []byte) error) error {
	n, err := decodeNode(standard(), plain)
	if err != nil || n.height > 0 {
		return err
	}
	for _, it := range n.items {
		if err := fn(it.key, it.value); err != nil {
			return err
		}
	}
	return nil
}
