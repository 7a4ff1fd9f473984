package fsnode

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"syscall"

	"github.com/zeebo/blake3"

	"pifs/fsnode/mst"
)

// viewsName is the folder in a volume's root, not listed there, under which
// the heads can be read.
const viewsName = ".pifs"

const (
	viewsIno     = VirtualIno     // .pifs
	snapshotsIno = VirtualIno + 1 // .pifs/snapshots
)

// views are the read-only trees under .pifs/snapshots/NAME-or-number. They are
// read from the Merkle trees of the heads and nothing else.
type views struct {
	v     *Volume
	mu    sync.Mutex
	nodes map[Ino]*view
}

// view is an inode of a view. Its fields but lookups and marks do not change.
type view struct {
	ino, up Ino
	e       entry
	lookups uint64

	mu     sync.Mutex
	exts   []extent // of a file, once read
	loaded bool
	marks  map[uint64]string // the name that the entry with this cookie has
}

func newViews(v *Volume) *views {
	w := &views{v: v, nodes: map[Ino]*view{}}
	dir := entry{Mode: modeDir | 0o555}
	w.nodes[viewsIno] = &view{ino: viewsIno, up: RootIno, e: dir, lookups: 1}
	w.nodes[snapshotsIno] = &view{ino: snapshotsIno, up: viewsIno, e: dir, lookups: 1}
	return w
}

// owns reports whether a name is looked up in the views.
func (w *views) owns(parent Ino, name string) bool {
	return parent >= VirtualIno || parent == RootIno && name == viewsName
}

func (w *views) get(ino Ino) (*view, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.nodes[ino]
	if n == nil {
		return nil, syscall.ESTALE
	}
	return n, nil
}

func (w *views) forget(ino Ino, n uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	x := w.nodes[ino]
	if x == nil || ino <= snapshotsIno {
		return
	}
	x.lookups -= min(n, x.lookups)
	if x.lookups == 0 {
		delete(w.nodes, ino)
	}
}

// childIno is the inode number of a name below a view: always the same one.
func childIno(parent Ino, name string) Ino {
	b := binary.LittleEndian.AppendUint64(nil, parent)
	h := blake3.Sum256(append(b, name...))
	return VirtualIno + 16 + binary.LittleEndian.Uint64(h[:])>>3
}

func (w *views) lookup(ctx context.Context, parent Ino, name string) (Attr, error) {
	if parent == RootIno {
		return w.getattr(ctx, viewsIno)
	}
	if parent == viewsIno {
		if name != "snapshots" {
			return Attr{}, syscall.ENOENT
		}
		return w.getattr(ctx, snapshotsIno)
	}
	e, err := w.child(ctx, parent, name)
	if err != nil {
		return Attr{}, err
	}
	ino := childIno(parent, name)
	w.mu.Lock()
	n := w.nodes[ino]
	if n == nil {
		n = &view{ino: ino, up: parent, e: e}
		w.nodes[ino] = n
	}
	n.lookups++
	w.mu.Unlock()
	return w.attr(n), nil
}

// child returns the entry that name is in a view's directory.
func (w *views) child(ctx context.Context, parent Ino, name string) (entry, error) {
	if parent == snapshotsIno {
		h, err := w.v.FindHead(name)
		if err != nil {
			return entry{}, syscall.ENOENT
		}
		return h.tree.Root, nil
	}
	n, err := w.get(parent)
	if err != nil {
		return entry{}, err
	}
	if !n.e.isDir() {
		return entry{}, syscall.ENOTDIR
	}
	raw, ok, err := mst.Get(ctx, treeBlocks{w.v}, get(n.e.Dir), []byte(name))
	if err != nil {
		return entry{}, err
	}
	if !ok {
		return entry{}, syscall.ENOENT
	}
	return decodeEntry(raw)
}

func (w *views) attr(n *view) Attr {
	a := Attr{
		Ino: n.ino, Mode: n.e.Mode, Nlink: 1, UID: n.e.UID, GID: n.e.GID, Rdev: n.e.Rdev, Size: n.e.Size,
		Atime: n.e.Mtime, Mtime: n.e.Mtime, Ctime: n.e.Mtime, Blocks: (n.e.Size + 511) / 512,
	}
	if n.e.isDir() {
		// One link says that nobody counted the folders in it; two would have
		// find(1) believe that there are none.
		a.Size, a.Blocks = 4096, 8
	}
	return a
}

func (w *views) getattr(_ context.Context, ino Ino) (Attr, error) {
	n, err := w.get(ino)
	if err != nil {
		return Attr{}, err
	}
	return w.attr(n), nil
}

func (w *views) parent(ino Ino) (Ino, error) {
	n, err := w.get(ino)
	if err != nil {
		return 0, err
	}
	return n.up, nil
}

func (w *views) readlink(_ context.Context, ino Ino) (string, error) {
	n, err := w.get(ino)
	if err != nil {
		return "", err
	}
	if n.e.Mode&modeType != modeLink {
		return "", syscall.EINVAL
	}
	return n.e.Target, nil
}

func (w *views) getxattr(_ context.Context, ino Ino, name string) ([]byte, error) {
	n, err := w.get(ino)
	if err != nil {
		return nil, err
	}
	for _, x := range n.e.Xattrs {
		if x.Name == name {
			return x.Value, nil
		}
	}
	return nil, syscall.ENODATA
}

func (w *views) listxattr(_ context.Context, ino Ino) ([]string, error) {
	n, err := w.get(ino)
	if err != nil {
		return nil, err
	}
	return xattrNames(n.e.Xattrs), nil
}

func (w *views) read(ctx context.Context, ino Ino, off int64, p []byte) (int, error) {
	n, err := w.get(ino)
	if err != nil {
		return 0, err
	}
	if !n.e.isFile() {
		return 0, syscall.EISDIR
	}
	if off < 0 || off >= int64(n.e.Size) {
		return 0, nil
	}
	p = p[:min(int64(len(p)), int64(n.e.Size)-off)]
	if len(n.e.Inline) > 0 {
		return copy(p, n.e.Inline[off:]), nil
	}
	exts, err := n.extents(ctx, w.v)
	if err == nil {
		err = w.v.readExtents(ctx, exts, off, p)
	}
	if err != nil {
		return 0, fmt.Errorf("read snapshot: %w", err)
	}
	return len(p), nil
}

func (n *view) extents(ctx context.Context, v *Volume) ([]extent, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.loaded {
		return n.exts, nil
	}
	exts, err := readFile(ctx, treeBlocks{v}, get(n.e.File), int64(n.e.Size))
	if err == nil {
		n.exts, n.loaded = exts, true
	}
	return exts, err
}

// readdir lists a view's directory. A cookie is the entry's ordinal plus
// firstCookie; where it stands in the tree is remembered for the last entry of
// each call, so that going on does not start over.
func (w *views) readdir(ctx context.Context, ino Ino, cookie uint64, fn func(DirEntry) bool) error {
	switch ino {
	case viewsIno:
		if cookie < firstCookie {
			fn(DirEntry{Name: "snapshots", Ino: snapshotsIno, Mode: modeDir, Next: firstCookie})
		}
		return nil
	case snapshotsIno:
		return w.listHeads(cookie, fn)
	}
	n, err := w.get(ino)
	if err != nil {
		return err
	}
	if !n.e.isDir() {
		return syscall.ENOTDIR
	}
	return n.list(ctx, w.v, cookie, fn)
}

func (n *view) list(ctx context.Context, v *Volume, cookie uint64, fn func(DirEntry) bool) error {
	next := uint64(firstCookie)
	var from []byte
	n.mu.Lock()
	if name, ok := n.marks[cookie]; ok {
		next, from = cookie, []byte(name)
	}
	n.mu.Unlock()
	err := mst.Range(ctx, treeBlocks{v}, get(n.e.Dir), from, func(key, value []byte) error {
		c := next
		next++
		if c <= cookie {
			return nil
		}
		e, err := decodeEntry(value)
		if err != nil {
			return err
		}
		name := string(key)
		if !fn(DirEntry{Name: name, Ino: childIno(n.ino, name), Mode: e.Mode & modeType, Next: c}) {
			return errPageFull
		}
		n.mark(c, name)
		return nil
	})
	if errors.Is(err, errPageFull) {
		return nil
	}
	return err
}

// errPageFull ends a listing early; it does not leave this file.
var errPageFull = errors.New("page is full")

// mark remembers the name at a cookie; only the newest few matter.
func (n *view) mark(cookie uint64, name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.marks) >= 4096 || n.marks == nil {
		n.marks = map[uint64]string{}
	}
	n.marks[cookie] = name
}

func (w *views) listHeads(cookie uint64, fn func(DirEntry) bool) error {
	heads, err := w.v.Heads()
	if err != nil {
		return err
	}
	at := uint64(firstCookie)
	show := func(name string) bool {
		c := at
		at++
		return c <= cookie || fn(DirEntry{Name: name, Ino: childIno(snapshotsIno, name), Mode: modeDir, Next: c})
	}
	for _, h := range heads {
		if h.Forgotten {
			continue
		}
		if !show(strconv.FormatUint(h.Seq, 10)) || h.Label != "" && !show(h.Label) {
			return nil
		}
	}
	return nil
}
