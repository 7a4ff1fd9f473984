package fsnode

import (
	"context"
	"fmt"

	"pifs/blockstore/failpoint"
	"pifs/fsnode/mst"
)

// reload fills an empty database from a head: the metadata was lost, the
// history and the blocks were not. Inode numbers, hard links, ctime and atime
// come from the companion trees. Directories are saved as they are read, so
// that memory stays bounded.
func (v *Volume) reload(ctx context.Context, h HeadEntry) error {
	info, err := v.headInfo(h)
	if err != nil {
		return err
	}
	v.o.Log.Warn("metadata is missing: loading it from the newest head", "volume", v.o.Name, "head", h.Seq)
	v.nextIno = info.tree.Count.NextIno
	r := reloader{v: v}
	if err := r.add(&info.tree.Root, &info.tree.Side, 0, ""); err != nil {
		return err
	}
	if err := r.dir(ctx, RootIno, get(info.tree.Root.Dir), get(info.tree.Side.Dir)); err != nil {
		return fmt.Errorf("load head %d: %w", h.Seq, err)
	}
	failpoint.Hit(failpoint.ReloadWalked)
	return r.finish(ctx, &info)
}

type reloader struct{ v *Volume }

// finish restores the reference counts and the manifest's state.
func (r reloader) finish(ctx context.Context, info *HeadInfo) error {
	v := r.v
	state, counts, err := v.nextManifest(ctx, &info.tree)
	if err != nil {
		return fmt.Errorf("count references of head %d: %w", info.Seq, err)
	}
	v.mu.Lock()
	for a, n := range counts.count {
		v.pending.manifest[string(a[:])] = n
	}
	v.manifest = state
	v.pending.kv["manifest"] = &state
	for ino := range v.touched {
		v.pending.behind[ino] = false
	}
	v.touched = map[Ino]*touchSet{}
	v.mu.Unlock()
	return v.save(ctx)
}

func (r reloader) dir(ctx context.Context, ino Ino, tree, companion mst.Root) error {
	sides := map[string]side{}
	b := treeBlocks(r)
	err := mst.Range(ctx, b, companion, nil, func(key, value []byte) error {
		s, err := decodeSide(value)
		sides[string(key)] = s
		return err
	})
	if err != nil {
		return err
	}
	type below struct {
		ino Ino
		trees
	}
	var dirs []below
	err = mst.Range(ctx, b, tree, nil, func(key, value []byte) error {
		e, err := decodeEntry(value)
		if err != nil {
			return err
		}
		s, ok := sides[string(key)]
		if !ok {
			s = side{Ino: r.v.nextIno, Ctime: e.Mtime, Atime: e.Mtime}
			r.v.nextIno++
		}
		if e.isDir() {
			dirs = append(dirs, below{s.Ino, trees{Dir: get(e.Dir), Side: get(s.Dir)}})
		}
		return r.entry(ctx, &e, &s, ino, string(key))
	})
	if err != nil {
		return err
	}
	for _, d := range dirs {
		if err := r.dir(ctx, d.ino, d.Dir, d.Side); err != nil {
			return err
		}
	}
	return r.v.save(ctx)
}

// entry adds one name: an inode, or another link to one.
func (r reloader) entry(ctx context.Context, e *entry, s *side, parent Ino, name string) error {
	v := r.v
	v.mu.Lock()
	in, err := v.inode(s.Ino)
	if err == nil && !e.isDir() {
		in.rec.Nlink++
		in.rec.Links = append(in.rec.Links, link{Parent: parent, Name: name})
		v.change(in)
		err = r.name(in, parent, name)
		v.mu.Unlock()
		return err
	}
	v.mu.Unlock()
	if err := r.add(e, s, parent, name); err != nil {
		return err
	}
	if !e.isFile() || e.Size <= InlineMax {
		return nil
	}
	exts, err := readFile(ctx, treeBlocks{v}, get(e.File), int64(e.Size))
	if err != nil {
		return fmt.Errorf("load %s: %w", name, err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	c, err := v.contentOf(v.inodes[s.Ino])
	if err != nil {
		return err
	}
	c.base = exts
	c.edit(0, maxFile)
	return nil
}

// add makes the inode of an entry and names it in parent, if that is not 0.
func (r reloader) add(e *entry, s *side, parent Ino, name string) error {
	v := r.v
	v.mu.Lock()
	defer v.mu.Unlock()
	in := &inode{ino: s.Ino}
	in.rec = record{
		Mode: e.Mode, Nlink: 1, UID: e.UID, GID: e.GID, Rdev: e.Rdev, Size: e.Size, Atime: s.Atime, Mtime: e.Mtime,
		Ctime: s.Ctime, Target: e.Target, Xattrs: e.Xattrs, File: e.File, Trees: set(trees{Dir: get(e.Dir), Side: get(s.Dir)}),
	}
	switch {
	case e.isDir():
		in.rec.Nlink = 2
	case e.isFile() && e.Size <= InlineMax:
		in.rec.Inlined, in.rec.Inline = true, e.Inline
	case e.isFile():
		in.rec.BaseSize = e.Size
	}
	v.inodes[in.ino] = in
	v.count.Inodes++
	v.count.Bytes += fileBytes(in)
	v.nextIno = max(v.nextIno, in.ino+1)
	v.change(in)
	if parent == 0 {
		return nil
	}
	in.rec.Links = []link{{Parent: parent, Name: name}}
	return r.name(in, parent, name)
}

// name makes the directory entry. v.mu is held.
func (r reloader) name(in *inode, parent Ino, name string) error {
	v := r.v
	dir, err := v.dir(parent)
	if err != nil {
		return err
	}
	d, err := v.find(dir, name)
	if err != nil {
		return err
	}
	v.setDent(d, in.ino, in.rec.Mode&modeType)
	dir.rec.Size++
	if in.rec.isDir() {
		dir.rec.Nlink++
	}
	v.change(dir)
	return nil
}
