package blockstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// recoverAll opens the index, or builds it, and reads from the packs what it
// does not know.
func (p *Pack) recoverAll() error {
	packs, err := packNumbers(p.dir)
	if err != nil {
		return err
	}
	if err := p.recoverIndex(); err != nil {
		return err
	}
	// An index without packs is no damage: the machine stopped before the first
	// commit, and the packs are read as ends of packs are after any crash.
	if len(packs) > 0 && p.index.made {
		p.warn(fmt.Errorf("the index is missing: building it from %d packs", len(packs)))
	}
	if err := p.dropMissing(packs); err != nil {
		return err
	}
	var held int64
	for _, s := range p.stats {
		held += s.shards
	}
	p.filter = newFilter(held)
	p.filter.ready.Store(held == 0)
	for _, n := range packs {
		if err := p.recoverPack(n, n == p.last); err != nil {
			return fmt.Errorf("read %s: %w", packName(n), err)
		}
	}
	return nil
}

// recoverIndex opens the index and loads its statistics; a damaged one is
// replaced by an empty one.
func (p *Pack) recoverIndex() error {
	err := p.openIndex()
	if errors.Is(err, ErrCorrupt) {
		p.warn(fmt.Errorf("building the index again: %w", err))
		if err := removeIndex(p.dir); err != nil {
			return err
		}
		err = p.openIndex()
	}
	return err
}

func (p *Pack) openIndex() error {
	x, err := openIndex(p.dir, p.opts)
	if err != nil {
		return err
	}
	if err := x.begin(); err != nil {
		return errors.Join(err, x.close(false))
	}
	stats, err := x.load()
	if err != nil {
		// It has been read before: what is no code of SQLite is a value that
		// cannot stand there.
		return errors.Join(fmt.Errorf("%w: %w", ErrCorrupt, err), x.close(false))
	}
	p.index, p.stats = x, stats
	return nil
}

// dropMissing forgets the shards of packs, or of ends of packs, that are not
// there any more, so that Has is honest and a repair puts them back.
func (p *Pack) dropMissing(packs []uint32) error {
	for n, known := range maps.Clone(p.stats) {
		p.last = max(p.last, n)
		var size int64
		if _, there := slices.BinarySearch(packs, n); there {
			var err error
			if size, err = p.packSize(n); err != nil {
				return err
			}
		}
		if size >= known.size {
			continue
		}
		left, lost, err := p.index.truncate(n, size)
		if err != nil {
			return err
		}
		if lost > 0 {
			p.warn(fmt.Errorf("%w: %s has %d of %d bytes: %d shards are gone", ErrCorrupt, packName(n), size, known.size, lost))
		}
		*known = left
		if size < packHeaderLen {
			delete(p.stats, n)
			if err := p.index.forgetPack(n); err != nil {
				return err
			}
		}
	}
	if len(packs) > 0 {
		p.last = max(p.last, packs[len(packs)-1])
	}
	return nil
}

func (p *Pack) packSize(n uint32) (int64, error) {
	f, err := p.files.acquire(n)
	if err != nil {
		return 0, err
	}
	defer p.files.release(f)
	return f.Size()
}

// recoverPack reads what the index does not know of pack n. The last pack
// goes on taking records, unless it is full or damaged at its head.
func (p *Pack) recoverPack(n uint32, last bool) error {
	f, err := p.files.acquire(n)
	if err != nil {
		return err
	}
	defer p.files.release(f)
	size, err := f.Size()
	if err != nil {
		return err
	}
	known, indexed := p.stats[n]
	if !indexed && size < packHeaderLen {
		return p.files.remove(n) // it was being created when the machine stopped
	}
	sound, err := p.checkHead(f)
	if err != nil {
		return err
	}
	if !indexed {
		known = &packStat{size: packHeaderLen}
		p.stats[n] = known
		p.change[n] = struct{}{}
	}
	gaps, err := p.scanTail(f, n, size, last)
	if err != nil {
		return err
	}
	// A record between two gaps would not be found again: it is followed neither
	// by another nor by the end. So nothing more is written behind a gap.
	if last && sound && !gaps && known.size < p.opts.PackSize {
		p.tail = n
	}
	return nil
}

// checkHead reports whether the pack's header is intact. A newer format is an
// error.
func (p *Pack) checkHead(f File) (sound bool, err error) {
	h := make([]byte, packHeaderLen)
	if _, err := f.ReadAt(h, 0); err != nil {
		return false, err
	}
	err = checkPackHeader(h)
	if errors.Is(err, ErrCorrupt) {
		p.warn(err) // its records speak for themselves
		return false, nil
	}
	return err == nil, err
}

// scanTail takes in the records of pack n that the index does not know. In
// the last pack, bytes at the end that are no record are cut off. gaps reports
// others before records.
func (p *Pack) scanTail(f File, n uint32, size int64, last bool) (gaps bool, err error) {
	s := p.stats[n]
	err = scanRecords(f, size, s.size,
		func(off, end int64, shard []byte) error {
			if shard == nil {
				s.size = end
				p.change[n] = struct{}{}
				return nil
			}
			return p.adopt(location{pack: n, off: off, size: uint32(len(shard))}, ShardIDOf(shard))
		},
		func(g gap) error {
			if padding, err := isPadding(f, g.from, size); err != nil || padding {
				return err
			}
			p.warn(fmt.Errorf("%w: %s holds no shard from byte %d to %d: a torn write or damage", ErrCorrupt, packName(n), g.from, g.to))
			p.change[n] = struct{}{}
			if g.to == size && last {
				return f.Truncate(g.from)
			}
			s.size, gaps = g.to, true
			return nil
		})
	return gaps, err
}

// adopt takes a record found on a scan into the store, unless the shard is
// held already.
func (p *Pack) adopt(loc location, id ShardID) error {
	ctx := context.Background()
	_, held, err := p.locate(ctx, id)
	if err != nil {
		return err
	}
	p.stats[loc.pack].size = loc.end()
	p.change[loc.pack] = struct{}{}
	// Nobody knows whether it was synced, so it is before it is indexed.
	if _, ok := p.dirty[loc.pack]; !ok {
		p.dirty[loc.pack] = loc.off
	}
	if held {
		return nil
	}
	p.filter.add(id)
	p.recent[id] = change{location: loc, stray: p.opts.NoteStrays}
	p.setLive(loc, +1)
	if len(p.recent) >= flushAt {
		return p.flush(ctx)
	}
	return nil
}
