package fsnode

import (
	"context"
	"errors"
	"iter"
	"strings"
	"syscall"

	"pifs/blockstore"
	"pifs/fsnode/mst"
)

// headItem is what a head says of a name: the entry, and what is particular to
// its volume. The inode number is 0 if the companion does not have the name.
type headItem struct {
	entry
	side side
}

// itemAt finds a path in a head; the empty path is the volume's root.
func (v *Volume) itemAt(ctx context.Context, h *HeadInfo, p string) (headItem, error) {
	it := headItem{h.tree.Root, h.tree.Side}
	for name := range strings.SplitSeq(p, "/") {
		if name == "" {
			continue
		}
		if !it.isDir() {
			return it, syscall.ENOTDIR
		}
		var err error
		if it, err = v.itemIn(ctx, &it, name); err != nil {
			return it, err
		}
	}
	return it, nil
}

// itemIn finds a name in a directory of a head.
func (v *Volume) itemIn(ctx context.Context, dir *headItem, name string) (it headItem, err error) {
	raw, ok, err := mst.Get(ctx, treeBlocks{v}, get(dir.Dir), []byte(name))
	if err != nil {
		return it, err
	}
	if !ok {
		return it, syscall.ENOENT
	}
	if it.entry, err = decodeEntry(raw); err != nil {
		return it, err
	}
	it.side = side{Ctime: it.Mtime, Atime: it.Mtime}
	if raw, ok, err = mst.Get(ctx, treeBlocks{v}, get(dir.side.Dir), []byte(name)); err != nil || !ok {
		return it, err
	}
	it.side, err = decodeSide(raw)
	return it, err
}

// eachItem calls fn for every name of a directory of a head, in order.
func (v *Volume) eachItem(ctx context.Context, dir *headItem, fn func(name string, it *headItem) error) error {
	var broken error
	next, stop := iter.Pull2(v.sides(ctx, get(dir.side.Dir), &broken))
	defer stop()
	at, s, more := next()
	return mst.Range(ctx, treeBlocks{v}, get(dir.Dir), nil, func(key, value []byte) error {
		name := string(key)
		e, err := decodeEntry(value)
		if err != nil {
			return err
		}
		for more && at < name {
			at, s, more = next()
		}
		if broken != nil {
			return broken
		}
		it := headItem{e, side{Ctime: e.Mtime, Atime: e.Mtime}}
		if more && at == name {
			it.side = s
		}
		return fn(name, &it)
	})
}

// errEnough ends a walk whose consumer wants no more; it does not leave sides.
var errEnough = errors.New("enough")

// sides yields a companion tree in the order of names. What ends it early is
// left in broken.
func (v *Volume) sides(ctx context.Context, root mst.Root, broken *error) iter.Seq2[string, side] {
	return func(yield func(string, side) bool) {
		err := mst.Range(ctx, treeBlocks{v}, root, nil, func(key, value []byte) error {
			s, err := decodeSide(value)
			if err != nil {
				return err
			}
			if !yield(string(key), s) {
				return errEnough
			}
			return nil
		})
		if !errors.Is(err, errEnough) {
			*broken = err
		}
	}
}

// record returns what is kept of an inode that is as the head says. It has no
// name yet.
func (it *headItem) record() record {
	rec := record{
		Mode: it.Mode, UID: it.UID, GID: it.GID, Rdev: it.Rdev, Size: it.Size, Atime: it.side.Atime, Mtime: it.Mtime,
		Ctime: it.side.Ctime, Target: it.Target, Xattrs: it.Xattrs, File: it.File,
	}
	switch {
	case it.isFile() && it.Size <= InlineMax:
		rec.Inlined, rec.Inline = true, it.Inline
	case it.isFile():
		rec.BaseSize = it.Size
	}
	return rec
}

// extents returns where the bytes of a file lie; none if it is inlined, or not
// a file.
func (it *headItem) extents(ctx context.Context, v *Volume) ([]extent, error) {
	if !it.isFile() || it.Size <= InlineMax {
		return nil, nil
	}
	return readFile(ctx, treeBlocks{v}, get(it.File), int64(it.Size))
}

// sideBuilder makes a companion tree.
type sideBuilder struct {
	blocks  mst.Blocks
	root    mst.Root
	changes []mst.Change // in the order of names
	size    int
}

// add takes one name; those between two flushes must be in order.
func (b *sideBuilder) add(ctx context.Context, name string, s *side) error {
	raw, err := blockstore.Marshal(s)
	if err != nil {
		return err
	}
	b.changes = append(b.changes, mst.Change{Key: []byte(name), Value: raw})
	if b.size += len(name) + len(raw); b.size < batchBytes {
		return nil
	}
	return b.flush(ctx)
}

// flush brings the tree up to date.
func (b *sideBuilder) flush(ctx context.Context) (err error) {
	b.root, err = mst.Update(ctx, b.blocks, b.root, b.changes)
	b.changes, b.size = nil, 0
	return err
}
