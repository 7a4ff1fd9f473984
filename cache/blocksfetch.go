package cache

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"pifs/blockstore"
)

// fetch reads a block from the nearest place that has it and opens it. At first
// nothing is checked but the plaintext, against the key: hashing shards and
// block as well would make reading half as fast again. What is wrong then is
// read once more, with every check, which finds out who is to blame.
func (b *Blocks) fetch(ctx context.Context, s *blockstore.Sealer, ref blockstore.Ref) (*plain, error) {
	if p, ok := b.memory.get(ref); ok {
		return p, nil
	}
	e, err := b.entry(ctx, ref.Address)
	if err != nil {
		return nil, err
	}
	p := b.plains.get(int(ref.Size) + sealSlack) // there must be room for the whole block
	if p.bytes, err = b.readRaw(ctx, e, s, ref, p.bytes); err != nil && ctx.Err() == nil {
		p.bytes, err = b.readChecked(ctx, e, s, ref, p.bytes)
	}
	for err != nil && ctx.Err() == nil {
		now, gone := b.entry(ctx, ref.Address)
		if gone != nil || sameStripe(now.desc, e.desc) {
			break
		}
		e = now // it moved meanwhile
		p.bytes, err = b.readChecked(ctx, e, s, ref, p.bytes)
	}
	if err != nil {
		p.release()
		return nil, err
	}
	b.memory.add(ref, p)
	return p, nil
}

// readRaw appends the plaintext to dst. What costs a decode for the second time
// goes to the disk tier: to write all that is read once, while a store is away,
// costs more than the decodes.
func (b *Blocks) readRaw(ctx context.Context, e *entry, s *blockstore.Sealer, ref blockstore.Ref, dst []byte) ([]byte, error) {
	raw, degraded, err := b.blockRaw(ctx, e, 0, int(e.desc.Length))
	if err != nil {
		return dst, err
	}
	defer raw.Release()
	out, err := s.OpenRaw(dst, raw, ref)
	if err == nil && degraded && b.decoded.again(ref.Address) {
		buf := b.buffers.get(raw.Len())
		defer b.buffers.put(buf)
		*buf = raw.AppendTo(*buf)
		b.disk.put(ctx, ref.Address, *buf)
	}
	return out, err
}

// lately remembers addresses for a while. Its zero value is ready.
type lately struct {
	mu   sync.Mutex
	seen *lru[blockstore.Address, struct{}]
}

const latelySize = 16 << 10

// again reports whether addr was asked about before.
func (l *lately) again(addr blockstore.Address) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen == nil {
		l.seen = newLRU[blockstore.Address, struct{}]()
	}
	_, before := l.seen.get(addr)
	l.seen.put(addr, struct{}{}, 1)
	l.seen.shrink(latelySize)
	return before
}

// readChecked is readRaw with all checks.
func (b *Blocks) readChecked(ctx context.Context, e *entry, s *blockstore.Sealer, ref blockstore.Ref, dst []byte) ([]byte, error) {
	buf := b.buffers.get(int(ref.Size) + sealSlack)
	block, degraded, err := b.blockOf(ctx, e, (*buf)[:0])
	if err == nil {
		*buf = block
	}
	if !errors.Is(err, blockstore.ErrLate) {
		defer b.buffers.put(buf)
	}
	if err != nil {
		return dst, err
	}
	out, err := s.Open(dst, block, ref)
	if err == nil && degraded && b.decoded.again(ref.Address) {
		b.disk.put(ctx, ref.Address, block)
	}
	return out, err
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

// blockRaw returns n bytes at off of the sealed block: from the outbox, the disk
// tier or the backend, in this order. They are not checked.
func (b *Blocks) blockRaw(ctx context.Context, e *entry, off, n int) (*blockstore.Raw, bool, error) {
	if e.state == pinned {
		raw, err := b.outbox.getRaw(ctx, e.desc.Address, off, n)
		return raw, false, err
	}
	if raw, ok := b.disk.getRaw(ctx, e.desc.Address, off, n); ok {
		b.counts.diskHits.Add(1)
		return raw, false, nil
	}
	raw, degraded, err := b.backend.GetRaw(ctx, e.desc, off, n)
	b.countStripe(degraded, err)
	return raw, degraded, err
}

// blockOf appends the whole block to dst, with all checks and nothing left
// untried.
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
