package fsnode

import (
	"context"
	"math"
	"syscall"
)

// streamBytes is how much of a file may be fresh before a flush of its head
// begins while it is still being written.
const streamBytes = 12 << 20

// What is scattered over a file costs its flush a chunk for each piece, and is
// as safe in the journal: it stays there until nobody writes for a while, or
// until there are manyPieces, which each write moves in one list.
const (
	denseBytes = 64 << 10 // of the average piece of a file that is not scattered
	manyPieces = 16 << 10
)

// Write places p at off in a file. With wait false it returns ErrWouldBlock,
// having done nothing, when memory for fresh bytes is full; with wait true it
// waits for room. p is not kept.
func (v *Volume) Write(ctx context.Context, ino Ino, off int64, p []byte, wait bool) (int, error) {
	return v.writeAs(ctx, ino, off, p, wait, 0)
}

// WriteKeep is Write for who may keep setuid and setgid of what they write, and
// for bytes that come from a mapping.
func (v *Volume) WriteKeep(ctx context.Context, ino Ino, off int64, p []byte, wait bool) (int, error) {
	return v.writeAs(ctx, ino, off, p, wait, keepPriv)
}

// keepPriv says that a write clears file capabilities only.
const keepPriv = 1

// writeAs places p and then clears of the record what how leaves to it.
func (v *Volume) writeAs(ctx context.Context, ino Ino, off int64, p []byte, wait bool, how uint32) (int, error) {
	if err := v.writable(ino); err != nil {
		return 0, err
	}
	if off < 0 || off > math.MaxInt64-int64(len(p)) {
		return 0, syscall.EFBIG
	}
	v.lock()
	defer v.unlock()
	if err := v.room(ctx, wait); err != nil {
		return 0, err
	}
	if err := v.admit(ctx, int64(len(p)), wait); err != nil {
		return 0, err
	}
	if err := v.begin(ctx, len(p), dataMargin, wait); err != nil {
		return 0, err
	}
	in, err := v.inode(ino)
	if err != nil {
		return 0, err
	}
	if !in.rec.isFile() {
		return 0, syscall.EINVAL
	}
	if err := v.place(in, off, p); err != nil {
		return 0, err
	}
	t := v.now()
	in.rec.Mtime, in.rec.Ctime = t, t
	if how == keepPriv {
		killCapability(&in.rec)
	} else {
		killPriv(&in.rec)
	}
	v.freshChanged(in)
	v.logged(ctx, op{Kind: opWrite, At: t, Ino: ino, Off: uint64(off), Mode: how}, p)
	if c := in.content; c != nil {
		v.enqueueGrown(in, c)
	}
	return len(p), nil
}

// enqueueGrown asks for a flush of a file of which much is fresh. v.mu is held.
func (v *Volume) enqueueGrown(in *inode, c *content) {
	switch {
	case len(c.fresh.Pieces()) >= manyPieces:
		v.enqueue(in, flushAll)
	case c.streams(streamBytes):
		v.enqueue(in, flushHead)
	}
}

// streams reports whether at least so many bytes are fresh in memory, and not
// scattered.
func (c *content) streams(least int64) bool {
	bytes := c.fresh.Bytes()
	return bytes >= least && bytes >= int64(len(c.fresh.Pieces()))*denseBytes
}

// room waits until fresh bytes may be added. v.mu is held.
func (v *Volume) room(ctx context.Context, wait bool) error {
	if v.failure != nil && v.log.replay == nil {
		return v.failure
	}
	if v.budget.Used() < v.o.DirtyBytes {
		return nil
	}
	if !wait {
		return ErrWouldBlock
	}
	stop := context.AfterFunc(ctx, v.broadcast)
	defer stop()
	v.enqueueFresh(flushHead)
	for v.budget.Used() >= v.o.DirtyBytes {
		if err := ctx.Err(); err != nil {
			return err
		}
		if v.failure != nil {
			return v.failure
		}
		v.wake.Wait()
	}
	return nil
}

func (v *Volume) broadcast() {
	v.lock()
	v.wake.Broadcast()
	v.mu.Unlock()
}

// place writes p at off into the inline bytes or the fresh layer. v.mu is held.
func (v *Volume) place(in *inode, off int64, p []byte) error {
	end := uint64(off) + uint64(len(p))
	if in.rec.Inlined && end <= InlineMax {
		size := max(int(end), len(in.rec.Inline))
		b := make([]byte, size)
		copy(b, in.rec.Inline)
		copy(b[off:], p)
		in.rec.Inline = b
		v.setSize(in, uint64(size))
		return nil
	}
	c, err := v.outOfLine(in)
	if err != nil {
		return err
	}
	c.fresh.Write(off, p)
	in.bytesChanged()
	if end > in.rec.Size {
		v.setSize(in, end)
	}
	return nil
}

// killPriv clears what a write by an ordinary user must clear: setuid, setgid of
// executables, and file capabilities.
func killPriv(r *record) {
	r.Mode &^= syscall.S_ISUID
	if r.Mode&0o010 != 0 {
		r.Mode &^= syscall.S_ISGID
	}
	killCapability(r)
}

// killCapability clears what every change of a file's bytes must clear.
func killCapability(r *record) {
	if _, ok := r.xattr(capabilityXattr); ok {
		r.Xattrs = withoutXattr(r.Xattrs, capabilityXattr)
	}
}

// Fallocate does what fallocate(2) does for mode 0, KEEP_SIZE, PUNCH_HOLE with
// KEEP_SIZE, and ZERO_RANGE. Room is not set aside: blocks have no fixed place.
// setuid and setgid stay; where they must not, the kernel says so by a Setattr.
func (v *Volume) Fallocate(ctx context.Context, ino Ino, mode uint32, off, length uint64) error {
	if err := v.writable(ino); err != nil {
		return err
	}
	if length == 0 || off > maxFile || length > maxFile-off {
		return syscall.EFBIG
	}
	v.lock()
	defer v.unlock()
	if err := v.begin(ctx, 0, logMargin, true); err != nil {
		return err
	}
	in, err := v.inode(ino)
	if err != nil {
		return err
	}
	if !in.rec.isFile() {
		return syscall.ENODEV
	}
	end := off + length
	switch mode {
	case 0, FallocKeepSize:
	case FallocPunchHole | FallocKeepSize, FallocZeroRange, FallocZeroRange | FallocKeepSize:
		if err := v.zero(in, off, min(end, in.rec.Size)); err != nil {
			return err
		}
	default:
		return syscall.EOPNOTSUPP
	}
	if mode&FallocKeepSize == 0 && end > in.rec.Size {
		if err := v.truncate(in, end); err != nil {
			return err
		}
	}
	t := v.now()
	in.rec.Mtime, in.rec.Ctime = t, t
	killCapability(&in.rec)
	v.freshChanged(in)
	v.logged(ctx, op{Kind: opFallocate, At: t, Ino: ino, Mode: mode, Off: off, Len: length}, nil)
	return nil
}

// zero makes [off, end) of a file read as zeros. v.mu is held.
func (v *Volume) zero(in *inode, off, end uint64) error {
	if off >= end {
		return nil
	}
	if in.rec.Inlined {
		b := append([]byte(nil), in.rec.Inline...)
		clear(b[off:end])
		in.rec.Inline = b
		return nil
	}
	c, err := v.contentOf(in)
	if err != nil {
		return err
	}
	c.fresh.Zero(int64(off), int64(end-off))
	in.bytesChanged()
	return nil
}

// Open counts a use of ino that keeps it alive without a name.
func (v *Volume) Open(ctx context.Context, ino Ino, write bool) error {
	if ino >= VirtualIno {
		if write {
			return syscall.EROFS
		}
		return nil
	}
	if write && v.o.ReadOnly {
		return syscall.EROFS
	}
	v.lock()
	defer v.mu.Unlock()
	if _, err := v.inode(ino); err != nil {
		return err
	}
	v.ref(ino)
	o := v.opens[ino]
	if o == nil {
		o = new(opens)
		v.opens[ino] = o
	}
	o.all++
	if write {
		o.writers++
	}
	return nil
}

// Release ends a use. When the last writer leaves, the file is flushed soon.
func (v *Volume) Release(ctx context.Context, ino Ino, write bool) {
	if ino >= VirtualIno {
		return
	}
	v.lock()
	defer v.mu.Unlock()
	o := v.opens[ino]
	if o == nil {
		return
	}
	o.all--
	if write && o.writers > 0 {
		o.writers--
		if in := v.inodes[ino]; in != nil && o.writers == 0 && !in.dead {
			v.enqueueClosed(in)
		}
	}
	if o.all == 0 {
		delete(v.opens, ino)
	}
	v.unref(ino)
}
