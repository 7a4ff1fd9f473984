package fsnode

import (
	"context"
	"math"
	"syscall"

	"pifs/cache"
)

// storeToShare is how many bytes a file must have for a copy of it to store its
// fresh bytes first. Copying what is in memory is faster for a smaller one.
const storeToShare = 1 << 20

// CopyRange makes n bytes at dstOff of dst what is at off of src, by giving dst
// the same blocks, and returns how many that are. It does so for whole files
// into empty ones, which is what programs that copy ask for, and else returns
// EOPNOTSUPP: the bytes have to be read and written then. With wait false it
// returns ErrWouldBlock where bytes of src have to be stored before.
func (v *Volume) CopyRange(ctx context.Context, src Ino, off int64, dst Ino, dstOff int64, n uint64, wait bool) (uint64, error) {
	if err := v.writable(dst); err != nil {
		return 0, err
	}
	if src >= VirtualIno || src == dst || off != 0 || dstOff != 0 {
		return 0, syscall.EOPNOTSUPP
	}
	for range 3 {
		size, err := v.share(ctx, src, dst, n)
		if err != ErrWouldBlock || !wait {
			return size, err
		}
		if err := v.flush(ctx, src, flushAll); err != nil {
			return 0, err
		}
	}
	return 0, syscall.EOPNOTSUPP // somebody keeps writing to it
}

// share gives dst the bytes of src. It returns ErrWouldBlock, having done
// nothing, if some of them are fresh.
func (v *Volume) share(ctx context.Context, src, dst Ino, n uint64) (uint64, error) {
	v.lock()
	defer v.unlock()
	if v.failure != nil && v.log.replay == nil {
		return 0, v.failure
	}
	if err := v.begin(ctx, 0, logMargin, true); err != nil {
		return 0, err
	}
	from, err := v.inode(src)
	if err != nil {
		return 0, err
	}
	to, err := v.inode(dst)
	if err != nil {
		return 0, err
	}
	for v.log.replay != nil && to.content != nil && to.content.flushing {
		v.wake.Wait()
	}
	size := from.rec.Size
	if !from.rec.isFile() || !to.blank() || size == 0 || n < size {
		return 0, syscall.EOPNOTSUPP
	}
	if from.rec.Inlined {
		to.rec.Inline = from.rec.Inline
	} else if err := v.shareExtents(from, to); err != nil {
		return 0, err
	}
	v.setSize(to, size)
	t := v.now()
	to.rec.Mtime, to.rec.Ctime = t, t
	killCapability(&to.rec)
	v.freshChanged(to)
	v.logged(ctx, op{Kind: opCopy, At: t, Ino: dst, Parent: src, Len: n}, nil)
	return size, nil
}

// blank reports whether a file is empty, and nobody is about to read or store
// what it had before.
func (in *inode) blank() bool {
	c := in.content
	return in.rec.isFile() && in.rec.Inlined && in.rec.Size == 0 && (c == nil || c.users == 0 && !c.flushing && c.fresh.Empty())
}

// shareExtents gives to, which is blank, the extents of from. v.mu is held.
func (v *Volume) shareExtents(from, to *inode) error {
	c, err := v.contentOf(from)
	switch {
	case err != nil:
		return err
	case !c.fresh.Empty() && from.rec.Size < storeToShare && v.log.replay == nil:
		return syscall.EOPNOTSUPP
	case !c.fresh.Empty():
		return ErrWouldBlock
	}
	version, saved := uint64(0), new(savedPieces)
	if to.content != nil {
		version, saved = to.content.version+1, to.content.saved
	}
	to.content = &content{fresh: cache.NewFresh(v.budget), cut: math.MaxInt64, base: c.base, version: version, saved: saved}
	to.content.edit(0, maxFile)
	to.content.freshEdit = true // rows of fresh pieces that it had go
	to.rec.Inlined, to.rec.Inline = false, nil
	to.rec.BaseSize, to.rec.File = from.rec.BaseSize, from.rec.File
	v.namesBlocks = true
	return nil
}
