package fsnode

import (
	"context"
	"fmt"

	"pifs/blockstore/failpoint"
)

// reload fills an empty database from a head: the metadata was lost, the
// history and the blocks were not. Inode numbers, hard links, ctime and atime
// come from the companion trees. Directories are saved as they are read, so
// that memory stays bounded; the row by which a database is known to be whole
// comes last, so that a load that is cut short begins anew.
func (v *Volume) reload(ctx context.Context, h HeadEntry) error {
	info, err := v.headInfo(h)
	if err != nil {
		return err
	}
	v.notice = fmt.Sprintf("the metadata of volume %s was lost and is loaded again from head %d of %s; what was changed after that is lost",
		v.o.Name, h.Seq, info.Time.UTC().Format("2006-01-02 15:04:05 MST"))
	v.o.Log.Warn(v.notice)
	v.nextIno = info.tree.Count.NextIno
	v.loading = true // no other goroutine knows v yet
	r := reloader{v: v}
	root := headItem{info.tree.Root, info.tree.Side}
	v.mu.Lock()
	r.add(&root, nil)
	v.mu.Unlock()
	if err := r.dir(ctx, RootIno, &root); err != nil {
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
	v.namesBlocks = true // the manifest's segment is new
	v.loading = false
	v.mu.Unlock()
	return v.save(ctx)
}

func (r reloader) dir(ctx context.Context, ino Ino, it *headItem) error {
	var dirs []headItem
	err := r.v.eachItem(ctx, it, func(name string, child *headItem) error {
		if child.side.Ino == 0 {
			child.side.Ino = r.v.nextIno
			r.v.nextIno++
		}
		if child.isDir() {
			dirs = append(dirs, *child)
		}
		return r.entry(ctx, child, ino, name)
	})
	if err != nil {
		return err
	}
	for i := range dirs {
		if err := r.dir(ctx, dirs[i].side.Ino, &dirs[i]); err != nil {
			return err
		}
	}
	if err := r.v.save(ctx); err != nil {
		return err
	}
	failpoint.Hit(failpoint.ReloadSaved)
	return nil
}

// entry adds one name: an inode, or another link to one.
func (r reloader) entry(ctx context.Context, it *headItem, parent Ino, name string) error {
	v := r.v
	v.mu.Lock()
	in, err := v.inode(it.side.Ino)
	v.mu.Unlock()
	var exts []extent
	if err != nil {
		if exts, err = it.extents(ctx, v); err != nil {
			return fmt.Errorf("load %s: %w", name, err)
		}
		in = nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if in == nil {
		in = r.add(it, exts)
	}
	return v.enter(in, parent, name)
}

// add makes the inode of an item. v.mu is held.
func (r reloader) add(it *headItem, exts []extent) *inode {
	v := r.v
	rec := it.record()
	rec.Trees = set(trees{Dir: get(it.Dir), Side: get(it.side.Dir)})
	v.nextIno = max(v.nextIno, it.side.Ino+1)
	return v.spawn(it.side.Ino, rec, exts)
}
