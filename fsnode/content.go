package fsnode

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"syscall"
	"time"

	"pifs/cache"
)

// content is what a regular file consists of beyond its record: extents, and
// fresh bytes over them. All fields are guarded by Volume.mu; base is replaced
// when it changes, never changed in place.
type content struct {
	base  []extent // sorted; what they leave out is a hole
	fresh *cache.Fresh
	tally tally // of what the last save began to write

	edited    bool // extents in [editLo, editHi) changed since the last save began
	editLo    int64
	editHi    int64
	freshEdit bool         // the fresh pieces changed since the last save began
	saved     *savedPieces // of the inode, whatever content it has had

	flushing  bool
	cut       int64 // smallest size since the flush began
	hardCut   int64 // where the next flush of a growing file may begin, or 0
	lastFlush time.Time
	failed    error  // of the last flush: it did not store all; nil once one does
	version   uint64 // counts changes of the bytes

	users  int   // reads and flushes under way
	seqEnd int64 // where the last read ended, for read-ahead
	ahead  int64 // read-ahead was asked up to here
}

// contentOf returns the content of a regular file, loading it. A file of one
// chunk needs no row but its record. v.mu is held.
func (v *Volume) contentOf(in *inode) (*content, error) {
	if in.content != nil {
		return in.content, nil
	}
	e, ok := in.rec.onlyExtent()
	if !ok {
		return v.loadContent(in)
	}
	c := &content{fresh: cache.NewFresh(v.budget), cut: math.MaxInt64, base: []extent{e}, saved: new(savedPieces)}
	c.tally = tallyOf(c.base, nil)
	in.content = c
	v.weigh(in)
	return c, nil
}

// onlyExtent returns the extent of a file that is a single chunk, as its root
// says. It is for files whose content is not in memory: those have no fresh
// bytes, because what a crash left of those is loaded before anything else.
func (r *record) onlyExtent() (extent, bool) {
	f := r.File
	if f == nil || f.Height > 0 || f.Ref.IsZero() || uint64(f.Ref.Size) != r.Size {
		return extent{}, false
	}
	return extent{Len: int64(r.Size), Ref: f.Ref}, true
}

// loadContent reads the content of a regular file from its rows. v.mu is held.
func (v *Volume) loadContent(in *inode) (*content, error) {
	c := &content{fresh: cache.NewFresh(v.budget), cut: math.MaxInt64, saved: new(savedPieces)}
	var err error
	c.base, err = v.db.extents(in.ino)
	c.tally = tallyOf(c.base, nil)
	if err == nil {
		err = v.db.each(qFresh, func(off int64, sealed []byte) error {
			var p freshRow
			if err := v.db.open('f', in.ino, uint64(off), sealed, &p); err != nil {
				return err
			}
			c.tally.piece(off, p.Len, p.Zero)
			c.fresh.Adopt(off, p.Len, p.Zero, p.Pos)
			*c.saved = append(*c.saved, savedPiece{off, p})
			return nil
		}, int64(in.ino))
	}
	if err == nil {
		err = v.db.tallied(in.ino, c.tally, v.tallied && !in.rec.Inlined && in.gen <= v.saved)
	}
	if err != nil {
		return nil, fmt.Errorf("load content of inode %d: %w", in.ino, err)
	}
	in.content = c
	v.weigh(in)
	if !c.fresh.Empty() {
		v.fresh[in.ino] = struct{}{} // its journal records are in use from here on
	}
	return c, nil
}

// allocated returns the bytes of a file that are not holes. v.mu is held.
func (v *Volume) allocated(in *inode) uint64 {
	if in.rec.Inlined {
		return uint64(len(in.rec.Inline)+4095) &^ 4095
	}
	if e, ok := in.rec.onlyExtent(); ok && in.content == nil {
		return uint64(e.Len)
	}
	c, err := v.contentOf(in)
	if err != nil {
		return in.rec.Size
	}
	return uint64(c.allocated())
}

func (c *content) allocated() int64 {
	total := int64(0)
	for _, e := range c.base {
		total += e.Len
	}
	for _, p := range c.fresh.Pieces() {
		covered := c.covered(p.Off, p.Off+p.Len)
		if p.Zero {
			total -= covered
		} else {
			total += p.Len - covered
		}
	}
	return total
}

// covered returns how many bytes of [off, end) extents hold.
func (c *content) covered(off, end int64) int64 {
	n := int64(0)
	for i := searchExtent(c.base, off); i < len(c.base) && c.base[i].Off < end; i++ {
		n += min(end, c.base[i].end()) - max(off, c.base[i].Off)
	}
	return n
}

// searchExtent returns the index of the first extent that ends after off.
func searchExtent(exts []extent, off int64) int {
	return sort.Search(len(exts), func(i int) bool { return exts[i].end() > off })
}

// edit notes that the extents in [lo, hi) changed.
func (c *content) edit(lo, hi int64) {
	if !c.edited {
		c.edited, c.editLo, c.editHi = true, lo, hi
		return
	}
	c.editLo, c.editHi = min(c.editLo, lo), max(c.editHi, hi)
}

// clip returns exts without what lies at size or beyond. The extent that is
// cut becomes stale, as does one that ends there with a cut that the new end
// of the file may move.
func clip(exts []extent, size int64) []extent {
	i := searchExtent(exts, size)
	out := slices.Clone(exts[:i])
	if i < len(exts) && exts[i].Off < size {
		e := exts[i]
		e.Len = size - e.Off
		out = append(out, e)
	}
	if n := len(out); n > 0 && size%zeroBlock != 0 && out[n-1].end() > size-size%zeroBlock {
		out[n-1].Stale = true
	}
	return out
}

// fileBytes is what a file adds to the volume's logical bytes.
func fileBytes(in *inode) uint64 {
	if in.rec.isFile() {
		return in.rec.Size
	}
	return 0
}

// setSize sets the recorded size. v.mu is held.
func (v *Volume) setSize(in *inode, size uint64) {
	if in.rec.Nlink > 0 {
		v.count.Bytes += size - in.rec.Size
	}
	in.rec.Size = size
}

// truncate makes a file size bytes long. v.mu is held.
func (v *Volume) truncate(in *inode, size uint64) error {
	switch {
	case in.rec.isDir():
		return syscall.EISDIR
	case !in.rec.isFile():
		return syscall.EINVAL
	case size > maxFile:
		return syscall.EFBIG
	}
	if in.rec.Inlined && size <= InlineMax {
		v.resizeInline(in, int(size))
		return nil
	}
	c, err := v.outOfLine(in)
	if err != nil {
		return err
	}
	in.bytesChanged()
	if old := in.rec.Size; size < old {
		v.o.Space.Freed()
		c.fresh.Truncate(int64(size))
		c.base = clip(c.base, int64(size))
		c.edit(max(0, int64(size)-maxChunk), math.MaxInt64)
		c.cut = min(c.cut, int64(size))
		c.hardCut = 0
		in.rec.BaseSize = min(in.rec.BaseSize, size)
	}
	v.setSize(in, size)
	if size == 0 && !c.flushing {
		c.fresh.Release()
		in.rec.Inlined, in.rec.Inline, in.rec.BaseSize = true, nil, 0
	}
	v.freshChanged(in)
	return nil
}

func (v *Volume) resizeInline(in *inode, size int) {
	b := make([]byte, size)
	copy(b, in.rec.Inline)
	in.rec.Inline = b
	v.setSize(in, uint64(size))
}

// outOfLine returns the content of a file that can not stay inlined: what was
// inlined becomes a fresh piece. v.mu is held.
func (v *Volume) outOfLine(in *inode) (*content, error) {
	c, err := v.contentOf(in)
	if err != nil {
		return nil, err
	}
	if in.rec.Inlined {
		if len(in.rec.Inline) > 0 {
			c.fresh.Write(0, in.rec.Inline)
		}
		in.rec.Inlined, in.rec.Inline = false, nil
		in.rec.BaseSize = 0
		in.bytesChanged()
	}
	return c, nil
}

// bytesChanged notes that a file's content is not what its root says.
func (in *inode) bytesChanged() {
	in.content.version++
	in.content.freshEdit = true
	in.rec.File = nil
}

// freshChanged keeps the set of files with fresh bytes and marks the file for
// saving and committing.
func (v *Volume) freshChanged(in *inode) {
	if c := in.content; c != nil {
		if c.fresh.Empty() {
			delete(v.fresh, in.ino)
		} else {
			v.fresh[in.ino] = struct{}{}
		}
	}
	v.touchInode(in)
}
