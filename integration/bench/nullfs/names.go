package nullfs

import (
	"context"
	"syscall"

	"pifs/fsnode"
)

func (f *FS) create(parent fsnode.Ino, name string, mode uint32, cred fsnode.Cred, fill func(*node)) (fsnode.Attr, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, err := f.dir(parent)
	if err != nil {
		return fsnode.Attr{}, err
	}
	if d.child(name) != nil {
		return fsnode.Attr{}, syscall.EEXIST
	}
	n := f.add(mode, cred, parent)
	if n.entries != nil {
		d.attr.Nlink++
	}
	if fill != nil {
		fill(n)
	}
	d.link(name, n)
	n.refs.Store(1)
	return n.stat(), nil
}

func (f *FS) Create(_ context.Context, parent fsnode.Ino, name string, mode uint32, cred fsnode.Cred) (fsnode.Attr, error) {
	return f.create(parent, name, syscall.S_IFREG|mode&0o7777, cred, nil)
}

func (f *FS) Mkdir(_ context.Context, parent fsnode.Ino, name string, mode uint32, cred fsnode.Cred) (fsnode.Attr, error) {
	return f.create(parent, name, syscall.S_IFDIR|mode&0o7777, cred, nil)
}

func (f *FS) Mknod(_ context.Context, parent fsnode.Ino, name string, mode, rdev uint32, cred fsnode.Cred) (fsnode.Attr, error) {
	return f.create(parent, name, mode, cred, func(n *node) { n.attr.Rdev = rdev })
}

func (f *FS) Symlink(_ context.Context, parent fsnode.Ino, name, target string, cred fsnode.Cred) (fsnode.Attr, error) {
	return f.create(parent, name, syscall.S_IFLNK|0o777, cred, func(n *node) {
		n.target = target
		n.size.Store(uint64(len(target)))
	})
}

func (f *FS) Link(_ context.Context, ino, parent fsnode.Ino, name string) (fsnode.Attr, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.find(ino)
	if err != nil {
		return fsnode.Attr{}, err
	}
	d, err := f.dir(parent)
	switch {
	case err != nil:
		return fsnode.Attr{}, err
	case d.child(name) != nil:
		return fsnode.Attr{}, syscall.EEXIST
	}
	d.link(name, n)
	n.attr.Nlink++
	n.refs.Add(1)
	return n.stat(), nil
}

func (f *FS) Readlink(_ context.Context, ino fsnode.Ino) (string, error) {
	n, err := f.get(ino)
	if err != nil {
		return "", err
	}
	return n.target, nil
}

func (f *FS) Unlink(_ context.Context, parent fsnode.Ino, name string, _ fsnode.Cred) error {
	return f.remove(parent, name)
}

func (f *FS) Rmdir(_ context.Context, parent fsnode.Ino, name string, _ fsnode.Cred) error {
	return f.remove(parent, name)
}

func (f *FS) remove(parent fsnode.Ino, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, err := f.dir(parent)
	if err != nil {
		return err
	}
	n := d.child(name)
	switch {
	case n == nil:
		return syscall.ENOENT
	case len(n.entries) > 0:
		return syscall.ENOTEMPTY
	}
	f.drop(d, name, n)
	return nil
}

// drop takes the name of n in d away. f.mu is held.
func (f *FS) drop(d *node, name string, n *node) {
	d.unlink(name)
	n.attr.Nlink--
	if n.entries != nil {
		n.attr.Nlink = 0
		d.attr.Nlink--
	}
	if n.attr.Nlink == 0 && n.refs.Load() == 0 {
		f.nodes[n.attr.Ino] = nil
	}
}

func (f *FS) Rename(_ context.Context, oldParent fsnode.Ino, oldName string, newParent fsnode.Ino, newName string, _ fsnode.Cred) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	from, err := f.dir(oldParent)
	if err != nil {
		return err
	}
	to, err := f.dir(newParent)
	if err != nil {
		return err
	}
	n := from.child(oldName)
	if n == nil {
		return syscall.ENOENT
	}
	switch old := to.child(newName); {
	case old == n:
		return nil
	case old != nil && len(old.entries) > 0:
		return syscall.ENOTEMPTY
	case old != nil:
		f.drop(to, newName, old)
	}
	from.unlink(oldName)
	to.link(newName, n)
	if n.entries != nil {
		from.attr.Nlink--
		to.attr.Nlink++
		n.parent = newParent
	}
	return nil
}
