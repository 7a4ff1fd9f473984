package mount

import (
	"context"
	"maps"
	"slices"
	"sync"
	"syscall"
	"time"

	"pifs/fsnode"
)

// memFS is a whole file system in memory, as dumb as it can be: what a mount
// shows of it is what the mount package makes of the kernel's requests.
type memFS struct {
	mu     sync.Mutex
	nodes  map[fsnode.Ino]*memNode
	next   fsnode.Ino
	cookie uint64

	// Hooks run without the lock. before sees every read, write and fsync;
	// hang is served by Readlink of the target "hang".
	before func(ctx context.Context, op, name string, wait bool) error
}

// PathOf implements Namer, as if all were in the root.
func (fs *memFS) PathOf(ino fsnode.Ino) string {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if n := fs.nodes[ino]; n != nil {
		return "/" + n.name
	}
	return ""
}

type memNode struct {
	attr    fsnode.Attr
	name    string // the last one given, for hooks
	data    []byte
	target  string
	xattrs  map[string][]byte
	entries map[string]memEntry
	parent  fsnode.Ino
	refs    uint64
	opens   int
	writers int
}

type memEntry struct {
	ino    fsnode.Ino
	cookie uint64
}

var (
	_ FS    = (*memFS)(nil)
	_ Namer = (*memFS)(nil)
	_ Plus  = (*memFS)(nil)
)

func newMemFS() *memFS {
	m := &memFS{nodes: make(map[fsnode.Ino]*memNode), next: fsnode.RootIno, cookie: firstCookie}
	root := m.newNode(syscall.S_IFDIR|0o755, fsnode.Cred{})
	root.attr.Nlink = 2
	root.parent = fsnode.RootIno
	root.refs = 1
	return m
}

func memNow() fsnode.Time { return fsnode.TimeOf(time.Now()) }

func (m *memFS) newNode(mode uint32, cred fsnode.Cred) *memNode {
	t := memNow()
	n := &memNode{attr: fsnode.Attr{
		Ino: m.next, Mode: mode, Nlink: 1, UID: cred.UID, GID: cred.GID, Atime: t, Mtime: t, Ctime: t,
	}}
	if mode&syscall.S_IFMT == syscall.S_IFDIR {
		n.entries = make(map[string]memEntry)
		n.attr.Nlink = 2
	}
	m.nodes[m.next] = n
	m.next++
	return n
}

func (m *memFS) node(ino fsnode.Ino) (*memNode, error) {
	if n := m.nodes[ino]; n != nil {
		return n, nil
	}
	return nil, syscall.ESTALE
}

func (m *memFS) dir(ino fsnode.Ino) (*memNode, error) {
	n, err := m.node(ino)
	if err == nil && n.entries == nil {
		err = syscall.ENOTDIR
	}
	return n, err
}

// child returns directory, entry and inode of a name.
func (m *memFS) child(parent fsnode.Ino, name string) (*memNode, *memNode, error) {
	d, err := m.dir(parent)
	if err != nil {
		return nil, nil, err
	}
	e, ok := d.entries[name]
	if !ok {
		return d, nil, syscall.ENOENT
	}
	n, err := m.node(e.ino)
	return d, n, err
}

func (m *memFS) Lookup(_ context.Context, parent fsnode.Ino, name string) (fsnode.Attr, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, n, err := m.child(parent, name)
	if err != nil {
		return fsnode.Attr{}, err
	}
	n.refs++
	return n.attr, nil
}

func (m *memFS) Forget(ino fsnode.Ino, n uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	node := m.nodes[ino]
	if node == nil || node.refs < n {
		panic("forget of what is not referenced")
	}
	node.refs -= n
	m.reap(node)
}

// reap frees an inode that nothing needs.
func (m *memFS) reap(n *memNode) {
	if n.attr.Nlink == 0 && n.refs == 0 && n.opens == 0 {
		delete(m.nodes, n.attr.Ino)
	}
}

// link gives n a name in d.
func (m *memFS) link(d *memNode, name string, n *memNode) error {
	switch _, taken := d.entries[name]; {
	case taken:
		return syscall.EEXIST
	case d.attr.Nlink == 0:
		return syscall.ENOENT
	}
	m.cookie++
	d.entries[name] = memEntry{n.attr.Ino, m.cookie}
	n.name = name
	if n.entries != nil {
		n.parent = d.attr.Ino
		d.attr.Nlink++
	}
	d.attr.Mtime = memNow()
	d.attr.Ctime = d.attr.Mtime
	return nil
}

func (m *memFS) unlink(d *memNode, name string, n *memNode) {
	delete(d.entries, name)
	n.attr.Nlink--
	if n.entries != nil {
		n.attr.Nlink = 0
		d.attr.Nlink--
	}
	d.attr.Mtime = memNow()
	d.attr.Ctime, n.attr.Ctime = d.attr.Mtime, d.attr.Mtime
	m.reap(n)
}

func (m *memFS) create(parent fsnode.Ino, name string, mode uint32, cred fsnode.Cred, fill func(*memNode)) (fsnode.Attr, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, err := m.dir(parent)
	if err != nil {
		return fsnode.Attr{}, err
	}
	n := m.newNode(mode, cred)
	if d.attr.Mode&syscall.S_ISGID != 0 {
		n.attr.GID = d.attr.GID
		if n.entries != nil {
			n.attr.Mode |= syscall.S_ISGID
		}
	}
	if fill != nil {
		fill(n)
	}
	if err := m.link(d, name, n); err != nil {
		delete(m.nodes, n.attr.Ino)
		return fsnode.Attr{}, err
	}
	n.refs++
	return n.attr, nil
}

func (m *memFS) Create(_ context.Context, parent fsnode.Ino, name string, mode uint32, cred fsnode.Cred) (fsnode.Attr, error) {
	return m.create(parent, name, mode&07777|syscall.S_IFREG, cred, nil)
}

func (m *memFS) Mkdir(_ context.Context, parent fsnode.Ino, name string, mode uint32, cred fsnode.Cred) (fsnode.Attr, error) {
	return m.create(parent, name, mode&07777|syscall.S_IFDIR, cred, nil)
}

func (m *memFS) Mknod(_ context.Context, parent fsnode.Ino, name string, mode, rdev uint32, cred fsnode.Cred) (fsnode.Attr, error) {
	return m.create(parent, name, mode, cred, func(n *memNode) { n.attr.Rdev = rdev })
}

func (m *memFS) Symlink(_ context.Context, parent fsnode.Ino, name, target string, cred fsnode.Cred) (fsnode.Attr, error) {
	return m.create(parent, name, syscall.S_IFLNK|0o777, cred, func(n *memNode) {
		n.target = target
		n.attr.Size = uint64(len(target))
	})
}

func (m *memFS) Link(_ context.Context, ino, parent fsnode.Ino, name string) (fsnode.Attr, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.node(ino)
	if err != nil {
		return fsnode.Attr{}, err
	}
	d, err := m.dir(parent)
	if err != nil {
		return fsnode.Attr{}, err
	}
	if err := m.link(d, name, n); err != nil {
		return fsnode.Attr{}, err
	}
	n.attr.Nlink++
	n.attr.Ctime = memNow()
	n.refs++
	return n.attr, nil
}

func (m *memFS) Readlink(_ context.Context, ino fsnode.Ino) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.node(ino)
	if err != nil {
		return "", err
	}
	return n.target, nil
}

func (m *memFS) remove(parent fsnode.Ino, name string, wantDir bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, n, err := m.child(parent, name)
	if err != nil {
		return err
	}
	if err := memRemovable(n, wantDir); err != nil {
		return err
	}
	m.unlink(d, name, n)
	return nil
}

func memRemovable(n *memNode, wantDir bool) error {
	switch isDir := n.entries != nil; {
	case wantDir && !isDir:
		return syscall.ENOTDIR
	case !wantDir && isDir:
		return syscall.EISDIR
	case isDir && len(n.entries) > 0:
		return syscall.ENOTEMPTY
	}
	return nil
}

func (m *memFS) Unlink(_ context.Context, parent fsnode.Ino, name string, _ fsnode.Cred) error {
	return m.remove(parent, name, false)
}

func (m *memFS) Rmdir(_ context.Context, parent fsnode.Ino, name string, _ fsnode.Cred) error {
	return m.remove(parent, name, true)
}

func (m *memFS) Rename(_ context.Context, oldParent fsnode.Ino, oldName string, newParent fsnode.Ino, newName string, _ fsnode.Cred) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	from, n, err := m.child(oldParent, oldName)
	if err != nil {
		return err
	}
	to, old, err := m.child(newParent, newName)
	switch {
	case err == syscall.ENOENT:
	case err != nil:
		return err
	case old == n:
		return nil
	default:
		if err := memRemovable(old, n.entries != nil); err != nil {
			return err
		}
		m.unlink(to, newName, old)
	}
	nlink := n.attr.Nlink
	m.unlink(from, oldName, &memNode{attr: n.attr, entries: n.entries, opens: 1})
	n.attr.Nlink = nlink
	return m.link(to, newName, n)
}

func (m *memFS) Parent(_ context.Context, ino fsnode.Ino) (fsnode.Ino, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.dir(ino)
	if err != nil {
		return 0, err
	}
	return n.parent, nil
}

// Hold implements Plus.
func (m *memFS) Hold(ino fsnode.Ino) (fsnode.Attr, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.nodes[ino]
	if n == nil {
		return fsnode.Attr{}, false
	}
	n.refs++
	return n.attr, true
}

func (m *memFS) ReaddirPlus(ctx context.Context, ino fsnode.Ino, cookie uint64, fn func(fsnode.DirEntry) bool) error {
	return m.Readdir(ctx, ino, cookie, fn)
}

func (m *memFS) Readdir(_ context.Context, ino fsnode.Ino, cookie uint64, fn func(fsnode.DirEntry) bool) error {
	list, err := m.list(ino, cookie)
	for _, e := range list {
		if !fn(e) {
			break
		}
	}
	return err
}

func (m *memFS) list(ino fsnode.Ino, cookie uint64) (list []fsnode.DirEntry, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, err := m.dir(ino)
	if err != nil {
		return nil, err
	}
	names := slices.SortedFunc(maps.Keys(d.entries), func(a, b string) int {
		return int(int64(d.entries[a].cookie) - int64(d.entries[b].cookie))
	})
	for _, name := range names {
		e := d.entries[name]
		if e.cookie > cookie {
			list = append(list, fsnode.DirEntry{Name: name, Ino: e.ino, Mode: m.nodes[e.ino].attr.Mode, Next: e.cookie})
		}
	}
	return list, nil
}
