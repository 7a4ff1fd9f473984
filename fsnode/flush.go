package fsnode

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"pifs/blockstore"
	"pifs/blockstore/failpoint"
	"pifs/cache"
)

// flushKind says how much of a file a flush stores.
type flushKind uint8

const (
	flushHead flushKind = iota + 1 // all but the last chunk: it is still growing
	flushAll
)

// settle is how long after a flush a closed file waits for the next one, so
// that a program that appends and closes in a loop does not store its last
// chunk each time.
const settle = 2 * time.Second

// enqueue asks the flushers to store in's fresh bytes. v.mu is held.
func (v *Volume) enqueue(in *inode, kind flushKind) {
	if in.content == nil || in.content.fresh.Empty() || v.isSpoiled(in) {
		return
	}
	have, ok := v.queued[in.ino]
	v.queued[in.ino] = max(have, kind)
	if !ok {
		v.queue = append(v.queue, in.ino)
		v.work.Signal()
	}
}

// enqueueClosed asks for a flush of a file that its last writer closed.
func (v *Volume) enqueueClosed(in *inode) {
	if c := in.content; c != nil && time.Since(c.lastFlush) > settle {
		v.enqueue(in, flushAll)
	}
}

// enqueueFresh asks for flushes of all files that hold fresh bytes in memory.
func (v *Volume) enqueueFresh(kind flushKind) {
	for ino := range v.fresh {
		in := v.inodes[ino]
		if in == nil {
			continue
		}
		k := kind
		if in.content != nil && in.content.fresh.Bytes() < streamBytes {
			k = flushAll // too little to leave a tail behind
		}
		v.enqueue(in, k)
	}
}

// flusher stores queued files until the volume stops.
func (v *Volume) flusher() {
	for {
		v.mu.Lock()
		for len(v.queue) == 0 && !v.stopping {
			v.work.Wait()
		}
		if v.stopping {
			v.mu.Unlock()
			return
		}
		ino := v.queue[0]
		v.queue = v.queue[1:]
		kind := v.queued[ino]
		delete(v.queued, ino)
		v.mu.Unlock()
		if err := v.flush(v.ctx, ino, kind); err != nil && v.ctx.Err() == nil {
			v.complain("flush", ino, err)
			v.fail(err)
		}
	}
}

// fail makes writes answer err until a later flush or save succeeds.
func (v *Volume) fail(err error) {
	v.mu.Lock()
	v.failure = err
	v.wake.Broadcast()
	v.mu.Unlock()
}

// complain logs the failure of background work. A full disk is a condition, not
// a fault, and is said once.
func (v *Volume) complain(what string, ino Ino, err error) {
	v.mu.Lock()
	known := noSpace(v.failure)
	v.mu.Unlock()
	switch {
	case !noSpace(err):
		v.o.Log.Error(what, "volume", v.o.Name, "inode", ino, "err", err)
	case !known:
		v.o.Log.Warn(what+": a disk is full", "volume", v.o.Name, "inode", ino, "err", err)
	}
}

func (v *Volume) recovered() {
	if v.failure != nil {
		v.o.Log.Info("storing works again")
		v.failure = nil
	}
}

// frozen is a file's content at one moment.
type frozen struct {
	ino      Ino
	base     []extent
	pieces   []cache.Piece
	gen      uint64
	size     int64
	baseSize int64
	hardCut  int64
	version  uint64
}

// freeze takes a file's content as it is, when no flush of it is under way.
// v.mu is held; store or thaw ends it.
func (v *Volume) freeze(in *inode) (*frozen, error) {
	c, err := v.contentOf(in)
	if err != nil {
		return nil, err
	}
	c.flushing = true
	v.flushes++
	c.cut = math.MaxInt64
	f := &frozen{ino: in.ino, base: c.base, size: int64(in.rec.Size), baseSize: int64(in.rec.BaseSize), version: c.version, hardCut: c.hardCut}
	f.pieces, f.gen = c.fresh.Freeze()
	for _, p := range f.pieces {
		if !p.InMemory() {
			v.useJournal(p.Pos, +1)
		}
	}
	return f, nil
}

// thawed ends a freeze. v.mu is held.
func (v *Volume) thawed(in *inode, f *frozen) {
	in.content.flushing = false
	v.flushes--
	for _, p := range f.pieces {
		if !p.InMemory() {
			v.useJournal(p.Pos, -1)
		}
	}
	v.wake.Broadcast()
}

// useJournal keeps the segment of a journal record that is to be read without
// v.mu from being trimmed (+1), or lets it go (−1). v.mu is held.
func (v *Volume) useJournal(pos cache.JournalPos, n int) {
	if v.inUse[pos.Segment] += n; v.inUse[pos.Segment] == 0 {
		delete(v.inUse, pos.Segment)
	}
}

// flush stores the fresh bytes of a file in blocks. What is written meanwhile
// stays fresh.
func (v *Volume) flush(ctx context.Context, ino Ino, kind flushKind) error {
	v.mu.Lock()
	in := v.inodes[ino]
	for in != nil && !v.stopping && (v.holding || in.content != nil && in.content.flushing) {
		v.wake.Wait()
		in = v.inodes[ino]
	}
	if v.stopping {
		v.mu.Unlock()
		return context.Canceled
	}
	if in == nil || in.dead || in.rec.Inlined || in.content == nil || in.content.fresh.Empty() || v.isSpoiled(in) {
		v.mu.Unlock()
		return nil
	}
	f, err := v.freeze(in)
	v.mu.Unlock()
	if err != nil {
		return err
	}
	_, err = v.store(ctx, in, f, kind == flushAll)
	if spoils(err) {
		v.spoil(in, err)
		return nil
	}
	return err
}

// chunk stores a frozen file in blocks and returns its extents, up to where
// they reach, and the next hard cut.
func (v *Volume) chunk(ctx context.Context, f *frozen, final bool) ([]extent, chunked, error) {
	r := &rechunk{
		base: f.base, pieces: f.pieces, size: f.size, final: final, hardCut: f.hardCut,
		put: func(ctx context.Context, p *[]byte) (blockstore.Ref, error) {
			return v.o.Blocks.PutInPlace(ctx, v.sealer, p)
		},
		readAt: func(ctx context.Context, off int64, p []byte) error { return v.readFrozen(ctx, f, off, p) },
		cuts:   v.chunker, buf: <-v.chunkers, bufs: v.buffers,
	}
	defer func() { v.chunkers <- r.buf }()
	exts, limit, err := r.run(ctx, f.baseSize)
	if final && limit == f.size {
		r.hardCut = 0
	}
	return exts, chunked{limit: limit, hardCut: r.hardCut}, err
}

// chunked says how far a file was stored.
type chunked struct{ limit, hardCut int64 }

// store chunks a frozen file and makes the result the file's extents. It
// returns the extents of the whole frozen content if final.
func (v *Volume) store(ctx context.Context, in *inode, f *frozen, final bool) ([]extent, error) {
	exts, got, err := v.chunk(ctx, f, final)
	failpoint.Hit(failpoint.FlushStored)
	v.mu.Lock()
	defer v.mu.Unlock()
	c := in.content
	v.thawed(in, f)
	if err != nil {
		c.failed = fmt.Errorf("store inode %d: %w", f.ino, err)
		return nil, c.failed
	}
	c.failed = nil
	v.recovered()
	if in.dead {
		return exts, nil
	}
	v.install(in, f, exts, got.limit)
	c.hardCut = got.hardCut
	return exts, nil
}

// install replaces a file's extents by what a flush made of f. v.mu is held.
func (v *Volume) install(in *inode, f *frozen, exts []extent, limit int64) {
	c := in.content
	held := c.allocated()
	lo, hi := differ(f.base, exts)
	if c.cut < f.size {
		exts = clip(exts, c.cut)
		lo, hi = min(lo, max(0, c.cut-maxChunk)), math.MaxInt64
	}
	c.base = exts
	c.edit(lo, hi)
	c.freshEdit = true
	c.lastFlush = time.Now()
	c.fresh.Thaw(f.gen, limit)
	in.rec.BaseSize = uint64(min(limit, c.cut))
	c.cut = math.MaxInt64
	v.change(in)
	v.namesBlocks = true
	if c.fresh.Empty() {
		delete(v.fresh, in.ino)
	}
	if c.allocated() != held && v.o.Changed != nil {
		v.o.Changed(in.ino) // zeros that were written have become holes
	}
}

// differ returns a range outside of which a and b have the same extents.
func differ(a, b []extent) (int64, int64) {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	j := 0
	for j < len(a)-i && j < len(b)-i && a[len(a)-1-j] == b[len(b)-1-j] {
		j++
	}
	lo, hi := int64(math.MaxInt64), int64(0)
	for _, rest := range [][]extent{a[i : len(a)-j], b[i : len(b)-j]} {
		if len(rest) > 0 {
			lo, hi = min(lo, rest[0].Off), max(hi, rest[len(rest)-1].Off+1)
		}
	}
	if lo > hi {
		return 0, 0
	}
	return lo, hi
}

// readFrozen fills p from off of a frozen file; it must lie below its size.
func (v *Volume) readFrozen(ctx context.Context, f *frozen, off int64, p []byte) error {
	return cache.Overlaps(f.pieces, off, off+int64(len(p)), func(from, to int64, q *cache.Piece) error {
		dst := p[from-off : to-off]
		switch {
		case q == nil:
			return v.readExtents(ctx, f.base, from, dst)
		case q.Zero:
			clear(dst)
			return nil
		case q.InMemory():
			copy(dst, q.Bytes()[from-q.Off:])
			return nil
		}
		pos := q.Pos
		pos.Skip += uint32(from - q.Off)
		return v.journal.Read(pos, dst)
	})
}

// readExtents fills p from off of what extents hold; holes read as zeros.
func (v *Volume) readExtents(ctx context.Context, exts []extent, off int64, p []byte) error {
	end := off + int64(len(p))
	for i := searchExtent(exts, off); i < len(exts) && exts[i].Off < end; i++ {
		e := exts[i]
		from, to := max(off, e.Off), min(end, e.end())
		clear(p[:from-off])
		if err := v.o.Blocks.Read(ctx, v.sealer, e.Ref, int(from-e.Off), p[from-off:to-off], false); err != nil {
			return err
		}
		p, off = p[to-off:], to
	}
	clear(p)
	return nil
}

// flushEverything stores all fresh bytes there are when it is called.
func (v *Volume) flushEverything(ctx context.Context, progress func(done, total int64)) error {
	v.mu.Lock()
	inos := make([]Ino, 0, len(v.fresh))
	for ino := range v.fresh {
		inos = append(inos, ino)
	}
	v.mu.Unlock()
	slices.Sort(inos)
	var told sync.Mutex // progress is not called twice at a time
	done := int64(0)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(cap(v.chunkers))
	for _, ino := range inos {
		g.Go(func() error {
			err := v.flush(ctx, ino, flushAll)
			told.Lock()
			defer told.Unlock()
			if done++; err == nil && progress != nil {
				progress(done, int64(len(inos)))
			}
			return err
		})
	}
	return g.Wait()
}
