package cache

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pifs/blockstore"
)

// Undelivered is the error of Drain: blocks that the stores did not take.
type Undelivered struct {
	Pinned, Owed int64 // blocks with less than a quorum, and with less than n shards
	Cause        error // why the first of them could not be placed; may be nil
}

func (u *Undelivered) Error() string {
	s := fmt.Sprintf("%d blocks wait in the outbox and %d lack shards", u.Pinned, u.Owed)
	if u.Cause != nil {
		s += ": " + u.Cause.Error()
	}
	return s
}

func (u *Undelivered) Unwrap() error { return u.Cause }

// giveUpAfter is how many blocks in a row the stores may refuse before a pass
// ends: the same store is away for all of them.
const giveUpAfter = 32

var errGiveUp = errors.New("stores refuse one block after the other")

// Drain offers the waiting blocks to the stores once and syncs. It returns nil
// if all stripes are full and durable then, and *Undelivered if some are not.
// progress, which may be nil, is told how many are left.
func (b *Blocks) Drain(ctx context.Context, progress func(left int)) error {
	if progress == nil {
		progress = func(int) {}
	}
	if err := b.Sync(ctx); err != nil {
		return err
	}
	p := pass{blocks: b, progress: progress}
	for _, s := range []state{pinned, owed} {
		err := b.index.db.inState(ctx, s, func(page []blockstore.Address) error { return p.offer(ctx, page) })
		if err != nil && !errors.Is(err, errGiveUp) {
			return fmt.Errorf("drain outbox: %w", err)
		}
	}
	if err := errors.Join(b.Sync(ctx), b.tidyOutbox(ctx)); err != nil {
		return err
	}
	if t := b.index.totals(); t.pinned+t.owed > 0 {
		return &Undelivered{Pinned: t.pinned, Owed: t.owed, Cause: p.cause}
	}
	return nil
}

// pass is one run over the waiting blocks.
type pass struct {
	blocks   *Blocks
	progress func(left int)
	cause    error // of the first block that stayed
	refused  int   // by the stores, in a row
}

func (p *pass) offer(ctx context.Context, page []blockstore.Address) error {
	for _, addr := range page {
		refused, err := p.blocks.deliver(ctx, addr)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		p.count(refused, err)
		if p.refused >= giveUpAfter {
			return errGiveUp
		}
		t := p.blocks.index.totals()
		p.progress(int(t.pinned + t.owed))
	}
	return p.blocks.relieve(ctx)
}

// count notes an outcome. A block that cannot be read says nothing about the
// stores, and must not keep others from being offered.
func (p *pass) count(refused bool, err error) {
	if p.cause == nil {
		p.cause = err
	}
	switch {
	case refused:
		p.refused++
	case err == nil:
		p.refused = 0
	}
}

// deliver offers one waiting block to the stores. A block that got no better
// than it was stays as it is: refused.
func (b *Blocks) deliver(ctx context.Context, addr blockstore.Address) (refused bool, err error) {
	unlock, err := b.locks.lock(ctx, addr)
	if err != nil {
		return false, err
	}
	defer unlock()
	e, err := b.index.lookup(ctx, addr)
	if err != nil || e == nil || e.state == full {
		return false, err
	}
	buf := b.buffers.get(int(e.desc.Length))
	block, err := b.block(ctx, addr, (*buf)[:0])
	if err != nil {
		b.buffers.put(buf)
		return false, fmt.Errorf("read waiting block %v: %w", addr, err)
	}
	*buf = block
	b.placing.RLock()
	defer b.placing.RUnlock()
	d, placed, cause := b.backend.Put(ctx, addr, block)
	if !errors.Is(cause, blockstore.ErrLate) {
		b.buffers.put(buf)
	}
	if err := d.Validate(); err != nil {
		return false, errors.Join(cause, err)
	}
	better := &entry{desc: d, plain: e.plain, state: stateOf(d.Class, placed)}
	if better.state < e.state {
		if err := b.departs(ctx, e, better); err != nil {
			return false, err
		}
		return false, b.setRow(ctx, better)
	}
	if cause == nil {
		cause = fmt.Errorf("place block %v: %d of %d shards", addr, placed, d.Class.N)
	}
	return true, cause
}

// departs records where a block was if it is delivered to elsewhere.
func (b *Blocks) departs(ctx context.Context, was, now *entry) error {
	if sameStripe(was.desc, now.desc) {
		return nil
	}
	rec, err := b.movesOf(ctx)
	if err != nil {
		return err
	}
	return rec.depart(ctx, []*entry{was})
}

// tidyOutbox gives back the space of blocks that were delivered.
func (b *Blocks) tidyOutbox(ctx context.Context) error {
	rebuilding, err := b.index.db.rebuilding()
	if err != nil || rebuilding {
		return err // blocks in the outbox may not have been adopted yet
	}
	if err := b.outbox.reset(ctx, func() bool { return b.index.totals().pinned == 0 }); err != nil {
		return err
	}
	return b.outbox.compact(ctx)
}

// Retry wakes the worker that offers the outbox, when a store has come back.
func (b *Blocks) Retry() {
	select {
	case b.retry <- struct{}{}:
	default: // awake already
	}
}

// offer drains the outbox now and then while something waits in it.
func (b *Blocks) offer() {
	const slowest = 32 // times RetryEvery
	pause := b.o.RetryEvery
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		select {
		case <-b.life.Done():
			return
		case <-b.retry:
			pause = b.o.RetryEvery
		case <-timer.C:
		}
		before := b.index.totals()
		if before.pinned+before.owed > 0 {
			err := b.Drain(b.life, nil)
			after := b.index.totals()
			if err != nil && after.pinned+after.owed >= before.pinned+before.owed {
				pause = min(2*pause, slowest*b.o.RetryEvery)
				b.o.Log.Info("outbox not delivered", "err", err)
			} else {
				pause = b.o.RetryEvery
			}
		}
		timer.Reset(pause)
	}
}
