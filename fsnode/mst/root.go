package mst

import (
	"bytes"
	"context"
	"fmt"

	"pifs/blockstore"
)

// Blocks stores and returns the plaintext of nodes, under one dedup scope.
type Blocks interface {
	// Put stores plain and returns its ref: equal bytes, equal refs. It may
	// keep plain, which does not change afterwards.
	Put(ctx context.Context, plain []byte) (blockstore.Ref, error)

	// Get returns the verified plaintext that ref names. It is shared and
	// only read.
	Get(ctx context.Context, ref blockstore.Ref) ([]byte, error)
}

// Bounds of keys, values and trees. Keys and values are in bytes.
const (
	MaxKey    = 1 << 10
	MaxValue  = 256 << 10
	MaxHeight = 16 // of the root; 30 children at least keep real trees below 8
)

// Root names a tree. The zero Root is the empty tree.
type Root struct {
	_struct bool           `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Height  uint8          // of the root node: 0 if it is a leaf
	Ref     blockstore.Ref // the root node; zero if the tree is empty
	Count   uint64         // entries in the tree
}

// IsZero reports whether r is the empty tree.
func (r Root) IsZero() bool { return r == Root{} }

// Validate checks what can be known without reading a node. Its error is
// blockstore.ErrFormat.
func (r Root) Validate() error {
	if r.IsZero() {
		return nil
	}
	if r.Height > MaxHeight || r.Ref.IsZero() || r.Count == 0 {
		return fmt.Errorf("tree root of height %d with %d entries: %w", r.Height, r.Count, blockstore.ErrFormat)
	}
	return nil
}

// Change is one edit of a tree.
type Change struct {
	Key   []byte
	Value []byte // nil deletes the key; an empty value that is not nil is stored
}

// checkChanges requires sorted, distinct keys within bounds.
func checkChanges(changes []Change) error {
	for i, c := range changes {
		if err := checkEntry(c.Key, c.Value); err != nil {
			return err
		}
		if i > 0 && bytes.Compare(changes[i-1].Key, c.Key) >= 0 {
			return orderError(c.Key)
		}
	}
	return nil
}

func checkEntry(key, value []byte) error {
	if len(key) > MaxKey {
		return fmt.Errorf("tree key of %d bytes: %w", len(key), blockstore.ErrTooLarge)
	}
	if len(value) > MaxValue {
		return fmt.Errorf("tree value of %d bytes: %w", len(value), blockstore.ErrTooLarge)
	}
	return nil
}

func orderError(key []byte) error {
	return fmt.Errorf("tree keys not sorted and distinct at %q", key)
}
