package cache

import (
	"context"
	"errors"
	"fmt"

	"pifs/blockstore"
)

// fetch reads a block from the nearest place that has it and opens it. At first
// nothing is checked but the plaintext, against the key: hashing shards and
// block as well would make reading half as fast again. What is wrong then is
// read once more, with every check, which finds out who is to blame.
func (b *Blocks) fetch(ctx context.Context, s *blockstore.Sealer, ref blockstore.Ref) ([]byte, error) {
	if p, ok := b.memory.get(ref); ok {
		return p, nil
	}
	e, err := b.entry(ctx, ref.Address)
	if err != nil {
		return nil, err
	}
	plain, err := b.readFrom(ctx, e, s, ref, b.blockRaw, s.OpenRaw)
	if err != nil && ctx.Err() == nil {
		plain, err = b.readFrom(ctx, e, s, ref, b.blockOf, s.Open)
	}
	if err != nil {
		return nil, err
	}
	b.memory.add(ref, plain)
	return plain, nil
}

type (
	blockGetter func(ctx context.Context, e *entry, dst []byte) (block []byte, degraded bool, err error)
	blockOpener func(dst, block []byte, ref blockstore.Ref) ([]byte, error)
)

// readFrom gets a block and opens it. What cost a decode goes to the disk tier.
func (b *Blocks) readFrom(ctx context.Context, e *entry, s *blockstore.Sealer, ref blockstore.Ref, get blockGetter, open blockOpener) ([]byte, error) {
	buf := b.buffers.get(int(ref.Size) + sealSlack)
	block, degraded, err := get(ctx, e, (*buf)[:0])
	if err == nil {
		*buf = block
	}
	if !errors.Is(err, blockstore.ErrLate) {
		defer b.buffers.put(buf)
	}
	if err != nil {
		return nil, err
	}
	// There must be room for the whole block behind the plaintext.
	plain, err := open(make([]byte, 0, int(ref.Size)+sealSlack), block, ref)
	if err == nil && degraded {
		b.disk.put(ctx, ref.Address, block)
	}
	return plain, err
}

// entry returns what the index knows of a block; not to know it is
// blockstore.ErrNotFound.
func (b *Blocks) entry(ctx context.Context, addr blockstore.Address) (*entry, error) {
	e, err := b.index.lookup(ctx, addr)
	if err == nil && e == nil {
		err = fmt.Errorf("look up descriptor: %w", blockstore.ErrNotFound)
	}
	return e, err
}

// blockRaw appends the sealed block to dst: from the outbox, the disk tier or
// the backend, in this order. Its bytes are not checked.
func (b *Blocks) blockRaw(ctx context.Context, e *entry, dst []byte) ([]byte, bool, error) {
	if e.state == pinned {
		block, err := b.outbox.getRaw(ctx, e.desc.Address, dst)
		return block, false, err
	}
	if block, ok := b.disk.getRaw(ctx, e.desc.Address, dst); ok {
		b.counts.diskHits.Add(1)
		return block, false, nil
	}
	block, degraded, err := b.backend.GetRaw(ctx, e.desc, dst)
	b.countStripe(degraded, err)
	return block, degraded, err
}

// blockOf is blockRaw with all checks, and with nothing left untried.
func (b *Blocks) blockOf(ctx context.Context, e *entry, dst []byte) ([]byte, bool, error) {
	addr := e.desc.Address
	if e.state == pinned {
		block, err := b.outbox.get(ctx, addr, dst)
		if err == nil {
			return block, false, nil
		}
		b.o.Log.Warn("read from outbox", "address", addr, "err", err)
	}
	if block, ok := b.disk.get(ctx, addr, dst); ok {
		b.counts.diskHits.Add(1)
		return block, false, nil
	}
	block, degraded, err := b.backend.Get(ctx, e.desc, dst)
	b.countStripe(degraded, err)
	return block, degraded, err
}

func (b *Blocks) countStripe(degraded bool, err error) {
	if err != nil {
		return
	}
	b.counts.misses.Add(1)
	if degraded {
		b.counts.degraded.Add(1)
	}
}

// block appends the sealed block to dst, checked against its address.
func (b *Blocks) block(ctx context.Context, addr blockstore.Address, dst []byte) ([]byte, error) {
	e, err := b.entry(ctx, addr)
	if err != nil {
		return nil, err
	}
	block, _, err := b.blockOf(ctx, e, dst)
	return block, err
}
