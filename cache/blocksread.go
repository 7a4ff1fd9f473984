package cache

import (
	"context"
	"errors"
	"fmt"

	"pifs/blockstore"
)

// Get returns the plaintext of the block that ref names, verified. The bytes
// are shared: nobody may change them. Readers of the same block share one
// fetch; that one of them gives up does not disturb the others.
func (b *Blocks) Get(ctx context.Context, s *blockstore.Sealer, ref blockstore.Ref) ([]byte, error) {
	p, err := b.get(ctx, s, ref)
	if err != nil {
		return nil, err
	}
	return p.bytes, nil // never released: the caller may keep it
}

// Read fills dst with the plaintext's bytes from off on, as Get has them. To ask
// for more than there is is blockstore.ErrCorrupt. A reader that jumps about is
// scattered: if it can be, only what it asks for is fetched, and what lies
// around it.
func (b *Blocks) Read(ctx context.Context, s *blockstore.Sealer, ref blockstore.Ref, off int, dst []byte, scattered bool) error {
	if off < 0 || off > int(ref.Size)-len(dst) {
		return fmt.Errorf("read %d bytes at %d of block %v, which has %d: %w", len(dst), off, ref.Address, ref.Size, blockstore.ErrCorrupt)
	}
	if b.TryRead(ref, off, dst) || scattered && b.readRange(ctx, s, ref, off, dst) {
		return nil
	}
	p, err := b.get(ctx, s, ref)
	if err != nil {
		return err
	}
	defer p.release()
	copy(dst, p.bytes[off:]) // it has ref.Size bytes
	return nil
}

// TryRead is Read if the memory tier has the bytes. It does no I/O.
func (b *Blocks) TryRead(ref blockstore.Ref, off int, dst []byte) bool {
	if off < 0 || off > int(ref.Size)-len(dst) {
		return false
	}
	p, ok := b.memory.get(ref)
	if ok {
		copy(dst, p.bytes[off:])
		p.release()
	} else if !b.copyParts(ref, off, dst) {
		return false
	}
	b.counts.hits.Add(1)
	return true
}

// TryLend is TryRead without a copy. The bytes must not be changed.
func (b *Blocks) TryLend(ref blockstore.Ref, off, n int) (blockstore.Lent, bool) {
	if off < 0 || off > int(ref.Size)-n {
		return blockstore.Lent{}, false
	}
	p, ok := b.tryGet(ref)
	if !ok {
		return blockstore.Lent{}, false
	}
	return blockstore.Lent{Bytes: p.bytes[off : off+n], Return: p.release}, true
}

// get is Get with a user that the caller releases.
func (b *Blocks) get(ctx context.Context, s *blockstore.Sealer, ref blockstore.Ref) (*plain, error) {
	if p, ok := b.tryGet(ref); ok {
		return p, nil
	}
	if b.closed.Load() {
		return nil, blockstore.ErrClosed
	}
	if ref.Size == 0 || ref.Size > blockstore.MaxChunk {
		return nil, fmt.Errorf("read block %v of %d bytes: %w", ref.Address, ref.Size, blockstore.ErrTooLarge)
	}
	p, err := b.flights.do(ctx, b.life, flightKey{s, ref}, func(ctx context.Context) (*plain, error) {
		return b.fetch(ctx, s, ref)
	})
	if err != nil {
		return nil, fmt.Errorf("read block %v: %w", ref.Address, err)
	}
	return p, nil
}

func (b *Blocks) tryGet(ref blockstore.Ref) (*plain, bool) {
	p, ok := b.memory.get(ref)
	if ok {
		b.counts.hits.Add(1)
	}
	return p, ok
}

// Prefetch fetches blocks into the memory tier in the background. What would
// exceed a few fetches at a time is dropped.
func (b *Blocks) Prefetch(s *blockstore.Sealer, refs ...blockstore.Ref) {
	for _, ref := range refs {
		if b.memory.has(ref) {
			continue
		}
		select {
		case b.fetchers <- struct{}{}:
		default:
			return
		}
		spawned := b.spawn(func() {
			defer func() { <-b.fetchers }()
			p, err := b.get(b.life, s, ref)
			switch {
			case err == nil:
				p.release()
			case b.life.Err() == nil:
				b.o.Log.Debug("prefetch", "address", ref.Address, "err", err)
			}
		})
		if !spawned {
			<-b.fetchers
			return
		}
	}
}

// Descriptor returns the stripe's public record of a block, or ErrNotFound.
func (b *Blocks) Descriptor(ctx context.Context, addr blockstore.Address) (blockstore.Descriptor, error) {
	e, err := b.index.lookup(ctx, addr)
	if err == nil && e == nil {
		err = blockstore.ErrNotFound
	}
	if err != nil {
		return blockstore.Descriptor{}, fmt.Errorf("look up block %v: %w", addr, err)
	}
	return e.desc, nil
}

// Each calls fn for the stripe of every block that was synced, until fn returns
// an error, which it returns. Blocks that come or go meanwhile may be missed.
func (b *Blocks) Each(ctx context.Context, fn func(blockstore.Descriptor) error) error {
	return b.index.db.addresses(ctx, func(page []blockstore.Address) error {
		for _, addr := range page {
			e, err := b.index.lookup(ctx, addr)
			if err == nil && e != nil {
				err = fn(e.desc)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Adopt learns a block that is already stored, from a manifest: a rebuild of
// the index is made of these. plainSize is the block's plaintext bytes. Of a block
// that has moved since the manifest was made it learns where it is.
func (b *Blocks) Adopt(ctx context.Context, d blockstore.Descriptor, plainSize uint32) error {
	if err := d.Validate(); err != nil {
		return fmt.Errorf("adopt block %v: %w", d.Address, err)
	}
	b.touch(d.Address)
	unlock, err := b.locks.lock(ctx, d.Address)
	if err != nil {
		return err
	}
	defer unlock()
	if e, err := b.index.lookup(ctx, d.Address); err != nil || e != nil {
		return err
	}
	e := &entry{desc: d, plain: plainSize, state: full}
	if rec := b.moves.Load(); rec != nil {
		now, err := rec.now(ctx, d.Address)
		if err != nil {
			return fmt.Errorf("adopt block %v: %w", d.Address, err)
		}
		if now != nil {
			e.desc, e.plain = now.desc, now.plain
		}
	}
	held, err := b.outbox.has(ctx, d.Address)
	if err != nil {
		return fmt.Errorf("adopt block %v: %w", d.Address, err)
	}
	if held {
		e.state = pinned
	}
	return errors.Join(b.adopt(ctx, e), b.relieve(ctx))
}

func (b *Blocks) adopt(ctx context.Context, e *entry) error {
	b.placing.RLock()
	defer b.placing.RUnlock()
	return b.setRow(ctx, e)
}

// Forget drops what is known of a block whose shards the caller has deleted,
// or is about to delete. Forgetting an unknown block does nothing.
func (b *Blocks) Forget(ctx context.Context, addr blockstore.Address) error {
	unlock, err := b.locks.lock(ctx, addr)
	if err != nil {
		return err
	}
	defer unlock()
	e, err := b.index.lookup(ctx, addr)
	if err != nil || e == nil {
		return err
	}
	b.memory.remove(addr)
	return b.index.set(ctx, &entry{desc: e.desc, plain: e.plain, state: gone})
}
