package cache

import (
	"context"

	"pifs/blockstore"
)

// begin moves the waiting rows into a round and returns them.
func (x *index) begin() map[blockstore.Address]*entry {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.round = x.pending
	x.pending = make(map[blockstore.Address]*entry)
	return x.round
}

// abort gives the rows of the round back, to wait for the next one.
func (x *index) abort() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for addr, e := range x.round {
		if newer, ok := x.pending[addr]; ok {
			newer.saved = e.saved
			newer.unpin = newer.state != pinned && (newer.unpin || e.unpin || e.state == pinned)
			continue
		}
		x.pending[addr] = e
	}
	x.round = nil
}

// commit writes the rows of the round to the file and ends it.
func (x *index) commit(ctx context.Context) error {
	if err := x.db.write(ctx, x.round); err != nil {
		x.abort()
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.commits++
	for addr, e := range x.round {
		if _, newer := x.pending[addr]; newer || e.state == gone {
			continue
		}
		saved := *e
		saved.saved, saved.unpin = true, false
		x.remember(&saved)
	}
	x.round = nil
	return nil
}

// amend changes a block of the running round to what its row, or its bytes, that
// are durable say: pinned, or as its row on disk was, or gone in a round that will be
// aborted. A newer entry that waits for the next round stays, and frees the outbox
// then.
func (x *index) amend(addr blockstore.Address, to *entry) {
	x.mu.Lock()
	defer x.mu.Unlock()
	was, e := x.round[addr], *to
	e.unpin = (was.unpin || e.unpin) && e.state != pinned
	e.saved = was.saved
	if newer, ok := x.pending[addr]; ok {
		newer.unpin = newer.unpin || e.state == pinned && newer.state != pinned
	} else {
		x.sum.count(was, -1)
		x.sum.count(&e, +1)
	}
	x.round[addr] = &e
}

// inState returns e in another state.
func inState(e *entry, to state) *entry {
	other := *e
	other.state = to
	return &other
}

// pinnedAnew reports that an entry that waits for a round has its bytes in the
// outbox.
func (x *index) pinnedAnew(addr blockstore.Address) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	e, ok := x.pending[addr]
	return ok && e.state == pinned
}
