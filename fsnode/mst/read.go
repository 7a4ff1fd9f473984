package mst

import (
	"bytes"
	"context"
)

// Get returns the value of key; ok is false if the tree has no such key. It
// reads one node of each height.
func Get(ctx context.Context, b Blocks, root Root, key []byte) (value []byte, ok bool, err error) {
	return newStore(b).lookup(ctx, root, key)
}

func (s store) lookup(ctx context.Context, root Root, key []byte) (value []byte, ok bool, err error) {
	if err := root.Validate(); err != nil || root.IsZero() {
		return nil, false, err
	}
	w := newWalker(s, root)
	if err := w.seek(ctx, key, -1); err != nil {
		return nil, false, err
	}
	if it := w.item(); bytes.Equal(it.key, key) {
		return it.value, true, nil
	}
	return nil, false, nil
}

// Range calls fn for every entry whose key is not less than from, in order,
// until fn returns an error, which it returns as it is. fn may keep key and
// value.
func Range(ctx context.Context, b Blocks, root Root, from []byte, fn func(key, value []byte) error) error {
	return newStore(b).scan(ctx, root, from, fn)
}

func (s store) scan(ctx context.Context, root Root, from []byte, fn func(key, value []byte) error) error {
	if err := root.Validate(); err != nil || root.IsZero() {
		return err
	}
	w := newWalker(s, root)
	if err := w.seek(ctx, from, -1); err != nil {
		return err
	}
	if bytes.Compare(w.item().key, from) < 0 {
		w.next()
	}
	for !w.done() {
		if err := w.descend(ctx, -1); err != nil {
			return err
		}
		if it := w.item(); it.link == nil {
			if err := fn(it.key, it.value); err != nil {
				return err
			}
		}
		w.next()
	}
	return nil
}
