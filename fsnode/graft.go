package fsnode

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"syscall"

	"pifs/cache"
)

// graft builds a tree of a head anew, aside: its root is an orphan directory
// that no name leads to, so that nobody sees it before it is whole, commits
// leave it out, and the next open removes it after a crash. Files get the same
// blocks, directories the same tree and a companion tree of their own, so that
// the next commit has nothing to do below the root. Hard links inside the tree
// stay hard links.
type graft struct {
	v     *Volume
	root  Ino
	nlink uint32      // that root is to have
	made  map[Ino]Ino // by inode number in the head, what may have more names
	done  int64       // names made
	tell  func(done, total int64)
}

// graft makes name in parent, which must not exist, what it is, and returns
// how many names that made. It happens at one moment, and not at all on an
// error.
func (v *Volume) graft(ctx context.Context, it *headItem, parent Ino, name string, tell func(done, total int64)) (int64, error) {
	g := graft{v: v, made: map[Ino]Ino{}, tell: tell}
	err := g.grow(ctx, it)
	if err == nil {
		err = v.attach(&g, parent, name)
	}
	if err != nil && g.root != 0 {
		err = errors.Join(err, v.uproot(context.WithoutCancel(ctx), g.root))
	}
	return g.done, err
}

// grow makes the whole tree, without a name.
func (g *graft) grow(ctx context.Context, it *headItem) error {
	s, err := g.add(ctx, 0, "", it)
	if err == nil && it.isDir() {
		err = g.fill(ctx, s.Ino, it)
	}
	return err
}

// fill makes directory ino, which is empty, have the names of from.
func (g *graft) fill(ctx context.Context, ino Ino, from *headItem) error {
	b := sideBuilder{blocks: treeBlocks{g.v}}
	type branch struct {
		name string
		ino  Ino
		from headItem
	}
	var dirs []branch
	err := g.v.eachItem(ctx, from, func(name string, it *headItem) error {
		s, err := g.add(ctx, ino, name, it)
		if err != nil {
			return fmt.Errorf("make %q: %w", name, err)
		}
		if it.isDir() {
			dirs = append(dirs, branch{name, s.Ino, *it})
			return nil
		}
		return b.add(ctx, name, &s)
	})
	if err == nil {
		err = b.flush(ctx) // names are in order up to here
	}
	for i := 0; i < len(dirs) && err == nil; i++ {
		d := &dirs[i]
		if err = g.fill(ctx, d.ino, &d.from); err != nil {
			break
		}
		var s side
		if s, err = g.v.sideNow(d.ino); err == nil {
			err = b.add(ctx, d.name, &s)
		}
	}
	if err == nil {
		err = b.flush(ctx)
	}
	if err != nil {
		return err
	}
	return g.v.setTrees(ino, trees{Dir: get(from.Dir), Side: b.root})
}

// sideNow returns what the companion tree is to say of an inode.
func (v *Volume) sideNow(ino Ino) (side, error) {
	v.lock()
	defer v.mu.Unlock()
	in, err := v.inode(ino)
	if err != nil {
		return side{}, err
	}
	return sideOf(ino, &in.rec), nil
}

// setTrees notes the trees of a directory, whose nodes are new.
func (v *Volume) setTrees(ino Ino, t trees) error {
	v.lock()
	defer v.mu.Unlock()
	in, err := v.inode(ino)
	if err != nil {
		return err
	}
	in.rec.Trees = set(t)
	v.namesBlocks = true
	v.change(in)
	return nil
}

// add makes one name in dir, or the root if dir is 0.
func (g *graft) add(ctx context.Context, dir Ino, name string, it *headItem) (side, error) {
	if err := ctx.Err(); err != nil {
		return side{}, err
	}
	exts, err := it.extents(ctx, g.v)
	if err != nil {
		return side{}, err
	}
	v := g.v
	v.lock()
	defer v.mu.Unlock()
	if v.pace(); v.failure != nil {
		return side{}, v.failure
	}
	in, err := g.inode(dir, it, exts)
	if err == nil && dir != 0 {
		err = v.enter(in, dir, name)
	}
	if err != nil {
		return side{}, err
	}
	if it.isDir() && dir == g.root {
		g.nlink++
	}
	if g.done++; g.tell != nil && g.done%1000 == 0 {
		g.tell(g.done, 0)
	}
	return sideOf(in.ino, &in.rec), nil
}

// inode returns the inode for an item: a new one, or what another of its names
// led to. v.mu is held.
func (g *graft) inode(dir Ino, it *headItem, exts []extent) (*inode, error) {
	v := g.v
	if ino := g.made[it.side.Ino]; ino != 0 && !it.isDir() {
		return v.inode(ino)
	}
	rec := it.record()
	rec.Ctime = now()
	v.nextIno++
	in := v.spawn(v.nextIno-1, rec, exts)
	in.complete = it.isDir()
	if !it.isDir() && it.side.Ino != 0 {
		g.made[it.side.Ino] = in.ino
	}
	if dir == 0 {
		g.root, g.nlink = in.ino, max(1, in.rec.Nlink)
		in.rec.Nlink = 0
		v.pending.orphans[in.ino] = true
	}
	return in, nil
}

// spawn makes an inode that has no name yet. The bytes of a file that is not
// inlined are exts. v.mu is held.
func (v *Volume) spawn(ino Ino, rec record, exts []extent) *inode {
	rec.Links, rec.Nlink = nil, 0
	if rec.isDir() {
		rec.Nlink = 2
	}
	in := &inode{ino: ino, rec: rec}
	v.count.Inodes++
	if rec.isFile() && !rec.Inlined {
		in.content = &content{fresh: cache.NewFresh(v.budget), cut: math.MaxInt64, base: exts, saved: new(savedPieces)}
		in.content.edit(0, maxFile)
	}
	v.inodes[in.ino] = in
	v.change(in)
	return in
}

// enter gives in a name that the trees of the directory have already. The root
// of what is built aside keeps no links. v.mu is held.
func (v *Volume) enter(in *inode, parent Ino, name string) error {
	dir, err := v.dir(parent)
	if err != nil {
		return err
	}
	d, err := v.find(dir, name)
	if err != nil {
		return err
	}
	if d.ino != 0 {
		return syscall.EEXIST
	}
	v.placeDent(d, in.ino, in.rec.Mode&modeType)
	dir.rec.Size++
	if in.rec.isDir() {
		if dir.rec.Nlink > 0 {
			dir.rec.Nlink++
		}
	} else {
		in.rec.Nlink++
	}
	if len(in.rec.Links) == 0 {
		v.count.Bytes += fileBytes(in)
	}
	in.rec.Links = append(slices.Clip(in.rec.Links), link{Parent: parent, Name: name})
	v.change(in)
	v.change(dir)
	return nil
}

// attach gives what a graft built its name.
func (v *Volume) attach(g *graft, parent Ino, name string) error {
	v.lock()
	defer v.mu.Unlock()
	if v.pace(); v.failure != nil {
		return v.failure
	}
	dir, d, err := v.vacant(parent, name)
	if err != nil {
		return err
	}
	in, err := v.inode(g.root)
	if err != nil {
		return err
	}
	in.rec.Nlink = g.nlink
	v.pending.orphans[in.ino] = false
	v.plant(in, dir, d)
	return nil
}

// plant makes the free entry d of dir name in, which has no name yet, and lets
// the kernel know. v.mu is held.
func (v *Volume) plant(in, dir *inode, d *dent) {
	in.rec.Links = []link{{Parent: dir.ino, Name: d.name}}
	v.count.Bytes += fileBytes(in)
	if in.rec.isDir() {
		dir.rec.Nlink++
	}
	v.setDent(d, in.ino, in.rec.Mode&modeType)
	v.dirChanged(dir, +1, now())
	v.touchInode(in)
	v.renamed(dir.ino, d.name)
	if v.o.Changed != nil {
		v.o.Changed(dir.ino)
	}
}

// uproot removes what was built aside.
func (v *Volume) uproot(ctx context.Context, ino Ino) error {
	v.lock()
	in, err := v.inode(ino)
	v.mu.Unlock()
	if err != nil {
		return err
	}
	if in.rec.isDir() {
		if err := v.empty(ctx, ino); err != nil {
			return fmt.Errorf("remove what was built aside: %w", err)
		}
	}
	v.lock()
	defer v.mu.Unlock()
	v.destroy(in)
	return nil
}

// sweep removes what a crash left of grafts.
func (v *Volume) sweep() {
	for _, ino := range v.litter {
		if err := v.uproot(v.ctx, ino); err != nil && v.ctx.Err() == nil {
			v.o.Log.Error("sweep", "inode", ino, "err", err)
		}
	}
}
