package faultfs

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"pifs/fsnode"
	"pifs/mount"
)

const (
	firstCookie = 16          // the lowest cookie that mount leaves to a file system
	markXattr   = "user.mark" // setting it on the root makes a mark
)

// FS serves a Disk to a mount. It is safe for concurrent use.
type FS struct {
	mu     sync.Mutex
	disk   *Disk
	log    []Op
	names  map[uint64]string // paths by which inodes were made or linked
	onMark func(string)
	fault  *Fault
	count  int
	hits   int
}

var _ mount.FS = (*FS)(nil)

// New returns an empty file system.
func New() *FS { return &FS{disk: NewDisk(), names: map[uint64]string{}} }

// OnMark makes fn be told of marks before whoever makes them goes on. It is
// called before the file system is mounted.
func (fs *FS) OnMark(fn func(text string)) { fs.onMark = fn }

// Log returns all ops since the beginning.
func (fs *FS) Log() []Op {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return slices.Clone(fs.log)
}

// memory reports whether ino is SQLite's shared memory. fs.mu is held.
func (fs *FS) memory(ino uint64) bool { return strings.HasSuffix(fs.names[ino], "-shm") }

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func (fs *FS) node(ino fsnode.Ino) (*inode, error) {
	if ino == 0 || ino >= uint64(len(fs.disk.inodes)) {
		return nil, syscall.ESTALE
	}
	return fs.disk.inodes[ino], nil
}

func (fs *FS) dir(ino fsnode.Ino) (*inode, error) {
	n, err := fs.node(ino)
	if err == nil && n.cached == nil {
		err = syscall.ENOTDIR
	}
	return n, err
}

// child returns the inode that name stands for in the directory dir.
func (fs *FS) child(dir fsnode.Ino, name string) (uint64, error) {
	d, err := fs.dir(dir)
	if err != nil {
		return 0, err
	}
	if e, ok := d.cached[name]; ok {
		return e.ino, nil
	}
	return 0, syscall.ENOENT
}

// attr returns the attributes of an inode that exists. fs.mu is held.
func (fs *FS) attr(ino uint64) fsnode.Attr {
	n := fs.disk.inodes[ino]
	now := fsnode.TimeOf(time.Unix(1_000_000_000, 0))
	a := fsnode.Attr{Ino: ino, Mode: n.mode, Nlink: uint32(n.links), Atime: now, Mtime: now, Ctime: now}
	switch {
	case n.cached != nil:
		a.Nlink = 2
	case n.file != nil:
		a.Size = uint64(n.file.size)
		a.Blocks = (a.Size + 511) / 512
	default:
		a.Size = uint64(len(n.target))
	}
	return a
}

// Lookup implements mount.FS.
func (fs *FS) Lookup(_ context.Context, parent fsnode.Ino, name string) (fsnode.Attr, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	ino, err := fs.child(parent, name)
	if err != nil {
		return fsnode.Attr{}, err
	}
	return fs.attr(ino), nil
}

// Forget implements mount.FS. Inodes stay: a crash may bring their names back.
func (fs *FS) Forget(fsnode.Ino, uint64) {}

// create makes an inode that op describes.
func (fs *FS) create(op Op) (fsnode.Attr, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if _, err := fs.child(op.Dir, op.Name); err != syscall.ENOENT {
		return fsnode.Attr{}, cmp.Or[error](err, syscall.EEXIST)
	}
	if _, err := fs.do(op); err != nil {
		return fsnode.Attr{}, err
	}
	ino, err := fs.child(op.Dir, op.Name)
	if err != nil {
		return fsnode.Attr{}, err
	}
	fs.names[ino] = fs.names[op.Dir] + "/" + op.Name
	return fs.attr(ino), nil
}

// Create implements mount.FS.
func (fs *FS) Create(_ context.Context, parent fsnode.Ino, name string, mode uint32, _ fsnode.Cred) (fsnode.Attr, error) {
	return fs.create(Op{Kind: Create, Dir: parent, Name: name, Mode: syscall.S_IFREG | mode&0o7777})
}

// Mkdir implements mount.FS.
func (fs *FS) Mkdir(_ context.Context, parent fsnode.Ino, name string, mode uint32, _ fsnode.Cred) (fsnode.Attr, error) {
	return fs.create(Op{Kind: Create, Dir: parent, Name: name, Mode: syscall.S_IFDIR | mode&0o7777})
}

// Mknod implements mount.FS.
func (fs *FS) Mknod(_ context.Context, parent fsnode.Ino, name string, mode, _ uint32, _ fsnode.Cred) (fsnode.Attr, error) {
	return fs.create(Op{Kind: Create, Dir: parent, Name: name, Mode: mode})
}

// Symlink implements mount.FS.
func (fs *FS) Symlink(_ context.Context, parent fsnode.Ino, name, target string, _ fsnode.Cred) (fsnode.Attr, error) {
	return fs.create(Op{Kind: Symlink, Dir: parent, Name: name, Mode: syscall.S_IFLNK | 0o777, Target: target})
}

// Link implements mount.FS.
func (fs *FS) Link(_ context.Context, ino, parent fsnode.Ino, name string) (fsnode.Attr, error) {
	return fs.create(Op{Kind: Link, Ino: ino, Dir: parent, Name: name})
}

// Readlink implements mount.FS.
func (fs *FS) Readlink(_ context.Context, ino fsnode.Ino) (string, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	n, err := fs.node(ino)
	if err != nil {
		return "", err
	}
	return n.target, nil
}

// Unlink implements mount.FS.
func (fs *FS) Unlink(_ context.Context, parent fsnode.Ino, name string, _ fsnode.Cred) error {
	return fs.remove(parent, name)
}

// Rmdir implements mount.FS.
func (fs *FS) Rmdir(_ context.Context, parent fsnode.Ino, name string, _ fsnode.Cred) error {
	return fs.remove(parent, name)
}

func (fs *FS) remove(parent fsnode.Ino, name string) error {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	ino, err := fs.child(parent, name)
	if err != nil {
		return err
	}
	if len(fs.disk.inodes[ino].cached) > 0 {
		return syscall.ENOTEMPTY
	}
	_, err = fs.do(Op{Kind: Unlink, Ino: ino, Dir: parent, Name: name})
	return err
}

// Rename implements mount.FS.
func (fs *FS) Rename(_ context.Context, oldParent fsnode.Ino, oldName string, newParent fsnode.Ino, newName string, _ fsnode.Cred) error {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	ino, err := fs.child(oldParent, oldName)
	if err != nil {
		return err
	}
	old, err := fs.child(newParent, newName)
	switch {
	case err != nil && err != syscall.ENOENT:
		return err
	case old == ino:
		return nil
	case old != 0 && len(fs.disk.inodes[old].cached) > 0:
		return syscall.ENOTEMPTY
	}
	_, err = fs.do(Op{Kind: Rename, Ino: ino, Dir: oldParent, Name: oldName, NewDir: newParent, NewName: newName})
	return err
}

// Readdir implements mount.FS.
func (fs *FS) Readdir(_ context.Context, ino fsnode.Ino, cookie uint64, fn func(fsnode.DirEntry) bool) error {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	d, err := fs.dir(ino)
	if err != nil {
		return err
	}
	names := slices.SortedFunc(maps.Keys(d.cached), func(a, b string) int { return cmp.Compare(d.cached[a].cookie, d.cached[b].cookie) })
	for _, name := range names {
		e := d.cached[name]
		if e.cookie > cookie && !fn(fsnode.DirEntry{Name: name, Ino: e.ino, Mode: fs.disk.inodes[e.ino].mode & syscall.S_IFMT, Next: e.cookie}) {
			return nil
		}
	}
	return nil
}

// Parent implements mount.FS.
func (fs *FS) Parent(_ context.Context, ino fsnode.Ino) (fsnode.Ino, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	d, err := fs.dir(ino)
	if err != nil {
		return 0, err
	}
	return d.parent, nil
}
