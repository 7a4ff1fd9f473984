package mst

import (
	"context"
	"fmt"
	"iter"

	"pifs/blockstore"
)

// Update returns the tree that results from applying changes, which must be
// sorted by key and distinct, to the tree of root. It is the tree that Build
// would store for the same entries, node for node. Deleting what is not there
// and storing what is there already changes nothing.
//
// It reads and writes a number of nodes proportional to len(changes) times
// the height of the tree, and stores no node that the result does not have.
// Memory is bounded by a few nodes for each level and one link for each leaf
// that is written. changes is only read, and not kept.
func Update(ctx context.Context, b Blocks, root Root, changes []Change) (Root, error) {
	return newStore(b).update(ctx, root, changes)
}

func (s store) update(ctx context.Context, root Root, changes []Change) (Root, error) {
	if err := checkChanges(changes); err != nil {
		return Root{}, err
	}
	if err := root.Validate(); err != nil {
		return Root{}, err
	}
	if root.IsZero() {
		return s.build(ctx, stored(changes))
	}
	memo := make(map[blockstore.Ref]*node)
	edits := changeQueue(changes)
	for h := uint8(0); edits.more(); h++ {
		p := newPass(s, root, h, memo)
		if err := p.run(ctx, edits); err != nil {
			return Root{}, fmt.Errorf("update tree level %d: %w", h, err)
		}
		switch {
		case p.only != nil:
			return s.collapse(ctx, Root{Height: h - 1, Ref: p.only.ref, Count: p.only.count})
		case h == root.Height && len(p.upper) > 0:
			return s.grow(ctx, h, p.created)
		}
		edits = itemQueue(p.upper)
	}
	return root, nil
}

// stored yields the changes that are not deletions.
func stored(changes []Change) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		for _, c := range changes {
			if c.Value != nil && !yield(c.Key, c.Value) {
				return
			}
		}
	}
}

// grow builds the levels above nodes, all those of the given height.
func (s store) grow(ctx context.Context, height uint8, nodes []item) (Root, error) {
	switch len(nodes) {
	case 0:
		return Root{}, nil
	case 1:
		return Root{Height: height, Ref: nodes[0].link.ref, Count: nodes[0].link.count}, nil
	}
	bld := builder{store: s}
	for _, it := range nodes {
		if err := bld.add(ctx, height+1, it); err != nil {
			return Root{}, err
		}
	}
	return bld.finish(ctx, height+1)
}

// collapse goes down from an index that has one link to the first node that
// has more: that is the root.
func (s store) collapse(ctx context.Context, root Root) (Root, error) {
	for root.Height > 0 {
		n, err := s.get(ctx, root.Ref)
		if err != nil {
			return Root{}, err
		}
		if n.height != root.Height || n.count != root.Count {
			return Root{}, fmt.Errorf("tree node %s: not as its parent says: %w", root.Ref.Address, blockstore.ErrFormat)
		}
		if len(n.items) > 1 {
			break
		}
		root = Root{Height: root.Height - 1, Ref: n.items[0].link.ref, Count: n.count}
	}
	return root, nil
}
