package fsnode

import (
	"context"
	"errors"
	"syscall"

	"pifs/cache"
)

// errFound ends a walk over the parts of a file.
var errFound = errors.New("found")

// Seek returns where the first data at or after off of a file begin, or the
// first hole, of which there is one at its end. It returns ENXIO if there are
// none. The bytes of a block of zeros are no data, written or not.
//
// Bytes that processes wrote through mappings, and that the kernel has not
// handed over, may lie in what looks like a hole. With wait false it returns
// ErrWouldBlock if that may be so: if the file has a hole, and somebody has it
// open for writing. The caller asks the kernel for the bytes and comes back.
func (v *Volume) Seek(ctx context.Context, ino Ino, off int64, hole, wait bool) (int64, error) {
	if ino >= VirtualIno {
		a, err := v.views.getattr(ctx, ino)
		if err != nil {
			return 0, err
		}
		return whole(off, int64(a.Size), hole)
	}
	v.lock()
	defer v.mu.Unlock()
	in, err := v.inode(ino)
	if err != nil {
		return 0, err
	}
	size := int64(in.rec.Size)
	if !in.rec.isFile() || in.rec.Inlined || off < 0 || off >= size {
		return whole(off, size, hole)
	}
	c, err := v.contentOf(in)
	if err != nil {
		return 0, err
	}
	if o := v.opens[ino]; !wait && o != nil && o.writers > 0 && c.next(off, size, true) < size {
		return 0, ErrWouldBlock
	}
	at := c.next(off, size, hole)
	if at == size && !hole {
		return 0, syscall.ENXIO
	}
	return at, nil
}

// whole answers for a file of which every byte is data.
func whole(off, size int64, hole bool) (int64, error) {
	switch {
	case off < 0 || off >= size:
		return 0, syscall.ENXIO
	case hole:
		return size, nil
	}
	return off, nil
}

// next returns where the first hole in [off, size) begins, or the first data;
// size if there are none.
func (c *content) next(off, size int64, hole bool) int64 {
	at := size
	found := func(from int64, isHole bool) error {
		if isHole != hole {
			return nil
		}
		at = from
		return errFound
	}
	_ = cache.Overlaps(c.fresh.Pieces(), off, size, func(from, to int64, p *cache.Piece) error {
		if p != nil {
			return found(from, p.Zero)
		}
		return c.walkBase(from, to, found)
	}) // errFound or nothing
	return at
}

// walkBase calls fn for the beginning of every part of [off, end) that extents
// hold, or leave out.
func (c *content) walkBase(off, end int64, fn func(from int64, hole bool) error) error {
	for i := searchExtent(c.base, off); off < end; i++ {
		if i == len(c.base) || c.base[i].Off >= end {
			return fn(off, true)
		}
		if e := c.base[i]; e.Off > off {
			if err := fn(off, true); err != nil {
				return err
			}
			off = e.Off
		}
		if err := fn(off, false); err != nil {
			return err
		}
		off = c.base[i].end()
	}
	return nil
}
