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
	if r.Offset < 0 {
		return syscall.EINVAL
	}
	room := len(c.space(r.Size))
	list := wire(c.data[:0:room])
	if r.Offset < parentCookie {
		if err := s.dots(c, &list, r.Offset); err != nil {
			return err
		}
	}
	cookie := uint64(r.Offset)
	if cookie < firstCookie {
		cookie = 0
	}
	err := s.fs.Readdir(c.ctx, c.node(), cookie, func(e fsnode.DirEntry) bool {
		if len(list)+direntLen(e.Name) > room {
			return false
		}
		list.dirent(e.Ino, e.Next, e.Mode, e.Name)
		return true
	})
	if err != nil {
		return err
	}
	c.reply()
	return c.send(list)
}

// dots lists "." and "..", of which there is always room for both.
func (s *Server) dots(c *call, list *wire, offset int64) error {
	if offset < selfCookie {
		list.dirent(c.node(), selfCookie, syscall.S_IFDIR, ".")
	}
	parent, err := s.fs.Parent(c.ctx, c.node())
	if err != nil {
		return err
	}
	list.dirent(parent, parentCookie, syscall.S_IFDIR, "..")
	return nil
}
