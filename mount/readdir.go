package mount

import (
	"syscall"

	"bazil.org/fuse"

	"pifs/fsnode"
)

// Cookies of the two entries that every directory has. FS gives out those from
// firstCookie on.
const (
	selfCookie   = 1
	parentCookie = 2
	firstCookie  = 16
)

// readdir answers with as many entries as fit.
func (s *Server) readdir(c *call, r *fuse.ReadRequest) error {
	l := listing{s: s}
	if err := s.list(c, &l, r.Offset, r.Size); err != nil {
		return err
	}
	c.reply()
	return c.send(l.out)
}

// list fills l with entries after offset, size bytes of them at most.
func (s *Server) list(c *call, l *listing, offset int64, size int) error {
	if offset < 0 {
		return syscall.EINVAL
	}
	l.room = len(c.space(size))
	l.out = wire(c.data[:0:l.room])
	if offset < parentCookie {
		if err := s.dots(c, l, offset); err != nil {
			return err
		}
	}
	cookie := uint64(offset)
	if cookie < firstCookie {
		cookie = 0
	}
	if fs, ok := s.fs.(Plus); ok && l.plus {
		return fs.ReaddirPlus(c.ctx, c.node(), cookie, l.add)
	}
	return s.fs.Readdir(c.ctx, c.node(), cookie, l.add)
}

// dots lists "." and "..", of which there is always room for both.
func (s *Server) dots(c *call, l *listing, offset int64) error {
	if offset < selfCookie {
		l.add(fsnode.DirEntry{Ino: c.node(), Next: selfCookie, Mode: syscall.S_IFDIR, Name: "."})
	}
	parent, err := s.fs.Parent(c.ctx, c.node())
	if err != nil {
		return err
	}
	l.add(fsnode.DirEntry{Ino: parent, Next: parentCookie, Mode: syscall.S_IFDIR, Name: ".."})
	return nil
}
