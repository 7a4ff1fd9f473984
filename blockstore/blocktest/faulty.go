package blocktest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"pifs/blockstore"
)

// Fault is what happens to one call of a store.
type Fault uint8

const (
	OK         Fault = iota
	NotApplied       // the call fails and does nothing
	LostReply        // the call is carried out and reported as failed
)

// ErrInjected is what a faulty call returns.
var ErrInjected = errors.New("injected fault")

// Faulty decorates a store with failures. It hides the optional interfaces of
// the store beneath.
type Faulty struct {
	store  blockstore.Store
	decide func(call string) Fault
}

var _ blockstore.Store = (*Faulty)(nil)

// NewFaulty returns s with faults. decide is asked once per call, named
// "put", "get", "has", "delete" or "sync", from the caller's goroutine.
func NewFaulty(s blockstore.Store, decide func(call string) Fault) *Faulty {
	return &Faulty{store: s, decide: decide}
}

// do runs call, or fails, or both.
func (f *Faulty) do(name string, call func() error) error {
	fault := f.decide(name)
	if fault == NotApplied {
		return fmt.Errorf("%s: %w", name, ErrInjected)
	}
	if err := call(); err != nil || fault == OK {
		return err
	}
	return fmt.Errorf("%s, in effect: %w", name, ErrInjected)
}

// Put stores shard, unless it does not.
func (f *Faulty) Put(ctx context.Context, id blockstore.ShardID, shard []byte) error {
	return f.do("put", func() error { return f.store.Put(ctx, id, shard) })
}

// Get appends the shard to dst. A lost reply returns nothing.
func (f *Faulty) Get(ctx context.Context, id blockstore.ShardID, dst []byte) ([]byte, error) {
	out := dst
	err := f.do("get", func() (err error) {
		out, err = f.store.Get(ctx, id, dst)
		return err
	})
	if err != nil {
		return dst, err
	}
	return out, nil
}

// GetRaw is Get without the check, if the store can leave it out.
func (f *Faulty) GetRaw(ctx context.Context, id blockstore.ShardID, off, n int) (out blockstore.Lent, err error) {
	err = f.do("get", func() (err error) {
		out, err = blockstore.GetRaw(ctx, f.store, id, off, n)
		return err
	})
	if err != nil {
		return blockstore.Lent{}, err
	}
	return out, nil
}

// Has reports whether id is held.
func (f *Faulty) Has(ctx context.Context, id blockstore.ShardID) (held bool, err error) {
	err = f.do("has", func() (err error) {
		held, err = f.store.Has(ctx, id)
		return err
	})
	return held && err == nil, err
}

// Delete forgets id.
func (f *Faulty) Delete(ctx context.Context, id blockstore.ShardID) error {
	return f.do("delete", func() error { return f.store.Delete(ctx, id) })
}

// Sync makes everything durable.
func (f *Faulty) Sync(ctx context.Context) error {
	return f.do("sync", func() error { return f.store.Sync(ctx) })
}

// InTurn returns a decide function that goes through faults again and again,
// for each kind of call on its own. It is safe for concurrent use.
func InTurn(faults ...Fault) func(call string) Fault {
	var mu sync.Mutex
	next := make(map[string]int)
	return func(call string) Fault {
		mu.Lock()
		defer mu.Unlock()
		i := next[call]
		next[call] = (i + 1) % len(faults)
		return faults[i]
	}
}

// Retry decorates a store with the patience that callers of an unreliable one
// need: every call is repeated while it fails with ErrInjected, tries times
// at most. A store is only usable that way if repeating a call that had taken
// effect does no harm.
type Retry struct {
	store blockstore.Store
	tries int
}

var _ blockstore.Store = (*Retry)(nil)

// NewRetry returns s with retries.
func NewRetry(s blockstore.Store, tries int) *Retry { return &Retry{store: s, tries: tries} }

func (r *Retry) do(call func() error) (err error) {
	for range r.tries {
		if err = call(); !errors.Is(err, ErrInjected) {
			return err
		}
	}
	return err
}

// Put stores shard.
func (r *Retry) Put(ctx context.Context, id blockstore.ShardID, shard []byte) error {
	return r.do(func() error { return r.store.Put(ctx, id, shard) })
}

// Get appends the shard to dst.
func (r *Retry) Get(ctx context.Context, id blockstore.ShardID, dst []byte) (out []byte, err error) {
	err = r.do(func() error {
		out, err = r.store.Get(ctx, id, dst)
		return err
	})
	return out, err
}

// Has reports whether id is held.
func (r *Retry) Has(ctx context.Context, id blockstore.ShardID) (held bool, err error) {
	err = r.do(func() error {
		held, err = r.store.Has(ctx, id)
		return err
	})
	return held, err
}

// Delete forgets id.
func (r *Retry) Delete(ctx context.Context, id blockstore.ShardID) error {
	return r.do(func() error { return r.store.Delete(ctx, id) })
}

// Sync makes everything durable.
func (r *Retry) Sync(ctx context.Context) error {
	return r.do(func() error { return r.store.Sync(ctx) })
}
