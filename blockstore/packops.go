package blockstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
)

// Put stores shard under id; see Store.
func (p *Pack) Put(ctx context.Context, id ShardID, shard []byte) error {
	if len(shard) < 1 || len(shard) > MaxShard {
		return fmt.Errorf("put shard %v of %d bytes: %w", id, len(shard), ErrTooLarge)
	}
	if ShardIDOf(shard) != id {
		return fmt.Errorf("put shard %v: %w: bytes have another id", id, ErrCorrupt)
	}
	if err := p.put(ctx, id, shard); err != nil {
		return fmt.Errorf("put shard %v: %w", id, err)
	}
	return nil
}

// PutPiece is Put without hashing the bytes once more.
func (p *Pack) PutPiece(ctx context.Context, piece Piece) error {
	if len(piece.bytes) == 0 {
		return fmt.Errorf("put shard of no bytes: %w", ErrTooLarge)
	}
	if err := p.put(ctx, piece.id, piece.bytes); err != nil {
		return fmt.Errorf("put shard %v: %w", piece.id, err)
	}
	return nil
}

// put stores a shard whose id is known to be right.
func (p *Pack) put(ctx context.Context, id ShardID, shard []byte) error {
	if err := p.makeRoom(ctx); err != nil {
		return err
	}
	p.writing.Lock()
	defer p.writing.Unlock()
	if err := p.usable(ctx); err != nil {
		return err
	}
	_, held, err := p.locate(ctx, id)
	if err != nil || held {
		return err
	}
	loc, err := p.append(shard)
	if err != nil {
		return err
	}
	p.filter.add(id)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.setLive(loc, +1)
	p.note(id, change{location: loc})
	return nil
}

// note records a change that the index does not know. The caller holds mu.
func (p *Pack) note(id ShardID, c change) {
	p.recent[id] = c
	if len(p.recent) >= flushAt {
		p.askFlush()
	}
}

// setLive counts a shard in or out. The caller holds mu.
func (p *Pack) setLive(loc location, by int64) {
	s := p.stats[loc.pack]
	s.shards += by
	s.live += by * int64(loc.size)
	p.change[loc.pack] = struct{}{}
}

// makeRoom waits for a commit when memory holds too much that the index does
// not know.
func (p *Pack) makeRoom(ctx context.Context) error {
	p.mu.RLock()
	full := len(p.recent) >= maxRecent
	p.mu.RUnlock()
	if !full {
		return nil
	}
	return p.flush(ctx)
}

// Get appends the shard to dst; see Store.
func (p *Pack) Get(ctx context.Context, id ShardID, dst []byte) ([]byte, error) {
	out := dst
	err := p.find(ctx, id, func(loc location) (err error) {
		out, err = p.read(loc, dst, matches(id))
		return err
	})
	if err != nil {
		return dst, fmt.Errorf("get shard %v: %w", id, err)
	}
	return out, nil
}

// matches returns the check that a shard is the one of id.
func matches(id ShardID) func([]byte) bool {
	return func(shard []byte) bool { return ShardIDOf(shard) == id }
}

// GetRaw lends n bytes at off of the shard, unchecked; see RawGetter.
func (p *Pack) GetRaw(ctx context.Context, id ShardID, off, n int) (out Lent, err error) {
	err = p.find(ctx, id, func(loc location) (err error) {
		out, err = p.lend(loc, off, n)
		return err
	})
	if err != nil {
		return Lent{}, fmt.Errorf("get shard %v: %w", id, err)
	}
	return out, nil
}

// find calls read with where the shard is, and once more if it has moved.
func (p *Pack) find(ctx context.Context, id ShardID, read func(location) error) error {
	if err := p.usable(ctx); err != nil {
		return err
	}
	var gone location
	for {
		loc, held, err := p.locate(ctx, id)
		if err != nil {
			return err
		}
		if !held {
			return ErrNotFound
		}
		err = read(loc)
		if (errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrCorrupt)) && loc != gone {
			gone = loc // moved, or deleted and buried, in between: look again
			continue
		}
		return err
	}
}

// read appends the shard at loc to dst if it is right.
func (p *Pack) read(loc location, dst []byte, right func([]byte) bool) ([]byte, error) {
	f, err := p.files.acquire(loc.pack)
	if err != nil {
		return nil, err
	}
	defer p.files.release(f)
	n := len(dst)
	dst = slices.Grow(dst, int(loc.size))[:n+int(loc.size)]
	if _, err := f.ReadAt(dst[n:], loc.off+recordHeader); errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: %s ends before %d", ErrCorrupt, packName(loc.pack), loc.end())
	} else if err != nil {
		return nil, err
	}
	if !right(dst[n:]) {
		return nil, fmt.Errorf("%w: altered in %s at %d", ErrCorrupt, packName(loc.pack), loc.off)
	}
	return dst, nil
}

// Has reports whether id is held, without reading it.
func (p *Pack) Has(ctx context.Context, id ShardID) (bool, error) {
	if err := p.usable(ctx); err != nil {
		return false, fmt.Errorf("look for shard %v: %w", id, err)
	}
	_, held, err := p.locate(ctx, id)
	if err != nil {
		return false, fmt.Errorf("look for shard %v: %w", id, err)
	}
	return held, nil
}

// locate returns where id is, and whether it is held.
func (p *Pack) locate(ctx context.Context, id ShardID) (location, bool, error) {
	p.mu.RLock()
	c, known := p.recent[id]
	if !known {
		c, known = p.older[id]
	}
	p.mu.RUnlock()
	if known {
		return c.location, !c.deleted, nil
	}
	if !p.filter.mayHold(id) {
		return location{}, false, nil
	}
	return p.index.lookup(ctx, id)
}

// Delete forgets id; see Store. Once that is durable the record becomes a hole
// where the file system can make one; Compact gives back the rest.
func (p *Pack) Delete(ctx context.Context, id ShardID) error {
	if err := p.delete(ctx, id); err != nil {
		return fmt.Errorf("delete shard %v: %w", id, err)
	}
	return nil
}

func (p *Pack) delete(ctx context.Context, id ShardID) error {
	if err := p.makeRoom(ctx); err != nil {
		return err
	}
	p.writing.Lock()
	defer p.writing.Unlock()
	if err := p.usable(ctx); err != nil {
		return err
	}
	loc, held, err := p.locate(ctx, id)
	if err != nil || !held {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.setLive(loc, -1)
	p.erased = true
	p.note(id, change{location: loc, deleted: true})
	return nil
}

// List calls fn for every shard held; see Lister. fn may use the store.
func (p *Pack) List(ctx context.Context, fn func(id ShardID, size int) error) error {
	return p.each(ctx, func(page []entry) error {
		for _, e := range page {
			if err := fn(e.id, int(e.size)); err != nil {
				return err
			}
		}
		return nil
	})
}

// each calls fn with all entries, those newer than the index first.
func (p *Pack) each(ctx context.Context, fn func([]entry) error) error {
	if err := p.usable(ctx); err != nil {
		return fmt.Errorf("list shards: %w", err)
	}
	// Taken before the index is read: what is committed in between shows up in
	// both, and is left out there.
	recent := p.unindexed()
	var page []entry
	for id, c := range recent {
		if !c.deleted {
			page = append(page, entry{id, c.location})
		}
	}
	if len(page) > 0 {
		if err := fn(page); err != nil {
			return err
		}
	}
	return p.index.list(ctx, func(page []entry) error {
		page = slices.DeleteFunc(page, func(e entry) bool {
			_, newer := recent[e.id]
			return newer
		})
		return fn(page)
	})
}

// unindexed returns a copy of what the index does not know.
func (p *Pack) unindexed() map[ShardID]change {
	p.mu.RLock()
	defer p.mu.RUnlock()
	all := make(map[ShardID]change, len(p.older)+len(p.recent))
	for id, c := range p.older {
		all[id] = c
	}
	for id, c := range p.recent {
		all[id] = c
	}
	return all
}
