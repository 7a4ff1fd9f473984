package fsnode

import (
	"context"
	"fmt"
	"syscall"

	"pifs/blockstore"
	"pifs/cache"
)

const (
	maxChunk  = blockstore.MaxChunk
	aheadMax  = 8 << 20 // read-ahead reaches this far beyond a sequential reader
	aheadStep = 2 << 20
)

// fetch is a part of a read that memory could not answer.
type fetch struct {
	dst  []byte
	ref  blockstore.Ref // bytes skip… of this chunk
	skip int
	lone bool             // nobody is expected to ask for its neighbours
	pos  cache.JournalPos // or of this journal record, if Ref is zero
}

// Read fills p from offset off of a file and returns how many bytes there
// were. Every byte was verified. With wait false it returns ErrWouldBlock when
// memory does not have them all.
func (v *Volume) Read(ctx context.Context, ino Ino, off int64, p []byte, wait bool) (int, error) {
	if ino >= VirtualIno {
		if !wait {
			return 0, ErrWouldBlock
		}
		return v.views.read(ctx, ino, off, p)
	}
	v.lock()
	in, err := v.inode(ino)
	if err != nil {
		v.mu.Unlock()
		return 0, err
	}
	if !in.rec.isFile() {
		v.mu.Unlock()
		return 0, syscall.EISDIR
	}
	n, todo, err := v.plan(in, off, p, wait)
	if err == nil {
		v.relatime(in)
	}
	if len(todo) > 0 {
		in.content.users++
		v.useRecords(todo, +1)
	}
	v.mu.Unlock()
	if err != nil || len(todo) == 0 {
		return n, err
	}
	err = v.fetchAll(ctx, todo)
	v.lock()
	in.content.users--
	v.useRecords(todo, -1)
	v.mu.Unlock()
	if err != nil {
		return 0, fmt.Errorf("read inode %d at %d: %w", ino, off, err)
	}
	return n, nil
}

// Lend is Read without a copy and without waiting, of bytes that memory has in a
// row; ok is false for all others. The bytes must not be changed, and are the
// caller's until it calls giveBack.
func (v *Volume) Lend(ino Ino, off int64, n int) (b []byte, giveBack func(), ok bool) {
	if ino >= VirtualIno {
		return nil, nil, false
	}
	v.lock()
	defer v.mu.Unlock()
	in, err := v.inode(ino)
	if err != nil || !in.rec.isFile() || in.rec.Inlined || off < 0 || off >= int64(in.rec.Size) {
		return nil, nil, false
	}
	c, err := v.contentOf(in)
	if err != nil {
		return nil, nil, false
	}
	end := min(off+int64(n), int64(in.rec.Size))
	i := searchExtent(c.base, off)
	if i == len(c.base) || c.base[i].Off > off || c.base[i].end() < end || isFresh(c, off, end) {
		return nil, nil, false
	}
	l, ok := v.o.Blocks.TryLend(c.base[i].Ref, int(off-c.base[i].Off), int(end-off))
	if !ok {
		return nil, nil, false
	}
	v.readAhead(c, off, end)
	v.relatime(in)
	return l.Bytes, l.Return, true
}

// isFresh reports whether anything between off and end is not stored.
func isFresh(c *content, off, end int64) bool {
	fresh := false
	cache.Overlaps(c.fresh.Pieces(), off, end, func(_, _ int64, p *cache.Piece) error {
		fresh = fresh || p != nil
		return nil
	})
	return fresh
}

// useRecords is useJournal for what a read wants. v.mu is held.
func (v *Volume) useRecords(todo []fetch, n int) {
	for _, f := range todo {
		if f.ref.IsZero() {
			v.useJournal(f.pos, n)
		}
	}
}

// plan copies what memory has of [off, off+len(p)) and lists the rest. v.mu is
// held.
func (v *Volume) plan(in *inode, off int64, p []byte, wait bool) (int, []fetch, error) {
	size := int64(in.rec.Size)
	if off < 0 || off >= size {
		return 0, nil, nil
	}
	p = p[:min(int64(len(p)), size-off)]
	if in.rec.Inlined {
		return copy(p, in.rec.Inline[off:]), nil, nil
	}
	c, err := v.contentOf(in)
	if err != nil {
		return 0, nil, err
	}
	var todo []fetch
	err = cache.Overlaps(c.fresh.Pieces(), off, off+int64(len(p)), func(from, to int64, q *cache.Piece) error {
		dst := p[from-off : to-off]
		switch {
		case q == nil:
			return v.planBase(c, from, dst, &todo, wait)
		case q.Zero:
			clear(dst)
		case q.InMemory():
			copy(dst, q.Bytes()[from-q.Off:])
		case !wait:
			return ErrWouldBlock
		default:
			pos := q.Pos
			pos.Skip += uint32(from - q.Off)
			todo = append(todo, fetch{dst: dst, pos: pos})
		}
		return nil
	})
	if err != nil {
		return 0, nil, err
	}
	v.readAhead(c, off, off+int64(len(p)))
	return len(p), todo, nil
}

// planBase answers dst at off from the extents.
func (v *Volume) planBase(c *content, off int64, dst []byte, todo *[]fetch, wait bool) error {
	end := off + int64(len(dst))
	for i := searchExtent(c.base, off); off < end; i++ {
		if i == len(c.base) || c.base[i].Off >= end {
			clear(dst)
			return nil
		}
		e := c.base[i]
		if e.Off > off {
			clear(dst[:e.Off-off])
			dst = dst[e.Off-off:]
			off = e.Off
		}
		n := min(e.end(), end) - off
		if v.o.Blocks.TryRead(e.Ref, int(off-e.Off), dst[:n]) {
			// copied
		} else if !wait {
			return ErrWouldBlock
		} else {
			*todo = append(*todo, fetch{dst: dst[:n], ref: e.Ref, skip: int(off - e.Off), lone: c.jumps(off)})
		}
		dst, off = dst[n:], off+n
	}
	return nil
}

// jumps reports whether a read at off has nothing to do with those before. Those
// of one reader may overtake each other by as far as the kernel reads ahead.
func (c *content) jumps(off int64) bool {
	return off < c.seqEnd-aheadStep || off > c.seqEnd+aheadStep
}

// readAhead asks for the chunks that a sequential reader wants next.
func (v *Volume) readAhead(c *content, off, end int64) {
	sequential := off == c.seqEnd
	c.seqEnd = end
	if !sequential {
		c.ahead = end
		return
	}
	if c.ahead-end > aheadMax-aheadStep {
		return
	}
	from, to := max(c.ahead, end), end+aheadMax
	var refs []blockstore.Ref
	for i := searchExtent(c.base, from); i < len(c.base) && c.base[i].Off < to; i++ {
		refs = append(refs, c.base[i].Ref)
	}
	c.ahead = to
	if len(refs) > 0 {
		v.o.Blocks.Prefetch(v.sealer, refs...)
	}
}

// fetchAll fills the parts that need a disk or a node.
func (v *Volume) fetchAll(ctx context.Context, todo []fetch) error {
	for _, f := range todo {
		if f.ref.IsZero() {
			if err := v.journal.Read(f.pos, f.dst); err != nil {
				return err
			}
			continue
		}
		if err := v.o.Blocks.Read(ctx, v.sealer, f.ref, f.skip, f.dst, f.lone); err != nil {
			return err
		}
	}
	return nil
}

// Accessed notes that ino is about to be read, and reports whether that moved
// its atime.
func (v *Volume) Accessed(ino Ino) bool {
	if ino >= VirtualIno {
		return false
	}
	v.lock()
	defer v.mu.Unlock()
	in, err := v.inode(ino)
	return err == nil && v.relatime(in)
}

// relatime updates atime as the mount option relatime does: when it is not
// newer than mtime and ctime, or older than a day. v.mu is held.
func (v *Volume) relatime(in *inode) bool {
	if v.o.ReadOnly {
		return false
	}
	r := &in.rec
	t := now()
	if r.Atime.After(r.Mtime) && r.Atime.After(r.Ctime) && t.Sec-r.Atime.Sec < 86400 {
		return false
	}
	r.Atime = t
	v.change(in)
	if v.log.mem != nil && v.log.mem.Room() >= logMargin {
		v.logged(context.Background(), op{Kind: opAtime, At: t, Ino: in.ino}, nil)
	}
	return true
}
