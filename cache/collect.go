package cache

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"pifs/blockstore"
)

// Collection is one run of garbage collection over the blocks of a home:
//
//	begin → Keep every block that is needed → Sweep or Measure → End
//
// A block goes if nobody kept it and nobody put it since the collection
// began. That is enough for writers to go on meanwhile, if each block that is
// needed is, from the beginning of the collection on, named where the one who
// calls Keep will find it, or put again by whoever means to name it:
//
//   - Put notes the address before it looks it up. The sweep looks whether it
//     is noted and forgets the row in one step, under mu. So either the note
//     came first and the block stays, or Put finds no row and stores it anew.
//   - The row goes before the shards, durably, into the table of doomed blocks;
//     only then are the shards deleted, under the lock of the address. A crash
//     leaves rows of doomed blocks, which the next sweep goes on with, and
//     never a row of a block that is not there.
//   - A doomed block that was stored again has a row again: its shards stay.
type Collection struct {
	b    *Blocks
	live *filter // false positives keep garbage for a while, and nothing else

	strays bool // are to be swept

	mu      sync.Mutex
	touched map[blockstore.Address]struct{} // put since the collection began
	named   *filter                         // shards with a row; nil before strays are swept
}

// Garbage says what a collection found or freed.
type Garbage struct {
	Blocks int64
	Bytes  int64 // of their shards, all n
}

func (g *Garbage) add(d blockstore.Descriptor) {
	g.Blocks++
	g.Bytes += int64(d.ShardSize()) * int64(d.Class.N)
}

// ErrCollecting means that a collection runs already.
var ErrCollecting = errors.New("a collection runs already")

// Collect begins a collection. End must follow.
func (b *Blocks) Collect() (*Collection, error) {
	c := &Collection{b: b, live: newFilter(b.index.totals().blocks), touched: make(map[blockstore.Address]struct{})}
	if !b.running.CompareAndSwap(nil, c) {
		return nil, ErrCollecting
	}
	c.lookForStrays(b.life)
	return c, nil
}

// End ends the collection.
func (c *Collection) End() { c.b.running.CompareAndSwap(c, nil) }

// touch tells a running collection that a block is about to be needed.
func (b *Blocks) touch(addr blockstore.Address) {
	c := b.running.Load()
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.touched[addr] = struct{}{}
}

// Keep says that a block is needed. One goroutine at a time may call it.
func (c *Collection) Keep(addr blockstore.Address) {
	c.live.add(addr)
	c.keepsRow(addr)
}

// Measure returns what Sweep would free.
func (c *Collection) Measure(ctx context.Context) (g Garbage, err error) {
	err = c.candidates(ctx, func(addr blockstore.Address) error {
		e, err := c.b.index.lookup(ctx, addr)
		if err == nil && e != nil {
			g.add(e.desc)
		}
		return err
	})
	return g, err
}

// Sweep forgets the blocks that were not kept and deletes their shards, and
// those that an earlier sweep or a crash left. An error may leave some to the next.
func (c *Collection) Sweep(ctx context.Context) (g Garbage, err error) {
	if g, err = c.b.reap(ctx); err != nil {
		return g, err
	}
	doomed := 0
	reap := func() error {
		doomed = 0
		if err := c.b.Sync(ctx); err != nil {
			return err
		}
		freed, err := c.b.reap(ctx)
		g.Blocks += freed.Blocks
		g.Bytes += freed.Bytes
		return err
	}
	err = c.candidates(ctx, func(addr blockstore.Address) error {
		did, err := c.doom(ctx, addr)
		if err != nil || !did {
			return err
		}
		if doomed++; doomed < reapBatch {
			return nil
		}
		return reap()
	})
	if err == nil && doomed > 0 {
		err = reap()
	}
	if err == nil {
		err = c.sweepStrays(ctx)
	}
	return g, err
}

// candidates calls fn for the blocks with a row on disk that nobody needs, as
// far as can be told.
func (c *Collection) candidates(ctx context.Context, fn func(blockstore.Address) error) error {
	if err := c.b.Sync(ctx); err != nil {
		return fmt.Errorf("collect garbage: %w", err)
	}
	err := c.b.index.db.addresses(ctx, func(page []blockstore.Address) error {
		for _, addr := range page {
			if c.live.has(addr) || c.isTouched(addr) {
				continue
			}
			if err := fn(addr); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("collect garbage: %w", err)
	}
	return nil
}

func (c *Collection) isTouched(addr blockstore.Address) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.touched[addr]
	return ok
}

// doom forgets a block that was not put since the collection began.
func (c *Collection) doom(ctx context.Context, addr blockstore.Address) (did bool, err error) {
	unlock, err := c.b.locks.lock(ctx, addr)
	if err != nil {
		return false, err
	}
	defer unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.touched[addr]; ok {
		return false, nil
	}
	e, err := c.b.index.lookup(ctx, addr)
	if err != nil || e == nil {
		return false, err
	}
	c.b.memory.remove(addr)
	return true, c.b.index.set(ctx, &entry{desc: e.desc, plain: e.plain, state: gone, doomed: true})
}
