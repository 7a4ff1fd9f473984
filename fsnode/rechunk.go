package fsnode

import (
	"context"
	"fmt"
	"io"
	"slices"

	"golang.org/x/sync/errgroup"

	"pifs/blockstore"
	"pifs/cache"
)

// zeroBlock is the grain of holes: an aligned run of this many bytes that are
// all zero is a hole in the canonical form, whether it was written or not. The
// bytes between holes are chunked, each run from its own beginning.
const zeroBlock = blockstore.MinChunk

// chunkRoom is the size of the buffers in which chunks are cut and sealed.
const chunkRoom = blockstore.MaxChunk + 64

// rechunk turns a file's content into its canonical extents. It reads and
// chunks only around what changed: a cut depends on the bytes since the
// previous cut alone, so from the first old cut that a new cut meets again
// after the last change, the old extents are what chunking from the beginning
// would give.
type rechunk struct {
	base   []extent      // canonical but for stale ones, for a file of baseSize bytes
	pieces []cache.Piece // fresh bytes over it
	size   int64
	final  bool // false: the file is still growing, leave its last chunk fresh

	readAt func(ctx context.Context, off int64, p []byte) error             // of base and pieces together
	put    func(ctx context.Context, plain *[]byte) (blockstore.Ref, error) // may take the memory
	cuts   *blockstore.Chunker
	buf    []byte      // what is read and not cut yet
	bufs   chan []byte // for chunks that are being put: as many as may be at a time

	hardCut int64 // a cut that no change beyond it can move, or 0

	ctx   context.Context
	group *errgroup.Group
	out   []*extent
}

// span is a range of bytes of a file.
type span struct{ off, end int64 }

// run returns the new extents and up to where pieces are in them.
func (r *rechunk) run(ctx context.Context, baseSize int64) ([]extent, int64, error) {
	r.group, r.ctx = errgroup.WithContext(ctx)
	pos, limit, err := int64(0), r.size, error(nil)
	for _, s := range r.changes(baseSize) {
		if s.end <= pos {
			continue
		}
		start := max(pos, r.startOf(s.off))
		r.keep(pos, start)
		if pos, err = r.resync(start, s.end); err != nil {
			break
		}
		if pos < 0 {
			pos = -pos - 1
			limit = pos
			break
		}
	}
	if e := r.group.Wait(); err == nil || e != nil {
		err = e
	}
	if err != nil {
		return nil, 0, err
	}
	r.keep(pos, limit)
	exts, end := make([]extent, len(r.out)), int64(0)
	for i, e := range r.out {
		if e.Off < end || e.end() > limit {
			// The bytes stay fresh, and nothing wrong replaces what is stored.
			return nil, 0, fmt.Errorf("extent at %d reaches into another or beyond %d: %w", e.Off, limit, blockstore.ErrCorrupt)
		}
		exts[i], end = *e, e.end()
	}
	return exts, limit, nil
}

// changes returns the ranges whose chunks may differ from base, in order.
func (r *rechunk) changes(baseSize int64) []span {
	var out []span
	for _, p := range r.pieces {
		if p.Off < r.size {
			out = append(out, span{p.Off, min(p.Off+p.Len, r.size)})
		}
	}
	for _, e := range r.base {
		if e.stale() {
			out = append(out, span{e.Off, e.end()})
		}
	}
	if r.size > baseSize && baseSize%zeroBlock != 0 {
		out = append(out, span{baseSize, min(r.size, ceilBlock(baseSize))})
	}
	slices.SortFunc(out, func(a, b span) int { return int(min(1, max(-1, a.off-b.off))) })
	return out
}

func floorBlock(n int64) int64 { return n - n%zeroBlock }

// ceilBlock rounds up, saturating at the largest file size.
func ceilBlock(n int64) int64 {
	if n > maxFile-zeroBlock {
		return maxFile
	}
	return floorBlock(n + zeroBlock - 1)
}

// startOf returns the old cut at which chunking must begin again when the byte
// at off changed.
func (r *rechunk) startOf(off int64) int64 {
	if off == r.hardCut {
		return off
	}
	s := floorBlock(off)
	if i := searchExtent(r.base, s-1); s > 0 && i < len(r.base) && r.base[i].Off < s {
		return r.base[i].Off
	}
	return s
}

// keep takes over the old extents that lie in [from, to). Where a file is still
// growing, from is no old cut: the one that it cuts is fresh from there on.
func (r *rechunk) keep(from, to int64) {
	for i := searchExtent(r.base, from); i < len(r.base) && r.base[i].Off < to; i++ {
		if e := r.base[i]; e.Off >= from {
			r.out = append(r.out, &e)
		}
	}
}

// resync chunks from start until a cut at or beyond end meets an old one, and
// returns that cut. When the file is still growing and its last chunk is
// reached, it returns −1 − that chunk's offset.
func (r *rechunk) resync(start, end int64) (int64, error) {
	pos := start
	for pos < r.size {
		zero, err := r.zeroAt(pos)
		if err != nil {
			return 0, err
		}
		if zero {
			pos = min(r.size, ceilBlock(pos+1))
			if pos >= end && r.oldCut(pos) {
				return pos, nil
			}
			continue
		}
		next, done, err := r.segment(pos, end)
		if err != nil || done {
			return next, err
		}
		pos = next
	}
	return r.size, nil
}

// segment chunks a run of data from pos to the next hole. done says that
// chunking is over, at the position that resync must return.
func (r *rechunk) segment(pos, end int64) (next int64, done bool, err error) {
	src := &segmentReader{r: r, pos: pos}
	r.buf = r.buf[:0]
	for {
		n, err := r.fill(src)
		if err != nil {
			return 0, true, err
		}
		if n == 0 {
			return pos, false, nil
		}
		cut := pos + int64(n)
		if !r.final && cut == r.size && r.allFresh(pos) {
			return -1 - pos, true, nil
		}
		if tail := int64(n) - cut%zeroBlock; cut < r.size && tail > 0 && !allZero(r.buf[tail:n]) {
			r.hardCut = cut // its block is no hole, whatever follows
		}
		if err := r.emit(pos, n); err != nil {
			return 0, true, err
		}
		pos = cut
		if pos >= end && pos < r.size && r.oldCut(pos) {
			return pos, true, nil
		}
	}
}

// fill reads until a chunk stands at the beginning of buf, and returns its
// length: 0 at the end of src.
func (r *rechunk) fill(src *segmentReader) (int, error) {
	if cap(r.buf) < chunkRoom {
		r.buf = append(make([]byte, 0, chunkRoom), r.buf...)
	}
	for seen := 0; ; {
		if n := r.cuts.Cut(r.buf, seen); n > 0 {
			return n, nil
		}
		seen = len(r.buf)
		n, err := src.Read(r.buf[seen:blockstore.MaxChunk])
		r.buf = r.buf[:seen+n]
		if err == io.EOF { // nothing wrapped: a journal that was cut short is no end of the file
			return len(r.buf), nil
		}
		if err != nil {
			return 0, err
		}
	}
}

// allFresh reports whether pieces hold all bytes from pos on.
func (r *rechunk) allFresh(pos int64) bool {
	all := true
	cache.Overlaps(r.pieces, pos, r.size, func(_, _ int64, p *cache.Piece) error {
		all = all && p != nil
		return nil
	})
	return all
}

// emit stores the first n bytes of buf as the chunk at off, in the background
// and in their place; what follows them moves to another buffer. The extent is
// filled in then.
func (r *rechunk) emit(off int64, n int) error {
	select {
	case <-r.ctx.Done():
		return context.Cause(r.ctx)
	case next := <-r.bufs:
		if cap(next) < chunkRoom {
			next = make([]byte, 0, chunkRoom)
		}
		next = append(next[:0], r.buf[n:]...)
		chunk := r.buf[:n]
		r.buf = next
		e := &extent{Off: off, Len: int64(n)}
		r.out = append(r.out, e)
		r.group.Go(func() error {
			ref, err := r.put(r.ctx, &chunk)
			r.bufs <- chunk
			e.Ref = ref
			return err
		})
		return nil
	}
}

// oldCut reports whether chunking base from its beginning passes a cut, or the
// inside of a hole, at pos.
func (r *rechunk) oldCut(pos int64) bool {
	i := searchExtent(r.base, pos)
	if i < len(r.base) && r.base[i].Off <= pos {
		return r.base[i].Off == pos
	}
	return pos%zeroBlock == 0 && pos < r.size
}

// zeroAt reports whether a hole begins at pos: an aligned block of zeros.
func (r *rechunk) zeroAt(pos int64) (bool, error) {
	if pos%zeroBlock != 0 {
		return false, nil
	}
	end := min(r.size, ceilBlock(pos+1))
	bytes, old := false, false
	err := cache.Overlaps(r.pieces, pos, end, func(off, to int64, p *cache.Piece) error {
		bytes = bytes || p != nil
		i := searchExtent(r.base, off)
		old = old || p == nil && i < len(r.base) && r.base[i].Off < to
		return nil
	})
	if err != nil || !bytes && !old {
		return err == nil, err
	}
	buf := make([]byte, min(4096, end-pos))
	for pos < end {
		buf = buf[:min(int64(len(buf)), end-pos)]
		if err := r.readAt(r.ctx, pos, buf); err != nil || !allZero(buf) {
			return false, err
		}
		pos += int64(len(buf))
	}
	return true, nil
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// segmentReader reads a file from pos to the next hole.
type segmentReader struct {
	r     *rechunk
	pos   int64
	begun bool
}

func (s *segmentReader) Read(p []byte) (int, error) {
	if s.pos >= s.r.size {
		return 0, io.EOF
	}
	if s.pos%zeroBlock == 0 && s.begun {
		zero, err := s.r.zeroAt(s.pos)
		if err != nil {
			return 0, err
		}
		if zero {
			return 0, io.EOF
		}
	}
	s.begun = true
	n := min(int64(len(p)), min(s.r.size, ceilBlock(s.pos+1))-s.pos)
	if err := s.r.readAt(s.r.ctx, s.pos, p[:n]); err != nil {
		return 0, fmt.Errorf("read for chunking: %w", err)
	}
	s.pos += n
	return int(n), nil
}
