package mount

import (
	"math"
	"syscall"

	"bazil.org/fuse"

	"pifs/fsnode"
)

// writes reports whether a file opened with flags can be written.
func writes(flags fuse.OpenFlags) bool { return !flags.IsReadOnly() }

// open opens a file or directory. What the kernel cached of it stays valid:
// whatever changes a volume passes through the kernel or invalidates. The
// views change by themselves, and nothing of them is kept.
func (s *Server) open(c *call, r *fuse.OpenRequest) error {
	write := !r.Dir && writes(r.Flags)
	if err := s.fs.Open(c.ctx, c.node(), write); err != nil {
		return err
	}
	if !r.Dir {
		s.accessed(c, r.Flags)
	}
	var flags fuse.OpenResponseFlags
	if c.node() < fsnode.VirtualIno {
		flags = fuse.OpenKeepCache
		if r.Dir {
			flags |= fuse.OpenCacheDir
		}
	}
	c.reply().opened(s.handles.Add(1), uint32(flags))
	if !c.deliver(nil) {
		s.fs.Release(c.ctx, c.node(), write)
	}
	return nil
}

// release ends the use of an open file and whatever locks are still held
// through it: those of flock, and those of open file descriptions, which
// nothing else ends.
func (s *Server) release(c *call, r *fuse.ReleaseRequest) error {
	s.dropHandle(c.node(), uint64(r.Handle))
	s.fs.Release(c.ctx, c.node(), !r.Dir && writes(r.Flags))
	return c.done()
}

// flush is sent at every close of a descriptor, by the process that closes,
// which learns of what could not be stored.
func (s *Server) flush(c *call, r *fuse.FlushRequest) error {
	s.dropPOSIX(c.node(), uint64(r.LockOwner))
	return s.answer(c, s.fs.Flush(c.ctx, c.node()))
}

// lendFrom is the size in bytes of a read from which it pays not to copy.
const lendFrom = 32 << 10

func (s *Server) readFile(c *call, r *fuse.ReadRequest) error {
	if r.Offset < 0 {
		return syscall.EINVAL
	}
	if s.extended != nil && r.Size >= lendFrom {
		if b, giveBack, ok := s.extended.Lend(c.node(), r.Offset, min(r.Size, maxData)); ok {
			defer giveBack()
			c.reply()
			return c.send(b)
		}
	}
	p := c.space(r.Size)
	n, err := s.fs.Read(c.ctx, c.node(), r.Offset, p, c.wait)
	if err != nil {
		return err
	}
	c.reply()
	return c.send(p[:n])
}

// write writes. With O_APPEND the offset is the end of the file: the kernel
// holds the inode's lock from its look at the size until the answer.
func (s *Server) write(c *call, r *fuse.WriteRequest) error {
	if r.Offset < 0 || r.Offset > math.MaxInt64-int64(len(r.Data)) {
		return syscall.EFBIG
	}
	write := s.fs.Write
	if s.extended != nil && r.Flags&fuse.WriteKillSUIDGID == 0 {
		write = s.extended.WriteKeep
	}
	n, err := write(c.ctx, c.node(), r.Offset, r.Data, c.wait)
	if err != nil {
		return err
	}
	return c.written(n)
}

// written answers that n bytes were written.
func (c *call) written(n int) error {
	w := c.reply()
	w.u32(uint32(n))
	w.u32(0)
	return c.send(nil)
}
