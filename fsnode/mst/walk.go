package mst

import (
	"bytes"
	"context"
	"fmt"
	"sort"

	"pifs/blockstore"
)

// walker is a place in a tree: the path of nodes from the root to one item.
// It reads nodes as it enters them and checks each against its surroundings.
type walker struct {
	store store
	root  Root
	path  []frame
	memo  map[blockstore.Ref]*node // index nodes read before; nil keeps none
}

// frame is an open node. The first frame of a path stands for an index above
// the root, whose only link has a nil key: the root's last key is not known
// before it is read.
type frame struct {
	items []item
	pos   int
	low   []byte // all keys of the node are greater; nil if nothing is known
}

// memoLimit bounds the decoded index nodes that a walker keeps, about 300 KiB
// each.
const memoLimit = 64

// newWalker returns a walker that stands on the root's own link; in an empty
// tree it is done.
func newWalker(s store, root Root) *walker {
	w := &walker{store: s, root: root}
	if !root.IsZero() {
		w.rewind()
	}
	return w
}

func (w *walker) rewind() {
	top := item{link: &link{count: w.root.Count, ref: w.root.Ref}}
	w.path = append(w.path[:0], frame{items: []item{top}})
}

// done reports whether the walker has passed the end.
func (w *walker) done() bool { return len(w.path) == 0 }

func (w *walker) top() *frame { return &w.path[len(w.path)-1] }

// item returns the item that the walker stands on.
func (w *walker) item() *item { return &w.top().items[w.top().pos] }

// height returns the height of the node that the current link names, and -1
// if the current item is an entry.
func (w *walker) height() int { return int(w.root.Height) + 1 - len(w.path) }

// low returns a key below all keys at or under the current item; nil if none
// is known.
func (w *walker) low() []byte {
	f := w.top()
	if f.pos > 0 {
		return f.items[f.pos-1].key
	}
	return f.low
}

// atEnd reports whether nothing follows the current item on its level.
func (w *walker) atEnd() bool {
	for i := range w.path {
		if w.path[i].pos < len(w.path[i].items)-1 {
			return false
		}
	}
	return true
}

// next moves past the current item, to the right and if need be upwards.
func (w *walker) next() {
	for len(w.path) > 0 {
		f := w.top()
		if f.pos++; f.pos < len(f.items) {
			return
		}
		w.path = w.path[:len(w.path)-1]
	}
}

// leave moves past the open node of the current item.
func (w *walker) leave() {
	w.path = w.path[:len(w.path)-1]
	w.next()
}

// enter opens the current link's node and moves to its first item.
func (w *walker) enter(ctx context.Context) error {
	n, err := w.load(ctx)
	if err != nil {
		return err
	}
	w.path = append(w.path, frame{items: n.items, low: w.low()})
	return nil
}

// descend enters nodes until the walker stands on a link to a node of the
// given height, or with -1 on an entry.
func (w *walker) descend(ctx context.Context, height int) error {
	for !w.done() && w.height() > height {
		if err := w.enter(ctx); err != nil {
			return err
		}
	}
	return nil
}

// seek moves to the first item of the given height whose key is not less than
// key, or to the last item of that height if there is none.
func (w *walker) seek(ctx context.Context, key []byte, height int) error {
	w.rewind()
	for w.height() > height {
		if err := w.enter(ctx); err != nil {
			return err
		}
		f := w.top()
		f.pos = sort.Search(len(f.items)-1, func(i int) bool {
			return bytes.Compare(f.items[i].key, key) >= 0
		})
	}
	return nil
}

// load reads the node of the current link and checks that it is what the rest
// of the tree says of it.
func (w *walker) load(ctx context.Context) (*node, error) {
	n, err := w.read(ctx, w.item().link.ref)
	if err != nil {
		return nil, err
	}
	if err := w.check(n); err != nil {
		return nil, fmt.Errorf("tree node %s: %w: %w", w.item().link.ref.Address, err, blockstore.ErrFormat)
	}
	return n, nil
}

func (w *walker) read(ctx context.Context, ref blockstore.Ref) (*node, error) {
	if n := w.memo[ref]; n != nil {
		return n, nil
	}
	n, err := w.store.get(ctx, ref)
	if err != nil {
		return nil, err
	}
	if w.memo != nil && n.height > 0 {
		if len(w.memo) >= memoLimit {
			clear(w.memo)
		}
		w.memo[ref] = n
	}
	return n, nil
}

// check compares a node with its link. Heights fall at every step down and
// the ranges of siblings do not meet, so no walk is longer than the tree.
func (w *walker) check(n *node) error {
	it, low := w.item(), w.low()
	switch {
	case int(n.height) != w.height():
		return fmt.Errorf("height %d instead of %d", n.height, w.height())
	case n.count != it.link.count:
		return fmt.Errorf("%d entries instead of %d", n.count, it.link.count)
	case it.key != nil && !bytes.Equal(n.last(), it.key):
		return fmt.Errorf("ends at %q instead of %q", n.last(), it.key)
	case low != nil && bytes.Compare(n.items[0].key, low) <= 0:
		return fmt.Errorf("begins at %q, not after %q", n.items[0].key, low)
	case !n.cut && !w.atEnd():
		return fmt.Errorf("ends at %q, which is no cut", n.last())
	case it.key == nil && n.height > 0 && len(n.items) < 2:
		return fmt.Errorf("root with a single child")
	}
	return nil
}
