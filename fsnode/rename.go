package fsnode

import (
	"context"
	"slices"
	"syscall"
)

// Rename moves a name, replacing what stands at the new one as rename(2) says.
func (v *Volume) Rename(ctx context.Context, oldParent Ino, oldName string, newParent Ino, newName string, cred Cred) error {
	if err := v.writable(max(oldParent, newParent)); err != nil {
		return err
	}
	v.lock()
	defer v.mu.Unlock()
	from, d, in, err := v.entry(oldParent, oldName)
	if err != nil {
		return err
	}
	to, err := v.dir(newParent)
	if err != nil {
		return err
	}
	if err := v.movable(in, to, newName); err != nil {
		return err
	}
	e, err := v.find(to, newName)
	if err != nil {
		return err
	}
	if e.ino == in.ino {
		return nil // two names of one file: POSIX wants nothing done
	}
	t := now()
	if e.ino != 0 {
		old, err := v.inode(e.ino)
		if err != nil {
			return err
		}
		if err := removable(old, in.rec.isDir()); err != nil {
			return err
		}
		v.setDent(e, 0, 0)
		v.unlinked(to, old, link{Parent: newParent, Name: newName}, t)
	}
	v.move(in, from, d, to, e, t)
	return nil
}

// movable refuses to move a directory below itself or to take a bad name.
func (v *Volume) movable(in, to *inode, name string) error {
	if to.rec.Nlink == 0 {
		return syscall.ENOENT
	}
	if name == "" || name == "." || name == ".." || to.ino == RootIno && name == viewsName {
		return syscall.EINVAL
	}
	if !in.rec.isDir() {
		return nil
	}
	for at := to; ; {
		if at.ino == in.ino {
			return syscall.EINVAL
		}
		if len(at.rec.Links) == 0 {
			return nil
		}
		var err error
		if at, err = v.inode(at.rec.Links[0].Parent); err != nil {
			return err
		}
	}
}

// move takes in from entry d of from to the free entry e of to.
func (v *Volume) move(in, from *inode, d *dent, to *inode, e *dent, t Time) {
	was := link{Parent: from.ino, Name: d.name}
	typ := in.rec.Mode & modeType
	v.setDent(d, 0, 0)
	v.setDent(e, in.ino, typ)
	if in.rec.isDir() {
		from.rec.Nlink--
		to.rec.Nlink++
	}
	v.dirChanged(from, -1, t)
	v.dirChanged(to, +1, t)
	in.rec.Links = append(slices.Clip(without(in.rec.Links, was)), link{Parent: to.ino, Name: e.name})
	in.rec.Ctime = t
	v.touchInode(in)
}
