package mst

import (
	"bytes"
	"context"
	"fmt"

	"pifs/blockstore"
)

// store writes and reads nodes that are cut by one rule.
type store struct {
	blocks Blocks
	rule   rule
}

func newStore(b Blocks) store { return store{blocks: b, rule: standard()} }

// put stores a node of items and returns the link to it.
func (s store) put(ctx context.Context, height uint8, items []item) (item, error) {
	count, err := countEntries(items)
	if err != nil {
		return item{}, err
	}
	plain, err := encodeNode(height, items)
	if err != nil {
		return item{}, err
	}
	ref, err := s.blocks.Put(ctx, plain)
	if err != nil {
		return item{}, fmt.Errorf("store tree node: %w", err)
	}
	// The key is copied: it would keep alive the whole entry it came with.
	last := bytes.Clone(items[len(items)-1].key)
	return item{key: last, link: &link{count: count, ref: ref}}, nil
}

// get reads the node that ref names. It does not know where the node stands.
func (s store) get(ctx context.Context, ref blockstore.Ref) (*node, error) {
	plain, err := s.blocks.Get(ctx, ref)
	if err != nil {
		return nil, fmt.Errorf("read tree node: %w", err)
	}
	n, err := decodeNode(s.rule, plain)
	if err != nil {
		return nil, fmt.Errorf("tree node %s: %w", ref.Address, err)
	}
	return n, nil
}
