package mount

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"reflect"
	"syscall"

	"bazil.org/fuse"
	"golang.org/x/sys/unix"

	"pifs/fsnode"
)

// Extended is what an FS may do beyond the requests that the library knows. Of
// an FS that does not, the kernel takes that for an answer, does what it can
// without us and does not ask again. fsnode.Volume is one.
type Extended interface {
	// RenameFlags is Rename with fsnode.RenameNoReplace, which fails with EEXIST
	// if the new name is taken, fsnode.RenameExchange, which exchanges what
	// stands at both, or fsnode.RenameWhiteout, which leaves what overlayfs takes
	// for a removed name.
	RenameFlags(ctx context.Context, oldParent fsnode.Ino, oldName string, newParent fsnode.Ino, newName string, flags uint32, cred fsnode.Cred) error

	// Tmpfile makes a regular file without a name, which Link may give it one
	// day. Like Create it takes a reference.
	Tmpfile(ctx context.Context, parent fsnode.Ino, mode uint32, cred fsnode.Cred) (fsnode.Attr, error)

	// Seek returns where the next data at or after off begin, or the next hole:
	// the end of the file is one. ENXIO if there are none. With wait false it
	// returns fsnode.ErrWouldBlock if processes may have changed the file through
	// mappings, and the answer depends on what they wrote.
	Seek(ctx context.Context, ino fsnode.Ino, off int64, hole, wait bool) (int64, error)

	// CopyRange makes n bytes at dstOff of dst what is at off of src, without
	// moving them, and returns how many it did, or EOPNOTSUPP: the kernel reads
	// and writes them then. With wait false it returns fsnode.ErrWouldBlock where
	// it has to wait for something to be stored.
	CopyRange(ctx context.Context, src fsnode.Ino, off int64, dst fsnode.Ino, dstOff int64, n uint64, wait bool) (uint64, error)

	// WriteKeep is Write without clearing setuid and setgid.
	WriteKeep(ctx context.Context, ino fsnode.Ino, off int64, p []byte, wait bool) (int, error)

	// Lend returns n bytes of a file, fewer at its end, without a copy, or false
	// if it has to wait, or has no such row of bytes at hand. They are the
	// caller's, who does not change them, until it calls giveBack.
	Lend(ino fsnode.Ino, off int64, n int) (b []byte, giveBack func(), ok bool)

	// Accessed notes that a file is about to be read, and reports whether that
	// moved its atime.
	Accessed(ino fsnode.Ino) bool
}

var _ Extended = (*fsnode.Volume)(nil)

// Operations of the kernel that the library has no request for.
const (
	opRename2     = 45
	opLseek       = 46
	opCopyRange   = 47
	opTmpfile     = 51
	opCopyRange64 = 53

	inHeadSize = 40 // struct fuse_in_header
)

// unrecognized serves requests that the library does not know: it hands out the
// operation, and holds on to the rest of the message until the call ends.
func (s *Server) unrecognized(c *call, r *fuse.UnrecognizedRequest) error {
	body, ok := bodyOf(&r.Header)
	if ok && r.Opcode == opReaddirplus {
		return s.readdirPlus(c, body)
	}
	if !ok || s.extended == nil {
		return syscall.ENOSYS
	}
	switch r.Opcode {
	case opRename2:
		return s.rename2(c, body)
	case opLseek:
		return s.lseek(c, body)
	case opTmpfile:
		return s.tmpfile(c, body)
	case opCopyRange, opCopyRange64:
		return s.copyRange(c, body, r.Opcode == opCopyRange64)
	}
	return syscall.ENOSYS
}

// bodyOf returns the bytes of a request after its header. Like deviceOf it
// depends on the pinned version of the library; if another keeps them elsewhere
// nothing breaks, but what Extended offers is gone, and the tests say so.
func bodyOf(h *fuse.Header) ([]byte, bool) {
	msg := reflect.ValueOf(h).Elem().FieldByName("msg")
	if !msg.IsValid() || msg.Kind() != reflect.Pointer || msg.IsNil() || msg.Elem().Kind() != reflect.Struct {
		return nil, false
	}
	buf := msg.Elem().FieldByName("buf")
	if !buf.IsValid() || buf.Type() != reflect.TypeFor[[]byte]() || buf.Len() < inHeadSize {
		return nil, false
	}
	return buf.Bytes()[inHeadSize:], true
}

// rename2 serves renameat2 with flags: struct fuse_rename2_in and two names.
func (s *Server) rename2(c *call, body []byte) error {
	const size = 16
	if len(body) < size {
		return syscall.EIO
	}
	names := bytes.Split(body[size:], []byte{0})
	if len(names) != 3 || len(names[2]) != 0 {
		return syscall.EIO
	}
	from, to := string(names[0]), string(names[1])
	if len(from) > maxName || len(to) > maxName {
		return syscall.ENAMETOOLONG
	}
	dir, flags := binary.NativeEndian.Uint64(body), binary.NativeEndian.Uint32(body[8:])
	return s.answer(c, s.extended.RenameFlags(c.ctx, c.node(), from, dir, to, flags, c.cred()))
}

// lseek serves SEEK_DATA and SEEK_HOLE: struct fuse_lseek_in. What processes
// wrote through mappings is brought in before the answer can depend on it. That
// waits for the kernel, which waits for our other lanes: the call has its own.
func (s *Server) lseek(c *call, body []byte) error {
	if len(body) < 24 {
		return syscall.EIO
	}
	off, whence := binary.NativeEndian.Uint64(body[8:]), binary.NativeEndian.Uint32(body[16:])
	if whence != unix.SEEK_DATA && whence != unix.SEEK_HOLE {
		return syscall.EINVAL
	}
	if off > math.MaxInt64 {
		return syscall.ENXIO
	}
	if c.wait && c.node() < fsnode.VirtualIno {
		if err := s.InvalidateInode(c.node()); err != nil {
			return err
		}
	}
	at, err := s.extended.Seek(c.ctx, c.node(), int64(off), whence == unix.SEEK_HOLE, c.wait)
	if err != nil {
		return err
	}
	c.reply().u64(uint64(at))
	return c.send(nil)
}

// tmpfile serves O_TMPFILE: struct fuse_create_in and a name that means nothing.
func (s *Server) tmpfile(c *call, body []byte) error {
	if len(body) < 16 {
		return syscall.EIO
	}
	flags, mode := binary.NativeEndian.Uint32(body), binary.NativeEndian.Uint32(body[4:])
	a, err := s.extended.Tmpfile(c.ctx, c.node(), mode, c.cred())
	if err != nil {
		return err
	}
	return s.created(c, a, flags&syscall.O_ACCMODE != syscall.O_RDONLY)
}

// copyRange serves copy_file_range: struct fuse_copy_file_range_in. Whoever asks
// by the older operation wants an answer of 32 bits, and asks for no more.
func (s *Server) copyRange(c *call, body []byte, wide bool) error {
	if len(body) < 56 {
		return syscall.EIO
	}
	field := func(i int) uint64 { return binary.NativeEndian.Uint64(body[8*i:]) }
	off, dst, dstOff, n := field(1), field(2), field(4), field(5)
	if off > math.MaxInt64 || dstOff > math.MaxInt64 {
		return syscall.EINVAL
	}
	done, err := s.extended.CopyRange(c.ctx, c.node(), int64(off), dst, int64(dstOff), n, c.wait)
	if err != nil {
		return err
	}
	return c.copied(done, wide)
}

// copied answers that n bytes were copied.
func (c *call) copied(n uint64, wide bool) error {
	w := c.reply()
	if wide {
		w.u64(n)
		return c.send(nil)
	}
	w.u32(uint32(n))
	w.u32(0)
	return c.send(nil)
}

// accessed notes that a file was opened to be read. What the kernel has cached
// is read without us, so that opening has to count for reading. The kernel's
// attributes are out of date then.
func (s *Server) accessed(c *call, flags fuse.OpenFlags) {
	if s.extended == nil || flags&fuse.OpenAccessModeMask != fuse.OpenReadOnly || uint32(flags)&unix.O_NOATIME != 0 {
		return
	}
	if s.extended.Accessed(c.node()) {
		s.outdated(c.node())
	}
}

// outdated makes the kernel ask for the attributes of an inode again.
func (s *Server) outdated(ino fsnode.Ino) {
	const attributesOnly = -1
	if err := s.conn.InvalidateNode(fuse.NodeID(ino), attributesOnly, 0); !errors.Is(err, fuse.ErrNotCached) {
		s.sent(err)
	}
}
