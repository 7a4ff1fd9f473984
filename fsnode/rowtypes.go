package fsnode

import "math"

// row is what has a decoder of its own.
type row interface {
	decode(d *rowDecoder)
}

var (
	_ row = (*record)(nil)
	_ row = (*dirent)(nil)
	_ row = (*extent)(nil)
)

func (e *dirent) decode(d *rowDecoder) {
	d.array(3)
	e.Name, e.Ino, e.Type = d.string(), d.u64(), d.u32()
}

func (e *extent) decode(d *rowDecoder) {
	d.array(4)
	e.Off, e.Len, e.Ref, e.Stale = d.int(), d.int(), d.ref(), d.bool()
}

func (r *record) decode(d *rowDecoder) {
	d.array(17)
	r.Mode, r.Nlink, r.UID, r.GID, r.Rdev = d.u32(), d.u32(), d.u32(), d.u32(), d.u32()
	r.Size = d.u64()
	r.Atime, r.Mtime, r.Ctime = d.time(), d.time(), d.time()
	r.Target = d.string()
	r.Xattrs = decodeList(d, func() Xattr {
		d.array(2)
		return Xattr{Name: d.string(), Value: d.bytes()}
	})
	r.Links = decodeList(d, func() link {
		d.array(2)
		return link{Parent: d.u64(), Name: d.string()}
	})
	r.Inlined, r.Inline = d.bool(), d.bytes()
	r.BaseSize = d.u64()
	if !d.null() {
		d.array(2)
		r.File = &FileRoot{Height: uint8(d.uint(math.MaxUint8)), Ref: d.ref()}
	}
	if !d.null() {
		d.array(2)
		r.Trees = &trees{Dir: d.root(), Side: d.root()}
	}
}

// decodeList reads an array, or nil, of what item reads. What it allocates is
// bounded by what was read: lists grow.
func decodeList[T any](d *rowDecoder, item func() T) []T {
	if d.null() {
		return nil
	}
	n := d.items()
	out := make([]T, 0, min(n, 16))
	for i := 0; i < n && d.err == nil; i++ {
		out = append(out, item())
	}
	return out
}
