package cache

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"pifs/blockstore"
)

// round is one pass of Sync, shared by all who asked before it began.
type round struct {
	done chan struct{}
	err  error // set before done is closed
}

type rounds struct {
	mu   sync.Mutex
	next *round     // not begun yet; callers may still join
	turn sync.Mutex // held by the round that runs
	// doubt says that the backend failed to sync, and that not all blocks of
	// that round were pinned: its next Sync says nothing about them. Guarded by
	// turn.
	doubt bool
}

// Sync returns when every block that was put before the call is durable: its
// shards, or its bytes in the outbox, and then its row in the index. Callers
// at the same time share a round. Shards that others put into the backend are
// not covered.
func (b *Blocks) Sync(ctx context.Context) error {
	r := b.startRound()
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// startRound returns a round that covers everything put so far.
func (b *Blocks) startRound() *round {
	b.rounds.mu.Lock()
	defer b.rounds.mu.Unlock()
	if b.rounds.next != nil {
		return b.rounds.next
	}
	r := &round{done: make(chan struct{})}
	if !b.spawn(func() { b.runRound(r) }) {
		r.err = blockstore.ErrClosed
		close(r.done)
		return r
	}
	b.rounds.next = r // runRound waits for rounds.mu before it takes it off
	return r
}

func (b *Blocks) runRound(r *round) {
	b.rounds.turn.Lock()
	defer b.rounds.turn.Unlock()
	b.rounds.mu.Lock()
	b.rounds.next = nil
	b.rounds.mu.Unlock()
	r.err = b.syncRound(b.life)
	close(r.done)
}

func (b *Blocks) syncRound(ctx context.Context) error {
	batch := b.index.begin()
	if len(batch) == 0 {
		return nil
	}
	if err := b.makeDurable(ctx, batch); err != nil {
		b.index.abort()
		return err
	}
	if err := b.index.commit(ctx); err != nil {
		return fmt.Errorf("commit block index: %w", err)
	}
	if b.index.crowded() {
		b.spawn(func() { b.index.learn(b.life, b.o.Log) })
	}
	return b.unpin(ctx, batch)
}

// makeDurable syncs the shards and the outbox. If the backend cannot vouch for
// the shards, the blocks are pinned instead, so that one bad store does not
// make every fsync fail.
func (b *Blocks) makeDurable(ctx context.Context, batch map[blockstore.Address]*entry) error {
	cause := b.backend.Sync(ctx)
	if cause != nil {
		b.rounds.doubt = true // also for the next round, should this one be cut short
		if ctx.Err() != nil {
			return ctx.Err()
		}
		b.o.Log.Warn("stores did not sync; pinning the blocks", "blocks", len(batch), "cause", cause)
	}
	if b.rounds.doubt {
		err := b.pinBatch(ctx, batch)
		b.rounds.doubt = err != nil && !errors.Is(err, blockstore.ErrLost) // which is said after all were looked at
		if err != nil {
			return errors.Join(cause, err)
		}
	}
	if err := b.outbox.sync(ctx); err != nil {
		return fmt.Errorf("sync outbox: %w", err)
	}
	return nil
}

// pinBatch moves the blocks of the round into the outbox. One that can no
// longer be read, and that no earlier round made durable, is forgotten, so that
// whoever still has its plaintext can put it again, and reported.
func (b *Blocks) pinBatch(ctx context.Context, batch map[blockstore.Address]*entry) error {
	buf := b.buffers.get(blockstore.MaxBlock)
	defer b.buffers.put(buf)
	var lost []error
	for addr, e := range batch {
		if e.state == gone || e.state == pinned {
			continue
		}
		block, err := b.unsure(ctx, e, (*buf)[:0])
		if errors.Is(err, blockstore.ErrLost) {
			kept, err := b.keptBefore(ctx, e)
			if err != nil {
				return fmt.Errorf("pin block %v: %w", addr, err)
			}
			if kept != nil {
				b.index.amend(addr, kept)
				continue
			}
			b.memory.remove(addr)
			b.index.amend(addr, inState(e, gone))
			lost = append(lost, fmt.Errorf("pin block %v: %w", addr, blockstore.ErrLost))
			continue
		}
		if err == nil {
			err = b.outbox.pin(ctx, addr, block, func() error {
				b.index.amend(addr, inState(e, pinned))
				return nil
			})
		}
		if err != nil {
			return fmt.Errorf("pin block %v: %w", addr, err)
		}
	}
	if len(lost) > 0 {
		return fmt.Errorf("%d blocks are lost: %w", len(lost), lost[0])
	}
	return nil
}

// unsure appends a block to dst whose shards may not be safe. One that was
// delivered since the last commit is in the outbox still, perhaps durably so,
// whatever the stores can tell.
func (b *Blocks) unsure(ctx context.Context, e *entry, dst []byte) ([]byte, error) {
	if e.unpin {
		block, err := b.outbox.get(ctx, e.desc.Address, dst)
		if err == nil {
			return block, nil
		}
	}
	block, _, err := b.backend.Get(ctx, e.desc, dst)
	return block, err
}

// keptBefore returns what an earlier round made durable of a block, nil if that is
// nothing: the same stripe, to be offered again, for what this round adds to it can
// be lost; or the stripe that this one was to replace. The block is not lost, though
// its stores may be away.
func (b *Blocks) keptBefore(ctx context.Context, e *entry) (*entry, error) {
	was, err := b.index.db.lookup(ctx, e.desc.Address)
	if err != nil || was == nil || was.state == pinned {
		return nil, err
	}
	if sameStripe(was.desc, e.desc) {
		return inState(e, owed), nil
	}
	return was, nil
}

// unpin frees the outbox of blocks whose committed rows no longer need it. One
// that was forgotten and pinned again since the round began stays.
func (b *Blocks) unpin(ctx context.Context, batch map[blockstore.Address]*entry) error {
	for addr, e := range batch {
		if !e.unpin {
			continue
		}
		if err := b.outbox.remove(ctx, addr, func() bool { return b.index.pinnedAnew(addr) }); err != nil {
			return fmt.Errorf("free outbox of block %v: %w", addr, err)
		}
	}
	return nil
}
