package main

import (
	"context"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"pifs/fsnode"
	"pifs/mount"
)

// nullFS is the least that a file system can do: names and sizes in memory,
// data discarded, reads answered with a pattern. What it costs is what the
// kernel and the request loop cost.
type nullFS struct {
	mu    sync.RWMutex
	nodes []*nullNode // by inode number; nil once removed and forgotten
}

type nullNode struct {
	attr    fsnode.Attr // but size and times of change
	size    atomic.Uint64
	mtime   atomic.Int64 // nanoseconds since the epoch
	refs    atomic.Int64 // kernel references and opens
	target  string
	parent  fsnode.Ino
	entries map[string]int // place in list
	list    []nullEntry    // in order of creation; name "" is a gap
}

type nullEntry struct {
	name string
	node *nullNode
}

// firstCookie is the lowest cookie that mount leaves to a file system.
const firstCookie = 16

var _ mount.FS = (*nullFS)(nil)

func newNullFS() *nullFS {
	f := &nullFS{nodes: make([]*nullNode, fsnode.RootIno)}
	root := f.add(syscall.S_IFDIR|0o755, fsnode.Cred{}, fsnode.RootIno)
	root.refs.Store(1)
	return f
}

// add makes an inode. f.mu is held, or f is not shared yet.
func (f *nullFS) add(mode uint32, cred fsnode.Cred, parent fsnode.Ino) *nullNode {
	now := time.Now()
	t := fsnode.TimeOf(now)
	n := &nullNode{parent: parent, attr: fsnode.Attr{
		Ino: fsnode.Ino(len(f.nodes)), Mode: mode, Nlink: 1, UID: cred.UID, GID: cred.GID, Atime: t, Ctime: t,
	}}
	n.mtime.Store(now.UnixNano())
	if mode&syscall.S_IFMT == syscall.S_IFDIR {
		n.entries = make(map[string]int)
		n.attr.Nlink = 2
	}
	f.nodes = append(f.nodes, n)
	return n
}

// node returns an inode. f.mu is held.
func (f *nullFS) node(ino fsnode.Ino) (*nullNode, error) {
	if ino < fsnode.Ino(len(f.nodes)) && f.nodes[ino] != nil {
		return f.nodes[ino], nil
	}
	return nil, syscall.ESTALE
}

func (f *nullFS) dir(ino fsnode.Ino) (*nullNode, error) {
	n, err := f.node(ino)
	if err == nil && n.entries == nil {
		err = syscall.ENOTDIR
	}
	return n, err
}

// get is node for callers that do not hold f.mu.
func (f *nullFS) get(ino fsnode.Ino) (*nullNode, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.node(ino)
}

// stat returns n's attributes. f.mu is held.
func (n *nullNode) stat() fsnode.Attr {
	a := n.attr
	a.Size = n.size.Load()
	a.Blocks = (a.Size + 511) / 512
	a.Mtime = fsnode.TimeOf(time.Unix(0, n.mtime.Load()))
	return a
}

func (d *nullNode) child(name string) *nullNode {
	if i, ok := d.entries[name]; ok {
		return d.list[i].node
	}
	return nil
}

func (d *nullNode) link(name string, n *nullNode) {
	d.entries[name] = len(d.list)
	d.list = append(d.list, nullEntry{name, n})
}

// unlink leaves a gap, so that the cookies of the others stay. The gaps at the
// end are closed.
func (d *nullNode) unlink(name string) {
	d.list[d.entries[name]] = nullEntry{}
	delete(d.entries, name)
	if len(d.entries) == 0 {
		d.list = d.list[:0]
	}
}

func (f *nullFS) Lookup(_ context.Context, parent fsnode.Ino, name string) (fsnode.Attr, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	d, err := f.dir(parent)
	if err != nil {
		return fsnode.Attr{}, err
	}
	n := d.child(name)
	if n == nil {
		return fsnode.Attr{}, syscall.ENOENT
	}
	n.refs.Add(1)
	return n.stat(), nil
}

func (f *nullFS) Forget(ino fsnode.Ino, count uint64) {
	n, err := f.get(ino)
	if err == nil {
		f.unref(n, int64(count))
	}
}

// unref gives up references to n and frees it if it has no name either.
func (f *nullFS) unref(n *nullNode, count int64) {
	if n.refs.Add(-count) > 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if n.attr.Nlink == 0 && n.refs.Load() == 0 {
		f.nodes[n.attr.Ino] = nil
	}
}

func (f *nullFS) create(parent fsnode.Ino, name string, mode uint32, cred fsnode.Cred, fill func(*nullNode)) (fsnode.Attr, error) {
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

func (f *nullFS) Create(_ context.Context, parent fsnode.Ino, name string, mode uint32, cred fsnode.Cred) (fsnode.Attr, error) {
	return f.create(parent, name, syscall.S_IFREG|mode&0o7777, cred, nil)
}

func (f *nullFS) Mkdir(_ context.Context, parent fsnode.Ino, name string, mode uint32, cred fsnode.Cred) (fsnode.Attr, error) {
	return f.create(parent, name, syscall.S_IFDIR|mode&0o7777, cred, nil)
}

func (f *nullFS) Mknod(_ context.Context, parent fsnode.Ino, name string, mode, rdev uint32, cred fsnode.Cred) (fsnode.Attr, error) {
	return f.create(parent, name, mode, cred, func(n *nullNode) { n.attr.Rdev = rdev })
}

func (f *nullFS) Symlink(_ context.Context, parent fsnode.Ino, name, target string, cred fsnode.Cred) (fsnode.Attr, error) {
	return f.create(parent, name, syscall.S_IFLNK|0o777, cred, func(n *nullNode) {
		n.target = target
		n.size.Store(uint64(len(target)))
	})
}

func (f *nullFS) Link(_ context.Context, ino, parent fsnode.Ino, name string) (fsnode.Attr, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.node(ino)
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

func (f *nullFS) Readlink(_ context.Context, ino fsnode.Ino) (string, error) {
	n, err := f.get(ino)
	if err != nil {
		return "", err
	}
	return n.target, nil
}

func (f *nullFS) Unlink(_ context.Context, parent fsnode.Ino, name string, _ fsnode.Cred) error {
	return f.remove(parent, name)
}

func (f *nullFS) Rmdir(_ context.Context, parent fsnode.Ino, name string, _ fsnode.Cred) error {
	return f.remove(parent, name)
}

func (f *nullFS) remove(parent fsnode.Ino, name string) error {
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
func (f *nullFS) drop(d *nullNode, name string, n *nullNode) {
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

func (f *nullFS) Rename(_ context.Context, oldParent fsnode.Ino, oldName string, newParent fsnode.Ino, newName string, _ fsnode.Cred) error {
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
