package cache

import (
	"slices"
	"sort"
	"sync/atomic"
)

// The buffer of a piece grows up to minFreshBuf as writes extend it; a piece that
// goes on from another one gets room for twice as much as that has, up to
// maxFreshBuf. Only what was written in a row may get more memory than it takes:
// scattered writes would get many times that.
const (
	minFreshBuf = 4 << 10
	maxFreshBuf = 1 << 20
)

// Budget counts the fresh bytes that are held in memory, over many files. The
// zero value is one of its own.
type Budget struct {
	used atomic.Int64
	up   *Budget // counts them as well; may be nil
}

// NewBudget returns a part of up.
func NewBudget(up *Budget) *Budget { return &Budget{up: up} }

// Leave takes what is counted out of the budget that this one is a part of,
// when its files are given up.
func (b *Budget) Leave() {
	if b.up != nil {
		b.up.add(-b.used.Load())
		b.up = nil
	}
}

func (b *Budget) add(n int64) {
	b.used.Add(n)
	if b.up != nil {
		b.up.add(n)
	}
}

// Used returns the bytes held now.
func (b *Budget) Used() int64 { return b.used.Load() }

// Piece is a run of fresh bytes of one file.
type Piece struct {
	Off, Len int64
	Zero     bool       // the run is zeros and has no bytes of its own
	Pos      JournalPos // where the bytes stand in the journal, if they do
	buf      []byte     // the bytes, or nil if only the journal has them
	gen      uint64     // generation it was written in
}

// InMemory reports whether the piece can be read without the journal.
func (p Piece) InMemory() bool { return p.Zero || p.buf != nil }

// Bytes returns the piece's bytes in memory; the caller must not change them.
func (p Piece) Bytes() []byte { return p.buf }

func (p Piece) end() int64 { return p.Off + p.Len }

// cut returns the part of p in [from, to), which must lie inside it.
func (p Piece) cut(from, to int64) Piece {
	skip := from - p.Off
	q := Piece{Off: from, Len: to - from, Zero: p.Zero, gen: p.gen, Pos: p.Pos}
	if p.Pos.Segment != 0 {
		q.Pos.Skip += uint32(skip)
	}
	if p.buf != nil {
		q.buf = p.buf[skip : skip+q.Len : skip+q.Len]
	}
	return q
}

// Fresh is what was written to one file and is not stored yet: sorted pieces
// that do not overlap, standing over the file's stored content. It is not
// safe for concurrent use; a frozen snapshot may be read while it changes.
type Fresh struct {
	pieces []Piece
	gen    uint64
	bytes  int64
	budget *Budget
}

// NewFresh returns an empty layer whose memory is counted in budget.
func NewFresh(budget *Budget) *Fresh { return &Fresh{gen: 1, budget: budget} }

// Bytes returns the bytes held in memory.
func (f *Fresh) Bytes() int64 { return f.bytes }

// Empty reports whether nothing is fresh.
func (f *Fresh) Empty() bool { return len(f.pieces) == 0 }

// End returns the offset after the last piece, or 0.
func (f *Fresh) End() int64 {
	if len(f.pieces) == 0 {
		return 0
	}
	return f.pieces[len(f.pieces)-1].end()
}

// Pieces returns the pieces in order; the slice is the caller's to read only.
func (f *Fresh) Pieces() []Piece { return f.pieces }

// Write places p at off, over whatever was there.
func (f *Fresh) Write(off int64, p []byte) {
	i := f.search(off)
	if i < len(f.pieces) && f.overwrite(&f.pieces[i], off, p) {
		return
	}
	i = f.carve(off, off+int64(len(p)))
	room := len(p)
	if i > 0 && f.pieces[i-1].end() == off {
		if f.extend(&f.pieces[i-1], p) {
			return
		}
		room = max(room, min(2*len(f.pieces[i-1].buf), maxFreshBuf))
	}
	buf := make([]byte, len(p), room)
	copy(buf, p)
	f.insert(i, Piece{Off: off, Len: int64(len(p)), buf: buf, gen: f.gen})
}

// Zero makes [off, off+n) read as zeros.
func (f *Fresh) Zero(off, n int64) {
	i := f.carve(off, off+n)
	f.insert(i, Piece{Off: off, Len: n, Zero: true, gen: f.gen})
}

// Truncate drops what lies at size or beyond.
func (f *Fresh) Truncate(size int64) {
	if end := f.End(); end > size {
		f.carve(size, end)
	}
}

// Adopt adds a piece that is known from the journal only.
func (f *Fresh) Adopt(off, n int64, zero bool, pos JournalPos) {
	i := f.carve(off, off+n)
	f.insert(i, Piece{Off: off, Len: n, Zero: zero, Pos: pos, gen: f.gen})
}

// Freeze returns the pieces as they are now and the generation that Thaw takes
// once they are stored. Later writes go to new pieces.
func (f *Fresh) Freeze() ([]Piece, uint64) {
	g := f.gen
	f.gen++
	return slices.Clone(f.pieces), g
}

// Thaw drops the pieces of generation gen or older that lie below limit.
func (f *Fresh) Thaw(gen uint64, limit int64) {
	kept := f.pieces[:0]
	for _, p := range f.pieces {
		switch {
		case p.gen > gen || p.Off >= limit:
			kept = append(kept, p)
		case p.end() <= limit:
			f.account(-int64(len(p.buf)))
		default:
			rest := p.cut(limit, p.end())
			f.account(int64(len(rest.buf) - len(p.buf)))
			kept = append(kept, rest)
		}
	}
	clear(f.pieces[len(kept):])
	f.pieces = kept
}

// Journaled records that the piece at off of generation gen stands at pos, if
// it is still as it was frozen; drop frees its memory.
func (f *Fresh) Journaled(was Piece, pos JournalPos, drop bool) {
	i := f.search(was.Off)
	if i == len(f.pieces) {
		return
	}
	p := &f.pieces[i]
	if p.Off != was.Off || p.Len != was.Len || p.gen != was.gen || p.Zero {
		return
	}
	p.Pos = pos
	if drop {
		f.account(-int64(len(p.buf)))
		p.buf = nil
	}
}

// Release forgets everything, giving the memory back.
func (f *Fresh) Release() {
	f.account(-f.bytes)
	f.pieces = nil
}

// overwrite writes in place when p covers the whole range and is not frozen.
func (f *Fresh) overwrite(p *Piece, off int64, b []byte) bool {
	if p.buf == nil || p.gen != f.gen || p.Pos.Segment != 0 || off < p.Off || off+int64(len(b)) > p.end() {
		return false
	}
	copy(p.buf[off-p.Off:], b)
	return true
}

// extend appends b, which follows p, to p's buffer if there is room or that is
// small, and p is not frozen.
func (f *Fresh) extend(p *Piece, b []byte) bool {
	if p.buf == nil || p.gen != f.gen || p.Pos.Segment != 0 || max(cap(p.buf), minFreshBuf)-len(p.buf) < len(b) {
		return false
	}
	p.buf = append(p.buf, b...)
	p.Len += int64(len(b))
	f.account(int64(len(b)))
	return true
}

// search returns the index of the first piece that ends after off.
func (f *Fresh) search(off int64) int {
	return sort.Search(len(f.pieces), func(i int) bool { return f.pieces[i].end() > off })
}

// carve empties [from, to) and returns the index where a piece for it belongs.
func (f *Fresh) carve(from, to int64) int {
	i := f.search(from)
	j := i
	var keep []Piece
	for j < len(f.pieces) && f.pieces[j].Off < to {
		p := f.pieces[j]
		f.account(-int64(len(p.buf)))
		if p.Off < from {
			keep = append(keep, p.cut(p.Off, from))
		}
		if p.end() > to {
			keep = append(keep, p.cut(to, p.end()))
		}
		j++
	}
	if i == j {
		return i
	}
	for _, p := range keep {
		f.account(int64(len(p.buf)))
	}
	f.pieces = slices.Replace(f.pieces, i, j, keep...)
	if len(keep) > 0 && keep[0].Off < from {
		i++
	}
	return i
}

func (f *Fresh) insert(i int, p Piece) {
	f.pieces = slices.Insert(f.pieces, i, p)
	f.account(int64(len(p.buf)))
}

func (f *Fresh) account(n int64) {
	f.bytes += n
	if f.budget != nil {
		f.budget.add(n)
	}
}

// Overlaps calls fn for every part of [off, end) in order: with the piece that
// holds it, or with nil where nothing is fresh.
func Overlaps(pieces []Piece, off, end int64, fn func(off, end int64, p *Piece) error) error {
	i := sort.Search(len(pieces), func(i int) bool { return pieces[i].end() > off })
	for off < end {
		if i == len(pieces) || pieces[i].Off >= end {
			return fn(off, end, nil)
		}
		p := &pieces[i]
		if p.Off > off {
			if err := fn(off, p.Off, nil); err != nil {
				return err
			}
			off = p.Off
		}
		to := min(end, p.end())
		if err := fn(off, to, p); err != nil {
			return err
		}
		off = to
		i++
	}
	return nil
}
