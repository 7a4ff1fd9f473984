package mount

import (
	"encoding/binary"
	"syscall"
	"time"

	"pifs/fsnode"
)

// The layouts of this file are those of Linux's include/uapi/linux/fuse.h for
// protocol 7.33, in the machine's byte order.

const (
	headSize   = 16        // struct fuse_out_header
	direntSize = 24        // struct fuse_dirent without the name
	replySize  = 16 + 144  // the largest reply that carries no data: create's
	blockSize  = 128 << 10 // preferred I/O size shown by stat: one request

	maxName = 255
)

// wire appends the fields of a reply.
type wire []byte

func (w *wire) u32(v uint32) { *w = binary.NativeEndian.AppendUint32(*w, v) }
func (w *wire) u64(v uint64) { *w = binary.NativeEndian.AppendUint64(*w, v) }

// seal writes the header of a reply of which w holds all but n bytes.
func (w wire) seal(id uint64, errno syscall.Errno, n int) {
	binary.NativeEndian.PutUint32(w[0:], uint32(len(w)+n))
	binary.NativeEndian.PutUint32(w[4:], uint32(-int32(errno)))
	binary.NativeEndian.PutUint64(w[8:], id)
}

// attr appends struct fuse_attr.
func (w *wire) attr(a *fsnode.Attr) {
	w.u64(a.Ino)
	w.u64(a.Size)
	w.u64(a.Blocks)
	w.u64(uint64(a.Atime.Sec))
	w.u64(uint64(a.Mtime.Sec))
	w.u64(uint64(a.Ctime.Sec))
	w.u32(a.Atime.Nsec)
	w.u32(a.Mtime.Nsec)
	w.u32(a.Ctime.Nsec)
	w.u32(a.Mode)
	w.u32(a.Nlink)
	w.u32(a.UID)
	w.u32(a.GID)
	w.u32(a.Rdev)
	w.u32(blockSize)
	w.u32(0)
}

// entry appends struct fuse_entry_out. Inode numbers are never reused, so one
// generation does for all. A nil attr makes a negative entry.
func (w *wire) entry(a *fsnode.Attr, valid time.Duration) {
	var none fsnode.Attr
	if a == nil {
		a = &none
	}
	sec, nsec := split(valid)
	w.u64(a.Ino)
	w.u64(1)
	w.u64(sec)
	w.u64(sec)
	w.u32(nsec)
	w.u32(nsec)
	w.attr(a)
}

// attrOut appends struct fuse_attr_out.
func (w *wire) attrOut(a *fsnode.Attr, valid time.Duration) {
	sec, nsec := split(valid)
	w.u64(sec)
	w.u32(nsec)
	w.u32(0)
	w.attr(a)
}

// opened appends struct fuse_open_out.
func (w *wire) opened(handle uint64, flags uint32) {
	w.u64(handle)
	w.u32(flags)
	w.u32(0)
}

// dirent appends struct fuse_dirent, padded to eight bytes.
func (w *wire) dirent(ino fsnode.Ino, next uint64, mode uint32, name string) {
	w.u64(ino)
	w.u64(next)
	w.u32(uint32(len(name)))
	w.u32(mode & syscall.S_IFMT >> 12)
	*w = append(*w, name...)
	for n := len(name); n%8 != 0; n++ {
		*w = append(*w, 0)
	}
}

func direntLen(name string) int { return direntSize + (len(name)+7)&^7 }

func split(d time.Duration) (sec uint64, nsec uint32) {
	return uint64(d / time.Second), uint32(d % time.Second)
}
