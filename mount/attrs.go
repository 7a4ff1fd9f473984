package mount

import (
	"time"

	"bazil.org/fuse"

	"pifs/fsnode"
)

// attr answers with attributes.
func (c *call) attr(a fsnode.Attr, err error) error {
	if err != nil {
		return err
	}
	c.reply().attrOut(&a, validity(a.Ino))
	return c.send(nil)
}

func (s *Server) getattr(c *call) error {
	return c.attr(s.fs.Getattr(c.ctx, c.node()))
}

// setattr changes attributes. ftruncate and O_TRUNC come here too, the latter
// before or after the open it belongs to. That ctime changes goes without
// saying: the flag for it is of use to write-back caches only.
func (s *Server) setattr(c *call, r *fuse.SetattrRequest) error {
	return c.attr(s.fs.Setattr(c.ctx, c.node(), changes(r), c.wait))
}

// changes reads a request. One that names nothing is how the kernel asks for
// setuid, setgid and capabilities to be cleared where no other request can say
// so, as for fallocate. From root it may be about capabilities only, which have
// gone by a request of their own.
func changes(r *fuse.SetattrRequest) fsnode.SetAttr {
	set := fsnode.SetAttr{
		AtimeNow: r.Valid.AtimeNow(),
		MtimeNow: r.Valid.MtimeNow(),
		KillPriv: r.Valid.SetattrKillSUIDGID() || r.Valid&^fuse.SetattrHandle == 0 && r.Header.Uid != 0,
	}
	if r.Valid.Mode() {
		mode := uint32(r.Mode.Perm()) | specialBits(r.Mode)
		set.Mode = &mode
	}
	if r.Valid.Uid() {
		set.UID = &r.Uid
	}
	if r.Valid.Gid() {
		set.GID = &r.Gid
	}
	if r.Valid.Size() {
		set.Size = &r.Size
	}
	if r.Valid.Atime() && !set.AtimeNow {
		set.Atime = timeOf(r.Atime)
	}
	if r.Valid.Mtime() && !set.MtimeNow {
		set.Mtime = timeOf(r.Mtime)
	}
	return set
}

func timeOf(t time.Time) *fsnode.Time {
	out := fsnode.TimeOf(t)
	return &out
}

// statBlock is the unit in which statfs counts.
const statBlock = 4096

func (s *Server) statfs(c *call) error {
	info, err := s.fs.Statfs(c.ctx)
	if err != nil {
		return err
	}
	w := c.reply()
	w.u64(info.Total / statBlock)
	w.u64(info.Free / statBlock)
	w.u64(info.Free / statBlock)
	w.u64(info.Files)
	w.u64(info.FilesFree)
	w.u32(statBlock)
	w.u32(maxName)
	w.u32(statBlock)
	for range 7 { // padding and spare
		w.u32(0)
	}
	return c.send(nil)
}
