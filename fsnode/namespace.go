package fsnode

import (
	"context"
	"slices"
	"syscall"

	"pifs/blockstore/failpoint"
)

// Lookup finds name in parent and takes a kernel reference on what it finds.
func (v *Volume) Lookup(ctx context.Context, parent Ino, name string) (Attr, error) {
	if v.views.owns(parent, name) {
		return v.views.lookup(ctx, parent, name)
	}
	v.lock()
	defer v.mu.Unlock()
	in, err := v.child(parent, name)
	if err != nil {
		return Attr{}, err
	}
	return v.linked(in), nil
}

// Hold takes a kernel reference on what a directory was found to list.
func (v *Volume) Hold(ino Ino) (Attr, bool) {
	if ino >= VirtualIno {
		return Attr{}, false
	}
	v.lock()
	defer v.mu.Unlock()
	in, err := v.inode(ino)
	if err != nil || in.rec.Nlink == 0 {
		return Attr{}, false
	}
	return v.linked(in), true
}

// child returns the inode that name in parent is. v.mu is held.
func (v *Volume) child(parent Ino, name string) (*inode, error) {
	dir, err := v.dir(parent)
	if err != nil {
		return nil, err
	}
	d, err := v.find(dir, name)
	if err != nil {
		return nil, err
	}
	if d.ino == 0 {
		return nil, syscall.ENOENT
	}
	return v.inode(d.ino)
}

// Create makes a regular file. It fails with EEXIST if the name is taken.
func (v *Volume) Create(ctx context.Context, parent Ino, name string, mode uint32, cred Cred) (Attr, error) {
	return v.make(ctx, parent, name, record{Mode: modeFile | mode&permBits, Inlined: true}, cred)
}

// Mkdir makes a directory.
func (v *Volume) Mkdir(ctx context.Context, parent Ino, name string, mode uint32, cred Cred) (Attr, error) {
	return v.make(ctx, parent, name, record{Mode: modeDir | mode&permBits}, cred)
}

// Mknod makes a regular file, device, fifo or socket as mode says.
func (v *Volume) Mknod(ctx context.Context, parent Ino, name string, mode, rdev uint32, cred Cred) (Attr, error) {
	rec := record{Mode: mode & (modeType | permBits)}
	switch mode & modeType {
	case 0, modeFile:
		rec.Mode |= modeFile
		rec.Inlined = true
	case syscall.S_IFCHR, syscall.S_IFBLK:
		rec.Rdev = rdev
	case syscall.S_IFIFO, syscall.S_IFSOCK:
	default:
		return Attr{}, syscall.EINVAL
	}
	return v.make(ctx, parent, name, rec, cred)
}

// Symlink makes a symbolic link to target.
func (v *Volume) Symlink(ctx context.Context, parent Ino, name, target string, cred Cred) (Attr, error) {
	if len(target) > maxTarget {
		return Attr{}, syscall.ENAMETOOLONG
	}
	rec := record{Mode: modeLink | 0o777, Target: target, Size: uint64(len(target))}
	return v.make(ctx, parent, name, rec, cred)
}

// Readlink returns a symlink's target.
func (v *Volume) Readlink(ctx context.Context, ino Ino) (string, error) {
	if ino >= VirtualIno {
		return v.views.readlink(ctx, ino)
	}
	v.lock()
	defer v.mu.Unlock()
	in, err := v.inode(ino)
	if err != nil {
		return "", err
	}
	if in.rec.Mode&modeType != modeLink {
		return "", syscall.EINVAL
	}
	v.relatime(in)
	return in.rec.Target, nil
}

// make creates an inode named name in parent.
func (v *Volume) make(ctx context.Context, parent Ino, name string, rec record, cred Cred) (Attr, error) {
	if err := v.writable(parent); err != nil {
		return Attr{}, err
	}
	v.lock()
	defer v.unlock()
	if err := v.admitInode(); err != nil {
		return Attr{}, err
	}
	if err := v.begin(ctx, len(rec.Target), logMargin, true); err != nil {
		return Attr{}, err
	}
	dir, d, err := v.vacant(parent, name)
	if err != nil {
		return Attr{}, err
	}
	t := v.now()
	made := op{Kind: opMake, At: t, Parent: parent, Name: name, Mode: rec.Mode, Rdev: rec.Rdev, UID: cred.UID, GID: cred.GID}
	rec.Nlink, rec.Links = 1, []link{{Parent: parent, Name: name}}
	in := v.newInode(dir, rec, cred, t)
	if rec.isDir() {
		in.rec.Nlink, in.complete = 2, true
		if dir.rec.Mode&syscall.S_ISGID != 0 {
			in.rec.Mode |= syscall.S_ISGID
		}
		dir.rec.Nlink++
	}
	v.change(in)
	failpoint.Hit(failpoint.OperationHalf)
	v.setDent(d, in.ino, in.rec.Mode&modeType)
	v.dirChanged(dir, +1, t)
	made.Ino = in.ino
	v.logged(ctx, made, []byte(rec.Target))
	return v.linked(in), nil
}

// admitInode waits for the database to catch up, and refuses one more inode if
// nothing can be kept, or there is no room. v.mu is held, and is given up while
// it waits.
func (v *Volume) admitInode() error {
	if v.pace(); v.failure != nil && v.log.replay == nil {
		return v.failure
	}
	if err := v.o.Space.Admit(rowCost); err != nil && err != ErrWouldBlock && v.log.replay == nil {
		return err
	}
	return nil
}

// newInode gives rec a number and an owner, as what is made in dir at time t
// has. v.mu is held.
func (v *Volume) newInode(dir *inode, rec record, cred Cred, t Time) *inode {
	rec.UID, rec.GID = cred.UID, cred.GID
	rec.Atime, rec.Mtime, rec.Ctime = t, t, t
	if dir.rec.Mode&syscall.S_ISGID != 0 {
		rec.GID = dir.rec.GID
	}
	if v.log.replay != nil {
		v.nextIno = v.log.replay.Ino
	}
	in := &inode{ino: v.nextIno, rec: rec}
	v.nextIno++
	v.count.Inodes++
	v.inodes[in.ino] = in
	return in
}

// Tmpfile makes a regular file without a name, as O_TMPFILE does. It goes when
// it is closed, unless Link gave it a name.
func (v *Volume) Tmpfile(ctx context.Context, parent Ino, mode uint32, cred Cred) (Attr, error) {
	if err := v.writable(parent); err != nil {
		return Attr{}, err
	}
	v.lock()
	defer v.unlock()
	if v.pace(); v.failure != nil && v.log.replay == nil {
		return Attr{}, v.failure
	}
	if err := v.begin(ctx, 0, logMargin, true); err != nil {
		return Attr{}, err
	}
	dir, err := v.dir(parent)
	if err != nil {
		return Attr{}, err
	}
	t := v.now()
	in := v.newInode(dir, record{Mode: modeFile | mode&permBits, Inlined: true}, cred, t)
	v.logged(ctx, op{Kind: opTmpfile, At: t, Ino: in.ino, Parent: parent, Mode: mode, UID: cred.UID, GID: cred.GID}, nil)
	v.pending.orphans[in.ino] = true
	v.change(in)
	return v.linked(in), nil
}

// vacant returns the directory and the free slot for a new name.
func (v *Volume) vacant(parent Ino, name string) (*inode, *dent, error) {
	dir, err := v.dir(parent)
	if err != nil {
		return nil, nil, err
	}
	if dir.rec.Nlink == 0 {
		return nil, nil, syscall.ENOENT
	}
	if name == "" || name == "." || name == ".." || parent == RootIno && name == viewsName {
		return nil, nil, syscall.EEXIST
	}
	d, err := v.find(dir, name)
	if err != nil {
		return nil, nil, err
	}
	if d.ino != 0 {
		return nil, nil, syscall.EEXIST
	}
	return dir, d, nil
}

// dirChanged notes n more entries in dir at time t.
func (v *Volume) dirChanged(dir *inode, n int64, t Time) {
	dir.rec.Size = uint64(int64(dir.rec.Size) + n)
	dir.rec.Mtime, dir.rec.Ctime = t, t
	v.touchInode(dir)
}

// Link gives ino another name.
func (v *Volume) Link(ctx context.Context, ino, parent Ino, name string) (Attr, error) {
	if err := v.writable(parent); err != nil {
		return Attr{}, err
	}
	if ino >= VirtualIno {
		return Attr{}, syscall.EXDEV
	}
	v.lock()
	defer v.unlock()
	if err := v.begin(ctx, 0, logMargin, true); err != nil {
		return Attr{}, err
	}
	in, err := v.inode(ino)
	if err != nil {
		return Attr{}, err
	}
	switch {
	case in.rec.isDir():
		return Attr{}, syscall.EPERM
	case in.rec.Nlink >= maxLinks:
		return Attr{}, syscall.EMLINK
	}
	dir, d, err := v.vacant(parent, name)
	if err != nil {
		return Attr{}, err
	}
	t := v.now()
	if in.rec.Nlink == 0 { // the kernel lets only those of Tmpfile pass
		v.pending.orphans[ino] = false
		v.count.Bytes += fileBytes(in)
	}
	in.rec.Nlink++
	in.rec.Ctime = t
	in.rec.Links = append(in.rec.Links, link{Parent: parent, Name: name}) // what copies see does not change
	v.touchInode(in)
	v.setDent(d, ino, in.rec.Mode&modeType)
	v.dirChanged(dir, +1, t)
	v.logged(ctx, op{Kind: opLink, At: t, Ino: ino, Parent: parent, Name: name}, nil)
	return v.linked(in), nil
}

// Unlink removes a name that is not a directory.
func (v *Volume) Unlink(ctx context.Context, parent Ino, name string, cred Cred) error {
	return v.remove(ctx, parent, name, false)
}

// Rmdir removes an empty directory.
func (v *Volume) Rmdir(ctx context.Context, parent Ino, name string, cred Cred) error {
	return v.remove(ctx, parent, name, true)
}

func (v *Volume) remove(ctx context.Context, parent Ino, name string, wantDir bool) error {
	if err := v.writable(parent); err != nil {
		return err
	}
	v.lock()
	defer v.unlock()
	v.pace()
	if err := v.begin(ctx, 0, logMargin, true); err != nil {
		return err
	}
	dir, d, in, err := v.entry(parent, name)
	if err != nil {
		return err
	}
	if err := removable(in, wantDir); err != nil {
		return err
	}
	t := v.now()
	v.setDent(d, 0, 0)
	v.unlinked(dir, in, link{Parent: parent, Name: name}, t)
	kind := opUnlink
	if wantDir {
		kind = opRmdir
	}
	v.logged(ctx, op{Kind: kind, At: t, Ino: in.ino, Parent: parent, Name: name}, nil)
	return nil
}

func removable(in *inode, wantDir bool) error {
	switch {
	case wantDir && !in.rec.isDir():
		return syscall.ENOTDIR
	case !wantDir && in.rec.isDir():
		return syscall.EISDIR
	case wantDir && in.rec.Size > 0:
		return syscall.ENOTEMPTY
	}
	return nil
}

// entry returns directory, entry and inode of an existing name.
func (v *Volume) entry(parent Ino, name string) (*inode, *dent, *inode, error) {
	dir, err := v.dir(parent)
	if err != nil {
		return nil, nil, nil, err
	}
	if parent == RootIno && name == viewsName {
		return nil, nil, nil, syscall.EROFS
	}
	d, err := v.find(dir, name)
	if err != nil {
		return nil, nil, nil, err
	}
	if d.ino == 0 {
		return nil, nil, nil, syscall.ENOENT
	}
	in, err := v.inode(d.ino)
	return dir, d, in, err
}

// unlinked does what follows when in lost its name l in dir.
func (v *Volume) unlinked(dir, in *inode, l link, t Time) {
	v.dirChanged(dir, -1, t)
	in.rec.Links = without(in.rec.Links, l)
	in.rec.Ctime = t
	if in.rec.isDir() {
		dir.rec.Nlink--
		in.rec.Nlink = 0
		delete(v.touched, in.ino)
	} else {
		in.rec.Nlink--
	}
	v.touchInode(in)
	if in.rec.Nlink == 0 {
		v.count.Bytes -= fileBytes(in)
		v.pending.orphans[in.ino] = true
		v.unref(in.ino)
	}
}

// without returns links less l, and more, if any, leaving the old slice as it
// is. It copies once: files have up to 65,000 links.
func without(links []link, l link, more ...link) []link {
	i := slices.Index(links, l)
	if i < 0 {
		i = len(links)
	}
	out := append(make([]link, 0, len(links)+len(more)), links[:i]...)
	return append(append(out, links[min(i+1, len(links)):]...), more...)
}

// writable refuses changes to a read-only volume and to the views.
func (v *Volume) writable(ino Ino) error {
	if v.o.ReadOnly || ino >= VirtualIno {
		return syscall.EROFS
	}
	return nil
}

// Parent returns the directory that holds the directory ino.
func (v *Volume) Parent(ctx context.Context, ino Ino) (Ino, error) {
	if ino >= VirtualIno {
		return v.views.parent(ino)
	}
	v.lock()
	defer v.mu.Unlock()
	in, err := v.dir(ino)
	if err != nil {
		return 0, err
	}
	if len(in.rec.Links) == 0 {
		return ino, nil
	}
	return in.rec.Links[0].Parent, nil
}
