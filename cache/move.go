package cache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"pifs/blockstore"
)

// A block moves when it is put again to the stores that take new stripes at
// present, perhaps in a wider class. Its address stays, so nothing that names it
// changes, and the index, which every read asks, answers with where it is. In
// this order, each step durable before the next:
//
//	departed ← where it was
//	its shards to their new homes; the index ← where it is
//	arrived ← where it is
//	its shards go from where they were, if nobody but this home keeps them there
//	departed forgets it
//
// A crash before the index changed leaves the stripe as it was, and shards that
// nobody names at the new homes; after it, a row of departed that FinishMoves
// goes on with. No shard goes before a quorum holds the others and the index says
// so. arrived outlives the index: where manifests of old heads tell of the past,
// Adopt believes it.

// moveBackend is a Backend from which blocks can move. *swarm.Swarm is one.
type moveBackend interface {
	// Age changes whenever others take new stripes than before.
	Age() uint64
	// Evict deletes the shards of stripes, durably, from where this home keeps
	// them and puts no more, unless Age has changed.
	Evict(ctx context.Context, age uint64, stripes []blockstore.Descriptor) error
}

// Moved says what came of a move.
type Moved struct {
	Blocks  int64
	Bytes   int64 // of the blocks
	Refused error // why the first of those that stayed was not taken; may be nil
}

const (
	movers    = 4   // blocks that are put at a time
	moveBatch = 256 // blocks between two syncs, and evicted at a time
)

// move is one batch under way.
type move struct {
	b    *Blocks
	to   moveBackend
	rec  *moves
	mu   sync.Mutex
	did  []moving
	done Moved
}

// moving is a stripe as it was and as it is.
type moving struct{ was, now *entry }

// Move puts blocks again, at most 256 of them, and then deletes what the stores
// that rest have of them. Those that are not known, or wait in the outbox, are
// left out: the outbox is delivered to where new stripes go. On return what moved
// is durable; an error leaves every block where it was or where it is. One caller
// at a time.
func (b *Blocks) Move(ctx context.Context, addrs []blockstore.Address) (Moved, error) {
	to, ok := b.backend.(moveBackend)
	if !ok {
		return Moved{}, errors.New("blocks cannot be moved")
	}
	rec, err := b.movesOf(ctx)
	if err != nil {
		return Moved{}, err
	}
	m := &move{b: b, to: to, rec: rec}
	age := to.Age()
	rows, err := b.toMove(ctx, addrs)
	if err == nil {
		err = rec.depart(ctx, rows)
	}
	if err == nil {
		err = m.put(ctx, rows)
	}
	if err == nil {
		err = b.Sync(ctx)
	}
	if err == nil {
		err = m.settle(ctx, age)
	}
	if err != nil {
		return m.done, fmt.Errorf("move %d blocks: %w", len(addrs), err)
	}
	return m.done, nil
}

// toMove returns the rows of blocks that can be moved, in the order of addresses.
func (b *Blocks) toMove(ctx context.Context, addrs []blockstore.Address) (rows []*entry, err error) {
	for _, addr := range addrs[:min(len(addrs), moveBatch)] {
		e, err := b.index.lookup(ctx, addr)
		if err != nil {
			return nil, err
		}
		if e != nil && e.state != pinned {
			rows = append(rows, e)
		}
	}
	slices.SortFunc(rows, func(a, b *entry) int { return slices.Compare(a.desc.Address[:], b.desc.Address[:]) })
	return slices.CompactFunc(rows, func(a, b *entry) bool { return a.desc.Address == b.desc.Address }), nil
}

// put puts the blocks, some at a time.
func (m *move) put(ctx context.Context, rows []*entry) error {
	var wg sync.WaitGroup
	next := make(chan *entry)
	for range min(movers, len(rows)) {
		wg.Go(func() {
			for e := range next {
				if err := m.one(ctx, e); err != nil {
					m.mu.Lock()
					if m.done.Refused == nil {
						m.done.Refused = fmt.Errorf("move block %v: %w", e.desc.Address, err)
					}
					m.mu.Unlock()
				}
			}
		})
	}
	for _, e := range rows {
		if ctx.Err() != nil {
			break
		}
		next <- e
	}
	close(next)
	wg.Wait()
	return ctx.Err()
}

// one puts a block to where new ones go. With less than a quorum there it stays.
func (m *move) one(ctx context.Context, was *entry) error {
	b, addr := m.b, was.desc.Address
	unlock, err := b.locks.lock(ctx, addr)
	if err != nil {
		return err
	}
	defer unlock()
	e, err := b.index.lookup(ctx, addr)
	if err != nil || e == nil || e.state == pinned || !sameStripe(e.desc, was.desc) {
		return err // it was collected, or delivered, meanwhile
	}
	now, cause, err := b.putAgain(ctx, e)
	if err != nil {
		return err
	}
	if now.state == pinned {
		return cause
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.did = append(m.did, moving{e, now})
	return nil
}

// putAgain offers a block to the stores and, if a quorum takes it, sets its row.
// The caller holds the address's lock.
func (b *Blocks) putAgain(ctx context.Context, e *entry) (now *entry, cause, err error) {
	buf := b.buffers.get(int(e.desc.Length))
	block, _, err := b.blockOf(ctx, e, (*buf)[:0])
	if err != nil {
		b.buffers.put(buf)
		return nil, nil, err
	}
	*buf = block
	b.placing.RLock()
	defer b.placing.RUnlock()
	d, placed, cause := b.backend.Put(ctx, e.desc.Address, block)
	if !errors.Is(cause, blockstore.ErrLate) {
		b.buffers.put(buf)
	}
	if err := errors.Join(ctx.Err(), d.Validate()); err != nil {
		return nil, nil, errors.Join(cause, err)
	}
	now = &entry{desc: d, plain: e.plain, state: stateOf(d.Class, placed)}
	if now.state == pinned {
		if cause == nil {
			cause = fmt.Errorf("%d of %d shards were taken", placed, d.Class.N)
		}
		return now, cause, nil
	}
	return now, nil, b.setRow(ctx, now)
}

func sameStripe(a, b blockstore.Descriptor) bool { return slices.Equal(a.Shards, b.Shards) }

// settle records where the blocks are, and evicts what is left of them. Blocks
// whose rows say something else by now stay as they are: the next move, or
// FinishMoves, looks at them again.
func (m *move) settle(ctx context.Context, age uint64) error {
	slices.SortFunc(m.did, func(a, b moving) int { return slices.Compare(a.was.desc.Address[:], b.was.desc.Address[:]) })
	var was, now []*entry
	for _, one := range m.did {
		unlock, err := m.b.locks.lock(ctx, one.was.desc.Address)
		if err != nil {
			return err
		}
		defer unlock()
		ok, err := m.b.rests(ctx, one.now.desc)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		was, now = append(was, one.was), append(now, one.now)
		m.done.Blocks++
		m.done.Bytes += int64(one.now.desc.Length)
	}
	if err := m.rec.arrive(ctx, now); err != nil {
		return err
	}
	if err := m.to.Evict(ctx, age, stripesOf(was)); err != nil {
		m.b.o.Log.Info("moved stripes are left where they were as well", "stripes", len(was), "err", err)
		return nil
	}
	return m.rec.clear(ctx, was)
}

// rests reports whether the index says, durably and for good, that a stripe is
// what d says. The caller holds the address's lock.
func (b *Blocks) rests(ctx context.Context, d blockstore.Descriptor) (bool, error) {
	for _, find := range []func(context.Context, blockstore.Address) (*entry, error){b.index.lookup, b.index.db.lookup} {
		e, err := find(ctx, d.Address)
		if err != nil || e == nil || e.state == pinned || !sameStripe(e.desc, d) {
			return false, err
		}
	}
	return true, nil
}

func stripesOf(rows []*entry) (out []blockstore.Descriptor) {
	for _, e := range rows {
		out = append(out, e.desc)
	}
	return out
}

// AwaitPuts returns when every block whose put began before has its row, which the
// next Sync makes durable: who changed where blocks go then knows of all that went
// elsewhere.
func (b *Blocks) AwaitPuts() {
	b.placing.Lock()
	defer b.placing.Unlock()
}

// FinishMoves goes on with what a crash, or a store that was away, left of moves:
// shards of stripes that have moved are deleted where they were.
func (b *Blocks) FinishMoves(ctx context.Context) error {
	to, ok := b.backend.(moveBackend)
	rec := b.moves.Load()
	if !ok || rec == nil {
		return nil
	}
	if err := b.Sync(ctx); err != nil {
		return fmt.Errorf("finish moves: %w", err)
	}
	var after *entry
	for {
		page, err := rec.departed(ctx, after)
		if err == nil && len(page) > 0 {
			after = page[len(page)-1]
			err = b.finish(ctx, to, rec, page)
		}
		if err != nil {
			return fmt.Errorf("finish moves: %w", err)
		}
		if len(page) == 0 {
			return nil
		}
	}
}

// finish decides about stripes that departed. One that is named as it was has not
// moved, as far as the index can tell.
func (b *Blocks) finish(ctx context.Context, to moveBackend, rec *moves, page []*entry) error {
	age := to.Age()
	locked := map[blockstore.Address]bool{}
	var left, stayed, now []*entry
	for _, was := range page {
		addr := was.desc.Address
		if !locked[addr] {
			unlock, err := b.locks.lock(ctx, addr)
			if err != nil {
				return err
			}
			defer unlock()
			locked[addr] = true
		}
		e, err := b.index.lookup(ctx, addr)
		if err != nil {
			return err
		}
		if e == nil { // collected
			left = append(left, was)
			continue
		}
		if sameStripe(e.desc, was.desc) {
			stayed = append(stayed, was)
			continue
		}
		ok, err := b.rests(ctx, e.desc)
		if err != nil {
			return err
		}
		if ok {
			left, now = append(left, was), append(now, e)
		}
	}
	if err := rec.arrive(ctx, now); err != nil {
		return err
	}
	if err := to.Evict(ctx, age, stripesOf(left)); err == nil {
		stayed = append(stayed, left...)
	} else {
		b.o.Log.Info("moved stripes are left where they were as well", "stripes", len(left), "err", err)
	}
	return rec.clear(ctx, stayed)
}

// movesOf returns the record of moves, which it makes if need be. A new one is
// told where all blocks are: it may stand for one that was lost.
func (b *Blocks) movesOf(ctx context.Context) (*moves, error) {
	b.opening.Lock()
	defer b.opening.Unlock()
	rec := b.moves.Load()
	if rec == nil {
		var err error
		if rec, err = openMoves(b.dir, true); err != nil {
			return nil, err
		}
		b.moves.Store(rec)
	}
	if !rec.fresh {
		return rec, nil
	}
	if err := b.Sync(ctx); err != nil {
		return nil, err
	}
	err := b.index.db.rows(ctx, func(page []*entry) error {
		return rec.arrive(ctx, page)
	})
	if err == nil {
		err = rec.told()
	}
	if err != nil {
		return nil, fmt.Errorf("record where blocks are: %w", err)
	}
	return rec, nil
}
