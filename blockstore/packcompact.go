package blockstore

import (
	"context"
	"fmt"

	"pifs/blockstore/failpoint"
)

// Compact rewrites the packs of which at least the fraction minGarbage is
// garbage, and returns how many bytes of pack files that freed. Shards can be
// read and written meanwhile. A pack that holds a damaged shard is kept: the
// rest of it moves out, and Verify names what is damaged.
func (p *Pack) Compact(ctx context.Context, minGarbage float64) (freed int64, err error) {
	p.compacting.Lock()
	defer p.compacting.Unlock()
	for _, n := range p.wasteful(minGarbage) {
		if err := p.usable(ctx); err != nil {
			return freed, fmt.Errorf("compact store: %w", err)
		}
		got, err := p.compactPack(ctx, n)
		freed += got
		if err != nil {
			return freed, fmt.Errorf("compact %s: %w", packName(n), err)
		}
	}
	return freed, nil
}

// wasteful returns the packs with at least that fraction of garbage. If the
// tail is one of them it takes no more records.
func (p *Pack) wasteful(minGarbage float64) (packs []uint32) {
	p.writing.Lock()
	defer p.writing.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	for n, s := range p.stats {
		garbage := s.size - packHeaderLen - s.live - recordHeader*s.shards
		if garbage <= 0 || float64(garbage) < minGarbage*float64(s.size) {
			continue
		}
		packs = append(packs, n)
		if p.tail == n {
			p.tail = 0
		}
	}
	return packs
}

func (p *Pack) compactPack(ctx context.Context, n uint32) (freed int64, err error) {
	moved, err := p.evacuate(ctx, n)
	if err != nil {
		return 0, err
	}
	failpoint.Hit(failpoint.PackEvacuated)
	// The copies, and deletions that emptied the pack, must be durable before
	// the pack goes.
	if err := p.flush(ctx); err != nil {
		return 0, err
	}
	p.mu.RLock()
	s := *p.stats[n]
	p.mu.RUnlock()
	if s.shards > 0 {
		p.warn(fmt.Errorf("%w: %s keeps %d damaged shards", ErrCorrupt, packName(n), s.shards))
		return -moved, nil
	}
	p.flushing.Lock()
	defer p.flushing.Unlock()
	if err := p.files.remove(n); err != nil {
		return -moved, err
	}
	failpoint.Hit(failpoint.PackRemoved)
	p.mu.Lock()
	delete(p.stats, n)
	delete(p.change, n)
	delete(p.dirty, n)
	p.mu.Unlock()
	return s.size - moved, p.index.forgetPack(n)
}

// evacuate copies the live shards of pack n to the tail and returns how many
// bytes that took.
func (p *Pack) evacuate(ctx context.Context, n uint32) (moved int64, err error) {
	f, err := p.files.acquire(n)
	if err != nil {
		return 0, err
	}
	defer p.files.release(f)
	p.mu.RLock()
	size := p.stats[n].size
	p.mu.RUnlock()
	err = scanRecords(f, size, packHeaderLen,
		func(off, _ int64, shard []byte) error {
			if shard == nil {
				return ctx.Err()
			}
			loc := location{pack: n, off: off, size: uint32(len(shard))}
			did, err := p.moveLive(ctx, ShardIDOf(shard), loc, shard)
			if did {
				moved += recordHeader + int64(len(shard))
			}
			return err
		},
		func(gap) error { return ctx.Err() })
	return moved, err
}

// moveLive relocates the record at loc if it is the live one of its shard.
func (p *Pack) moveLive(ctx context.Context, id ShardID, loc location, shard []byte) (did bool, err error) {
	if err := p.makeRoom(ctx); err != nil {
		return false, err
	}
	p.writing.Lock()
	defer p.writing.Unlock()
	if err := p.usable(ctx); err != nil {
		return false, err
	}
	at, held, err := p.locate(ctx, id)
	if err != nil || !held || at != loc {
		return false, err
	}
	return true, p.relocate(id, loc, shard)
}
