// Package nullfs is the yardstick for mounts: a file system that costs nothing
// itself, behind the same library and request loop.
package nullfs

import (
	"context"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"pifs/fsnode"
	"pifs/mount"
)

// FS is the least that a file system can do: names and sizes in memory,
// data discarded, reads answered with a pattern. What it costs is what the
// kernel and the request loop cost.
type FS struct {
	mu    sync.RWMutex
	nodes []*node // by inode number; nil once removed and forgotten
}

type node struct {
	attr    fsnode.Attr // but size and times of change
	size    atomic.Uint64
	mtime   atomic.Int64 // nanoseconds since the epoch
	refs    atomic.Int64 // kernel references and opens
	target  string
	parent  fsnode.Ino
	entries map[string]int // place in list
	list    []entry        // in order of creation; name "" is a gap
}

type entry struct {
	name string
	node *node
}

// firstCookie is the lowest cookie that mount leaves to a file system.
const firstCookie = 16

var (
	_ mount.FS   = (*FS)(nil)
	_ mount.Plus = (*FS)(nil)
)

// New returns an empty file system.
func New() *FS {
	f := &FS{nodes: make([]*node, fsnode.RootIno)}
	root := f.add(syscall.S_IFDIR|0o755, fsnode.Cred{}, fsnode.RootIno)
	root.refs.Store(1)
	return f
}

// add makes an inode. f.mu is held, or f is not shared yet.
func (f *FS) add(mode uint32, cred fsnode.Cred, parent fsnode.Ino) *node {
	now := time.Now()
	t := fsnode.TimeOf(now)
	n := &node{parent: parent, attr: fsnode.Attr{
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

// find returns an inode. f.mu is held.
func (f *FS) find(ino fsnode.Ino) (*node, error) {
	if ino < fsnode.Ino(len(f.nodes)) && f.nodes[ino] != nil {
		return f.nodes[ino], nil
	}
	return nil, syscall.ESTALE
}

func (f *FS) dir(ino fsnode.Ino) (*node, error) {
	n, err := f.find(ino)
	if err == nil && n.entries == nil {
		err = syscall.ENOTDIR
	}
	return n, err
}

// get is find for callers that do not hold f.mu.
func (f *FS) get(ino fsnode.Ino) (*node, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.find(ino)
}

// stat returns n's attributes. f.mu is held.
func (n *node) stat() fsnode.Attr {
	a := n.attr
	a.Size = n.size.Load()
	a.Blocks = (a.Size + 511) / 512
	a.Mtime = fsnode.TimeOf(time.Unix(0, n.mtime.Load()))
	return a
}

func (d *node) child(name string) *node {
	if i, ok := d.entries[name]; ok {
		return d.list[i].node
	}
	return nil
}

func (d *node) link(name string, n *node) {
	d.entries[name] = len(d.list)
	d.list = append(d.list, entry{name, n})
}

// unlink leaves a gap, so that the cookies of the others stay. The gaps at the
// end are closed.
func (d *node) unlink(name string) {
	d.list[d.entries[name]] = entry{}
	delete(d.entries, name)
	if len(d.entries) == 0 {
		d.list = d.list[:0]
	}
}

func (f *FS) Lookup(_ context.Context, parent fsnode.Ino, name string) (fsnode.Attr, error) {
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

func (f *FS) Forget(ino fsnode.Ino, count uint64) {
	n, err := f.get(ino)
	if err == nil {
		f.unref(n, int64(count))
	}
}

// unref gives up references to n and frees it if it has no name either.
func (f *FS) unref(n *node, count int64) {
	if n.refs.Add(-count) > 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if n.attr.Nlink == 0 && n.refs.Load() == 0 {
		f.nodes[n.attr.Ino] = nil
	}
}
