package mst

import (
	"bytes"
	"context"
)

// Diff calls fn for every key whose value is not the same in trees a and z, in
// order, with its value in each; nil where the tree lacks the key. It goes on
// until fn returns an error, which it returns as it is. Nodes that both trees
// have at the same place are not read: the cost is that of what differs.
func Diff(ctx context.Context, b Blocks, a, z Root, fn func(key, va, vz []byte) error) error {
	return newStore(b).diff(ctx, a, z, fn)
}

func (s store) diff(ctx context.Context, a, z Root, fn func(key, va, vz []byte) error) error {
	if a == z {
		return nil
	}
	for _, root := range []Root{a, z} {
		if err := root.Validate(); err != nil {
			return err
		}
	}
	d := differ{a: newWalker(s, a), z: newWalker(s, z), fn: fn}
	for !d.a.done() || !d.z.done() {
		if err := d.step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// differ walks two trees in step: whatever lies before the place of either
// has been compared.
type differ struct {
	a, z *walker
	fn   func(key, va, vz []byte) error
}

// step passes over one pair of items, or opens at least one node.
func (d *differ) step(ctx context.Context) error {
	switch {
	case d.z.done() || !d.a.done() && precedes(d.a, d.z):
		return d.single(ctx, d.a)
	case d.a.done() || precedes(d.z, d.a):
		return d.single(ctx, d.z)
	}
	ha, hz := d.a.height(), d.z.height()
	if ha < 0 && hz < 0 {
		return d.pair()
	}
	if ha == hz && d.a.item().link.ref == d.z.item().link.ref {
		d.a.next()
		d.z.next()
		return nil
	}
	if ha >= hz {
		if err := d.a.enter(ctx); err != nil {
			return err
		}
	}
	if hz >= ha {
		return d.z.enter(ctx)
	}
	return nil
}

// precedes reports whether all keys at or under the item of x are known to be
// less than those at or under the item of y.
func precedes(x, y *walker) bool {
	last := x.item().key
	if last == nil {
		return false
	}
	if y.height() < 0 {
		return bytes.Compare(last, y.item().key) < 0
	}
	low := y.low()
	return low != nil && bytes.Compare(last, low) <= 0
}

// pair compares two entries with the same key.
func (d *differ) pair() error {
	a, z := d.a.item(), d.z.item()
	d.a.next()
	d.z.next()
	if bytes.Equal(a.value, z.value) {
		return nil
	}
	return d.fn(a.key, a.value, z.value)
}

// single reports what is under the item of w, which the other tree lacks.
func (d *differ) single(ctx context.Context, w *walker) error {
	if w.height() >= 0 {
		return w.enter(ctx)
	}
	it := w.item()
	w.next()
	if w == d.a {
		return d.fn(it.key, it.value, nil)
	}
	return d.fn(it.key, nil, it.value)
}
