package mount

import (
	"errors"
	"os"
	"syscall"
	"time"

	"bazil.org/fuse"

	"pifs/fsnode"
)

// validity is how long the kernel may trust what it is told about ino.
func validity(ino fsnode.Ino) time.Duration {
	if ino >= fsnode.VirtualIno {
		return viewValid
	}
	return longValid
}

func checkName(name string) error {
	if len(name) > maxName {
		return syscall.ENAMETOOLONG
	}
	return nil
}

// entry answers with an inode that was looked up or made.
func (c *call) entry(a fsnode.Attr, err error) error {
	if err != nil {
		return err
	}
	c.reply().entry(&a, validity(a.Ino))
	if !c.deliver(nil) {
		c.s.fs.Forget(a.Ino, 1)
	}
	return nil
}

// absent answers that a name does not exist, which the kernel remembers.
func (c *call) absent() error {
	c.reply().entry(nil, validity(c.node()))
	return c.send(nil)
}

func (s *Server) lookup(c *call, r *fuse.LookupRequest) error {
	if err := checkName(r.Name); err != nil {
		return err
	}
	a, err := s.fs.Lookup(c.ctx, c.node(), r.Name)
	if errors.Is(err, syscall.ENOENT) && !foreign(err) {
		return c.absent()
	}
	return c.entry(a, err)
}

// create makes and opens a regular file. The kernel asks for it when it believes
// the name to be free. If it errs and a file that exists will do, ESTALE makes
// it look again, and check whether the caller may open what it finds.
func (s *Server) create(c *call, r *fuse.CreateRequest) error {
	if err := checkName(r.Name); err != nil {
		return err
	}
	a, err := s.fs.Create(c.ctx, c.node(), r.Name, unixMode(r.Mode), c.cred())
	if errors.Is(err, syscall.EEXIST) && r.Flags&fuse.OpenExclusive == 0 {
		return syscall.ESTALE
	}
	if err != nil {
		return err
	}
	return s.created(c, a, writes(r.Flags))
}

// created opens a file that was made for the call, and answers with both.
func (s *Server) created(c *call, a fsnode.Attr, write bool) error {
	if err := s.fs.Open(c.ctx, a.Ino, write); err != nil {
		s.fs.Forget(a.Ino, 1)
		return err
	}
	w := c.reply()
	w.entry(&a, validity(a.Ino))
	w.opened(s.handles.Add(1), uint32(fuse.OpenKeepCache))
	if !c.deliver(nil) {
		s.fs.Release(c.ctx, a.Ino, write)
		s.fs.Forget(a.Ino, 1)
	}
	return nil
}

func (s *Server) mkdir(c *call, r *fuse.MkdirRequest) error {
	if err := checkName(r.Name); err != nil {
		return err
	}
	return c.entry(s.fs.Mkdir(c.ctx, c.node(), r.Name, unixMode(r.Mode), c.cred()))
}

func (s *Server) mknod(c *call, r *fuse.MknodRequest) error {
	if err := checkName(r.Name); err != nil {
		return err
	}
	return c.entry(s.fs.Mknod(c.ctx, c.node(), r.Name, unixMode(r.Mode), r.Rdev, c.cred()))
}

func (s *Server) symlink(c *call, r *fuse.SymlinkRequest) error {
	if err := checkName(r.NewName); err != nil {
		return err
	}
	return c.entry(s.fs.Symlink(c.ctx, c.node(), r.NewName, r.Target, c.cred()))
}

func (s *Server) readlink(c *call) error {
	target, err := s.fs.Readlink(c.ctx, c.node())
	if err != nil {
		return err
	}
	c.reply()
	return c.send([]byte(target))
}

func (s *Server) link(c *call, r *fuse.LinkRequest) error {
	if err := checkName(r.NewName); err != nil {
		return err
	}
	return c.entry(s.fs.Link(c.ctx, fsnode.Ino(r.OldNode), c.node(), r.NewName))
}

func (s *Server) remove(c *call, r *fuse.RemoveRequest) error {
	if err := checkName(r.Name); err != nil {
		return err
	}
	if r.Dir {
		return s.answer(c, s.fs.Rmdir(c.ctx, c.node(), r.Name, c.cred()))
	}
	return s.answer(c, s.fs.Unlink(c.ctx, c.node(), r.Name, c.cred()))
}

func (s *Server) rename(c *call, r *fuse.RenameRequest) error {
	if err := errors.Join(checkName(r.OldName), checkName(r.NewName)); err != nil {
		return err
	}
	return s.answer(c, s.fs.Rename(c.ctx, c.node(), r.OldName, fsnode.Ino(r.NewDir), r.NewName, c.cred()))
}

// unixMode converts the library's mode back to that of the kernel.
func unixMode(m os.FileMode) uint32 {
	mode := uint32(m.Perm())
	switch {
	case m&os.ModeIrregular != 0: // no type was sent
	case m.IsDir():
		mode |= syscall.S_IFDIR
	case m&os.ModeCharDevice != 0:
		mode |= syscall.S_IFCHR
	case m&os.ModeDevice != 0:
		mode |= syscall.S_IFBLK
	case m&os.ModeNamedPipe != 0:
		mode |= syscall.S_IFIFO
	case m&os.ModeSymlink != 0:
		mode |= syscall.S_IFLNK
	case m&os.ModeSocket != 0:
		mode |= syscall.S_IFSOCK
	default:
		mode |= syscall.S_IFREG
	}
	return mode | specialBits(m)
}

func specialBits(m os.FileMode) uint32 {
	var bits uint32
	if m&os.ModeSetuid != 0 {
		bits |= syscall.S_ISUID
	}
	if m&os.ModeSetgid != 0 {
		bits |= syscall.S_ISGID
	}
	if m&os.ModeSticky != 0 {
		bits |= syscall.S_ISVTX
	}
	return bits
}
