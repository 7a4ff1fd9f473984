package fsnode

import (
	"context"
	"syscall"
)

// Rename moves a name, replacing what stands at the new one as rename(2) says.
func (v *Volume) Rename(ctx context.Context, oldParent Ino, oldName string, newParent Ino, newName string, cred Cred) error {
	return v.RenameFlags(ctx, oldParent, oldName, newParent, newName, 0, cred)
}

// RenameFlags is Rename with flags, as renameat2(2) says; RenameExchange goes
// with no other.
func (v *Volume) RenameFlags(ctx context.Context, oldParent Ino, oldName string, newParent Ino, newName string, flags uint32, cred Cred) error {
	if flags&^(RenameNoReplace|RenameWhiteout) != 0 && flags != RenameExchange {
		return syscall.EINVAL
	}
	if err := v.writable(max(oldParent, newParent)); err != nil {
		return err
	}
	v.lock()
	defer v.unlock()
	if flags&RenameWhiteout != 0 {
		if err := v.admitInode(); err != nil {
			return err
		}
	}
	if err := v.begin(ctx, 0, logMargin, true); err != nil {
		return err
	}
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
	o := op{Kind: opRename, At: v.now(), Ino: in.ino, Parent: oldParent, Name: oldName, To: newParent, Other: newName, Mode: flags}
	switch {
	case e.ino != 0 && flags&RenameNoReplace != 0:
		return syscall.EEXIST
	case e.ino == 0 && flags == RenameExchange:
		return syscall.ENOENT
	case e.ino == in.ino:
		return nil // two names of one file: POSIX wants nothing done
	case e.ino == 0:
		v.move(in, from, d, to, e, o.At)
		v.whiteout(&o, from, d, cred)
		v.logged(ctx, o, nil)
		return nil
	}
	old, err := v.inode(e.ino)
	if err != nil {
		return err
	}
	if flags == RenameExchange {
		if err := v.exchange(in, from, d, old, to, e, o.At); err != nil {
			return err
		}
		v.logged(ctx, o, nil)
		return nil
	}
	if err := removable(old, in.rec.isDir()); err != nil {
		return err
	}
	v.setDent(e, 0, 0)
	v.unlinked(to, old, link{Parent: newParent, Name: newName}, o.At)
	v.move(in, from, d, to, e, o.At)
	v.whiteout(&o, from, d, cred)
	v.logged(ctx, o, nil)
	return nil
}

// whiteout leaves a character device 0:0 where the rename o has moved something
// away, which is d of from, if that is asked for. v.mu is held.
func (v *Volume) whiteout(o *op, from *inode, d *dent, cred Cred) {
	if o.Mode&RenameWhiteout == 0 {
		return
	}
	rec := record{Mode: syscall.S_IFCHR, Nlink: 1, Links: []link{{Parent: from.ino, Name: d.name}}}
	in := v.newInode(from, rec, cred, o.At)
	v.change(in)
	v.setDent(d, in.ino, syscall.S_IFCHR)
	v.dirChanged(from, +1, o.At)
	o.Ino, o.UID, o.GID = in.ino, cred.UID, cred.GID
}

// exchange puts in, which is d of from, where old is, which is e of to, and old
// where in was, at time t. v.mu is held.
func (v *Volume) exchange(in, from *inode, d *dent, old, to *inode, e *dent, t Time) error {
	if err := v.movable(old, from, d.name); err != nil {
		return err
	}
	there, here := link{Parent: to.ino, Name: e.name}, link{Parent: from.ino, Name: d.name}
	v.setDent(d, old.ino, old.rec.Mode&modeType)
	v.setDent(e, in.ino, in.rec.Mode&modeType)
	if in.rec.isDir() && !old.rec.isDir() {
		from.rec.Nlink--
		to.rec.Nlink++
	} else if old.rec.isDir() && !in.rec.isDir() {
		to.rec.Nlink--
		from.rec.Nlink++
	}
	v.dirChanged(from, 0, t)
	v.dirChanged(to, 0, t)
	in.rec.Links = without(in.rec.Links, here, there)
	old.rec.Links = without(old.rec.Links, there, here)
	for _, moved := range []*inode{in, old} {
		moved.rec.Ctime = t
		v.touchInode(moved)
	}
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
	in.rec.Links = without(in.rec.Links, was, link{Parent: to.ino, Name: e.name})
	in.rec.Ctime = t
	v.touchInode(in)
}
