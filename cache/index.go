package cache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"pifs/blockstore"
)

// state says how well a block is kept. The numbers stand in the index file.
type state uint8

const (
	full   state = iota // all n shards were placed
	owed                // a quorum of them
	pinned              // fewer; the bytes are in the outbox
	gone                // forgotten: the row is to be deleted
)

func stateOf(c blockstore.Class, placed int) state {
	switch {
	case placed >= int(c.N):
		return full
	case placed >= c.Quorum():
		return owed
	default:
		return pinned
	}
}

// entry is what the index knows of a block. It is not changed once others can
// see it.
type entry struct {
	desc  blockstore.Descriptor
	plain uint32 // bytes of the plaintext
	// outline is what it takes to read a part of the block, or nil.
	outline []byte
	state   state
	unpin   bool // the outbox may still hold it, and must free it after the commit
	saved   bool // the file has a row for it
	// doomed says of a block that is gone that its shards are to be deleted:
	// the row moves to the table of doomed blocks.
	doomed bool
}

// cost is the memory that an entry takes, about.
func (e *entry) cost() int64 { return int64(160 + 32*len(e.desc.Shards) + len(e.outline)) }

const recentBytes = 8 << 20 // rows read or written lately that stay in memory

// sums are the figures of all rows.
type sums struct{ blocks, plain, bytes, owed, pinned int64 }

// count adds e to the sums, or takes it away.
func (t *sums) count(e *entry, sign int64) {
	if e == nil || e.state == gone {
		return
	}
	t.blocks += sign
	t.plain += sign * int64(e.plain)
	t.bytes += sign * int64(e.desc.Length)
	switch e.state {
	case owed:
		t.owed += sign
	case pinned:
		t.pinned += sign
	}
}

// index maps addresses to descriptors. Rows are written behind: they wait in
// memory until a round has made durable what they name.
type index struct {
	db *indexDB

	mu      sync.RWMutex
	sum     sums
	pending map[blockstore.Address]*entry // wait for the next round
	round   map[blockstore.Address]*entry // in the round that runs, or nil
	recent  *lru[blockstore.Address, *entry]
	commits uint64  // rounds written; tells a reader that what it read may be old
	filter  *filter // of all addresses in the file and in memory; nil until learned
	learned *filter // the filter, also while it is being filled from the file
}

func openIndex(path string) (*index, error) {
	db, err := openIndexDB(path)
	if err != nil {
		return nil, err
	}
	x := &index{
		db:      db,
		pending: make(map[blockstore.Address]*entry),
		recent:  newLRU[blockstore.Address, *entry](),
	}
	if x.sum, err = db.sums(); err != nil {
		return nil, fmt.Errorf("read totals of block index: %w", errors.Join(err, db.close()))
	}
	return x, nil
}

// learn reads all addresses of the file into a filter, so that new addresses
// seldom cost a look into it.
func (x *index) learn(ctx context.Context, log *slog.Logger) {
	x.mu.Lock()
	f := newFilter(x.sum.blocks)
	for _, unsaved := range []map[blockstore.Address]*entry{x.pending, x.round} {
		for addr := range unsaved {
			f.add(addr)
		}
	}
	x.learned = f
	x.mu.Unlock()
	err := x.db.addresses(ctx, func(page []blockstore.Address) error {
		x.mu.Lock()
		defer x.mu.Unlock()
		for _, addr := range page {
			f.add(addr)
		}
		return nil
	})
	if err != nil {
		if ctx.Err() == nil {
			log.Error("read addresses of block index", "err", err)
		}
		return
	}
	x.mu.Lock()
	x.filter = f
	x.mu.Unlock()
}

// crowded reports that the filter should be learned anew, with more room.
func (x *index) crowded() bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.filter != nil && x.filter == x.learned && x.filter.crowded()
}

// lookup returns the entry of a block, or nil if it is not known.
func (x *index) lookup(ctx context.Context, addr blockstore.Address) (*entry, error) {
	e, known, commits := x.inMemory(addr)
	if known {
		return e, nil
	}
	e, err := x.db.lookup(ctx, addr)
	if err != nil {
		return nil, fmt.Errorf("look up block %v: %w", addr, err)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	// What was set meanwhile is newer than what was read.
	if now, ok := x.unsaved(addr); ok {
		return present(now), nil
	}
	if e != nil && x.commits == commits {
		x.remember(e)
	}
	return e, nil
}

// inMemory returns the entry if it can be told without the file; a nil entry
// that is known is one that does not exist.
func (x *index) inMemory(addr blockstore.Address) (e *entry, known bool, commits uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if e, ok := x.unsaved(addr); ok {
		return present(e), true, x.commits
	}
	if e, ok := x.recent.get(addr); ok {
		return e, true, x.commits
	}
	return nil, x.filter != nil && !x.filter.has(addr), x.commits
}

func (x *index) unsaved(addr blockstore.Address) (*entry, bool) {
	if e, ok := x.pending[addr]; ok {
		return e, true
	}
	e, ok := x.round[addr]
	return e, ok
}

func present(e *entry) *entry {
	if e.state == gone {
		return nil
	}
	return e
}

func (x *index) remember(e *entry) {
	x.recent.put(e.desc.Address, e, e.cost())
	x.recent.shrink(recentBytes)
}

// set makes e the entry of its address. The caller holds the address's lock.
func (x *index) set(ctx context.Context, e *entry) error {
	was, err := x.lookup(ctx, e.desc.Address)
	if err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.replace(was, e)
	return nil
}

// replace puts e into the next round, in place of was, which may be nil.
func (x *index) replace(was, e *entry) {
	addr := e.desc.Address
	if was != nil {
		if e.outline == nil {
			e.outline = was.outline
		}
		e.unpin = e.state != pinned && (was.unpin || was.state == pinned)
		e.saved = was.saved
	} else if prior, ok := x.unsaved(addr); ok { // forgotten and not yet deleted
		e.unpin, e.saved = prior.unpin && e.state != pinned, prior.saved
	}
	if _, running := x.round[addr]; running {
		e.saved = x.round[addr].state != gone
	}
	x.sum.count(was, -1)
	x.sum.count(e, +1)
	x.pending[addr] = e
	x.recent.remove(addr)
	x.note(addr)
}

func (x *index) note(addr blockstore.Address) {
	if x.learned != nil {
		x.learned.add(addr)
	}
}

// waiting returns how many rows wait for a round.
func (x *index) waiting() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return len(x.pending)
}

func (x *index) totals() sums {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.sum
}

func (x *index) close() error {
	err := x.db.close()
	if err == nil {
		err = blockstore.WriteMark(x.db.path)
	}
	return err
}
