package faultfs

import (
	"maps"
	"slices"
)

const (
	pageSize   = 4096
	sectorSize = 512
)

// page is never changed once it is in a file.
type page [pageSize]byte

// file is the contents of a regular file. A page that is missing is zeros.
type file struct {
	size, durableSize int64
	cached, durable   map[int64]*page
	// dirty has, for every page that an fsync would write, what it held since
	// the last one: any of these may have reached the disk.
	dirty map[int64][]*page
}

func newFile() *file {
	return &file{cached: map[int64]*page{}, durable: map[int64]*page{}, dirty: map[int64][]*page{}}
}

func (f *file) readAt(p []byte, off int64) int {
	left := f.size - off
	if left <= 0 {
		return 0
	}
	p = p[:min(int64(len(p)), left)]
	f.each(off, int64(len(p)), func(n, in, at, length int64) {
		if c := f.cached[n]; c != nil {
			copy(p[at:at+length], c[in:])
		} else {
			clear(p[at : at+length])
		}
	})
	return len(p)
}

// each calls fn for every page that [off, off+length) touches: with its
// number, where in the page, where in the range, and how many bytes.
func (f *file) each(off, length int64, fn func(n, in, at, length int64)) {
	for at := int64(0); at < length; {
		n, in := (off+at)/pageSize, (off+at)%pageSize
		part := min(pageSize-in, length-at)
		fn(n, in, at, part)
		at += part
	}
}

func (f *file) writeAt(p []byte, off int64) {
	f.each(off, int64(len(p)), func(n, in, at, length int64) {
		f.change(n, func(c *page) { copy(c[in:], p[at:at+length]) })
	})
	f.size = max(f.size, off+int64(len(p)))
}

// zero makes [off, end) zeros, as far as the file reaches.
func (f *file) zero(off, end int64) {
	end = min(end, f.size)
	f.each(off, end-off, func(n, in, _, length int64) {
		if f.cached[n] != nil {
			f.change(n, func(c *page) { clear(c[in : in+length]) })
		}
	})
}

func (f *file) truncate(size int64) {
	if size < f.size {
		f.zero(size, (f.size+pageSize-1)/pageSize*pageSize)
	}
	f.size = size
}

func (f *file) change(n int64, edit func(*page)) {
	c := new(page)
	if old := f.cached[n]; old != nil {
		*c = *old
	}
	edit(c)
	f.cached[n] = c
	f.dirty[n] = append(f.dirty[n], c)
}

// sync makes everything durable.
func (f *file) sync() {
	for n := range f.dirty {
		f.durable[n] = f.cached[n]
	}
	f.durableSize = f.size
	clear(f.dirty)
}

// drop is a sync that failed: nothing is durable, and nothing is left to do.
func (f *file) drop() { clear(f.dirty) }

// image is what a disk holds of a file.
type image struct {
	size  int64
	pages map[int64]*page
}

// crashed returns what a crash leaves of f.
func (f *file) crashed(c chance) image {
	out := image{size: f.durableSize, pages: maps.Clone(f.durable)}
	sizes := []int64{f.durableSize, f.size}
	for _, n := range slices.Sorted(maps.Keys(f.dirty)) { // in order, so that a seed replays
		out.pages[n] = c.page(f.durable[n], f.dirty[n])
		if end := (n + 1) * pageSize; end > f.durableSize && end < f.size {
			sizes = append(sizes, end) // the file was growing
		}
	}
	out.size = c.size(sizes)
	return out
}

// torn returns c with its first sectors as in b and the others as in a; either
// may be nil.
func torn(a, b *page, sectors int) *page {
	c := new(page)
	if a != nil {
		*c = *a
	}
	if b != nil {
		copy(c[:sectors*sectorSize], b[:])
	}
	return c
}
