package mst

import (
	"bytes"
	"context"
	"slices"

	"pifs/blockstore"
)

// pass applies edits to one level of a tree and finds the edits that this
// makes on the level above.
//
// It goes to the node that the next edit belongs to and feeds its items, with
// the edits among them, to a splitter that starts at the node's beginning: a
// cut that nothing before it has moved. If the splitter stands at a cut when
// the node's items are used up, old and new level agree again and everything
// up to the next edit is left alone; if not, the next node follows.
type pass struct {
	store  store
	height uint8
	walker *walker
	split  splitter
	edits  *queue

	removed []item // nodes of the old level that the current run replaces
	created []item // nodes of the new level that it replaces them with
	upper   []item // edits of the level above, from the runs before
	bare    bool   // the new level has no node so far
	only    *link  // the new level is one index node with this link only
}

func newPass(s store, root Root, height uint8, memo map[blockstore.Ref]*node) *pass {
	w := newWalker(s, root)
	w.memo = memo
	return &pass{store: s, height: height, walker: w, split: splitter{rule: s.rule, height: height}, bare: true}
}

// run applies all edits.
func (p *pass) run(ctx context.Context, edits *queue) error {
	p.edits = edits
	if err := p.walker.descend(ctx, int(p.height)); err != nil {
		return err
	}
	for p.edits.more() {
		if err := p.seek(ctx, p.edits.peek().key); err != nil {
			return err
		}
		if err := p.rewrite(ctx); err != nil {
			return err
		}
	}
	return nil
}

// seek moves forward to the node that key belongs to: the first that does not
// end before it, or the level's last.
func (p *pass) seek(ctx context.Context, key []byte) error {
	if p.walker.atEnd() || bytes.Compare(p.walker.item().key, key) >= 0 {
		return nil
	}
	p.bare = false
	return p.walker.seek(ctx, key, int(p.height))
}

// rewrite makes one run, from the current node to the first that ends at a cut
// of the new level.
func (p *pass) rewrite(ctx context.Context) error {
	p.removed, p.created = p.removed[:0], p.created[:0]
	for {
		n, err := p.walker.load(ctx)
		if err != nil {
			return err
		}
		end := p.walker.atEnd()
		if p.split.empty() && !p.alters(n, end) {
			p.bare = false
		} else if err := p.replace(ctx, n, end); err != nil {
			return err
		}
		p.walker.next()
		if err := p.walker.descend(ctx, int(p.height)); err != nil {
			return err
		}
		if end || p.split.empty() {
			p.derive()
			return nil
		}
	}
}

// alters pops edits that leave node n as it is, and reports whether one is
// left that does not. end says that n is its level's last node: what lies
// beyond its keys belongs to it too.
func (p *pass) alters(n *node, end bool) bool {
	for p.edits.more() {
		e := p.edits.peek()
		if !end && bytes.Compare(e.key, n.last()) > 0 {
			return false
		}
		i, found := slices.BinarySearchFunc(n.items, e.key, compareKey)
		if found != !e.drops() || found && !sameItem(n.items[i], e) {
			return true
		}
		p.edits.pop()
	}
	return false
}

// replace feeds n, with the edits that belong to it, to the splitter.
func (p *pass) replace(ctx context.Context, n *node, end bool) error {
	p.removed = append(p.removed, item{key: n.last(), link: p.walker.item().link})
	for _, it := range n.items {
		if err := p.insertBefore(ctx, it.key); err != nil {
			return err
		}
		if p.edits.more() && bytes.Equal(p.edits.peek().key, it.key) {
			it = p.edits.peek()
			p.edits.pop()
		}
		if err := p.add(ctx, it); err != nil {
			return err
		}
	}
	if !end {
		return nil
	}
	if err := p.insertBefore(ctx, nil); err != nil {
		return err
	}
	return p.flush(ctx)
}

// insertBefore feeds the edits of keys less than key, which the old level does
// not have; nil stands for its end.
func (p *pass) insertBefore(ctx context.Context, key []byte) error {
	for p.edits.more() {
		e := p.edits.peek()
		if key != nil && bytes.Compare(e.key, key) >= 0 {
			return nil
		}
		p.edits.pop()
		if err := p.add(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// add feeds one item of the new level and stores the node that it completes.
func (p *pass) add(ctx context.Context, it item) error {
	if it.drops() || !p.split.add(it) {
		return nil
	}
	return p.put(ctx)
}

// flush ends the level with what the splitter holds. An index that has one
// link and is alone on its level is not stored: the tree ends below it.
func (p *pass) flush(ctx context.Context) error {
	switch {
	case p.split.empty():
		return nil
	case p.bare && p.height > 0 && len(p.split.items) == 1:
		p.only = p.split.items[0].link
		return nil
	}
	return p.put(ctx)
}

// put stores what the splitter holds as a node.
func (p *pass) put(ctx context.Context) error {
	it, err := p.store.put(ctx, p.height, p.split.take())
	if err != nil {
		return err
	}
	p.created, p.bare = append(p.created, it), false
	return nil
}

// derive turns the nodes that a run removed and created, both sorted, into
// edits of the level above.
func (p *pass) derive() {
	gone, made := p.removed, p.created
	for len(gone) > 0 || len(made) > 0 {
		switch {
		case len(made) == 0 || len(gone) > 0 && bytes.Compare(gone[0].key, made[0].key) < 0:
			p.upper = append(p.upper, item{key: gone[0].key})
			gone = gone[1:]
		case len(gone) > 0 && bytes.Equal(gone[0].key, made[0].key):
			p.upper = append(p.upper, made[0])
			gone, made = gone[1:], made[1:]
		default:
			p.upper = append(p.upper, made[0])
			made = made[1:]
		}
	}
}
