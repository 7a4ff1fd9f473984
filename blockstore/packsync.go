package blockstore

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"pifs/blockstore/failpoint"
)

// Sync makes everything before it durable; see Store. Deletions live in the
// index alone, so they cost a commit; puts cost one sync of the tail pack,
// shared by all callers that wait for it.
func (p *Pack) Sync(ctx context.Context) error {
	if err := p.usable(ctx); err != nil {
		return fmt.Errorf("sync store: %w", err)
	}
	p.flushing.Lock()
	defer p.flushing.Unlock()
	p.mu.RLock()
	erased := p.erased
	p.mu.RUnlock()
	if err := errors.Join(p.settle(ctx, erased), p.takeLost()); err != nil {
		return fmt.Errorf("sync store: %w", err)
	}
	return nil
}

// takeLost returns what was lost since it was asked for last, be it in the
// background. The caller holds flushing.
func (p *Pack) takeLost() error {
	err := p.lost
	p.lost = nil
	return err
}

// flush commits all changes to the index.
func (p *Pack) flush(ctx context.Context) error {
	p.flushing.Lock()
	defer p.flushing.Unlock()
	return p.settle(ctx, true)
}

// settle syncs the packs and, if asked to, commits what they hold to the
// index: never before it is durable. The caller holds flushing.
func (p *Pack) settle(ctx context.Context, commit bool) error {
	p.writing.Lock()
	if err := p.rescue(ctx); err != nil {
		p.writing.Unlock()
		return err
	}
	unsynced := p.takeDirty()
	var b batch
	if commit {
		b = p.takeBatch()
	}
	p.writing.Unlock()

	err := p.syncPacks(unsynced)
	if err == nil && commit {
		err = p.index.commit(b)
	}
	if commit {
		p.finishBatch(b, err)
	}
	if err == nil {
		p.bury(b)
	}
	return err
}

// unsynced is what one sync has to make durable.
type unsynced struct {
	packs map[uint32]int64
	dir   bool
}

func (p *Pack) takeDirty() unsynced {
	p.mu.Lock()
	defer p.mu.Unlock()
	u := unsynced{packs: p.dirty, dir: p.newDir}
	p.dirty, p.newDir = make(map[uint32]int64), false
	return u
}

// syncPacks makes u durable. A pack whose sync fails takes no more records:
// the kernel may have dropped what it could not write and report success from
// then on, so the next sync writes those records anew elsewhere.
func (p *Pack) syncPacks(u unsynced) error {
	if p.opts.NoSync {
		return nil
	}
	var errs []error
	if u.dir {
		if err := p.opts.FS.SyncDir(p.dir); err != nil {
			errs = append(errs, err)
			p.mu.Lock()
			p.newDir = true
			p.mu.Unlock()
		}
	}
	for n, from := range u.packs {
		if err := p.files.sync(n); err != nil {
			errs = append(errs, err)
			p.distrust(n, from)
		}
	}
	failpoint.Hit(failpoint.PackSynced)
	return errors.Join(errs...)
}

// distrust notes that pack n may hold nothing of what was written from on.
func (p *Pack) distrust(n uint32, from int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if before, ok := p.failed[n]; !ok || from < before {
		p.failed[n] = from
	}
	if p.tail == n {
		p.tail = 0
	}
}

// rescue copies the unsynced records of distrusted packs to the tail. Shards
// that cannot be read back are held no longer, and noted as lost. The caller
// holds flushing and writing.
func (p *Pack) rescue(ctx context.Context) error {
	if len(p.failed) == 0 {
		return nil
	}
	for id, c := range p.unindexed() {
		from, ok := p.failed[c.pack]
		if !ok || c.deleted || c.off < from {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := p.rescueShard(id, c.location); err != nil {
			return err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for n := range p.failed {
		delete(p.dirty, n) // appended to between the failure and its report
	}
	clear(p.failed)
	return nil
}

func (p *Pack) rescueShard(id ShardID, from location) error {
	shard, err := p.read(from, nil, matches(id))
	if errors.Is(err, ErrCorrupt) {
		p.lost = errors.Join(p.lost, fmt.Errorf("shard %v was not written: %w", id, err))
		p.mu.Lock()
		defer p.mu.Unlock()
		p.setLive(from, -1)
		p.erased = true
		p.note(id, change{location: from, deleted: true})
		return nil
	}
	if err != nil {
		return err
	}
	return p.relocate(id, from, shard)
}

// relocate appends shard, which is live at from, and makes the copy the live
// one. The caller holds writing.
func (p *Pack) relocate(id ShardID, from location, shard []byte) error {
	to, err := p.append(shard)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.setLive(from, -1)
	p.setLive(to, +1)
	p.note(id, change{location: to, stray: p.recent[id].stray})
	return nil
}

// takeBatch moves what is recent into a batch for the index. The caller holds
// writing, so that no record is between its pack and recent.
func (p *Pack) takeBatch() batch {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := batch{changes: p.recent, stats: make(map[uint32]packStat, len(p.change))}
	for n := range p.change {
		if s, ok := p.stats[n]; ok {
			b.stats[n] = *s
		}
	}
	p.older, p.recent = p.recent, make(map[ShardID]change)
	clear(p.change)
	p.erased = false
	return b
}

// finishBatch forgets what the index now knows, or takes it back.
func (p *Pack) finishBatch(b batch, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.older = nil
	if err == nil {
		return
	}
	newer := p.recent
	p.recent = b.changes
	maps.Copy(p.recent, newer)
	for n := range b.stats {
		p.change[n] = struct{}{}
	}
	p.erased = true // there may be one among them
}
