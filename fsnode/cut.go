package fsnode

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"syscall"
	"time"

	"pifs/blockstore"
)

// cut is the state of everything touched, at one moment.
type cut struct {
	dirs    map[Ino]*dirCut
	files   map[Ino]*fileCut
	snap    *snapshot         // of the database: what memory did not have stands there
	touched map[Ino]*touchSet // to be given back if the commit fails
	apart   map[Ino]*touchSet // of directories that are built aside: a later commit's
	left    map[Ino]*touchSet // names of files that have lost bytes: for when they are well again
	since   time.Time
	count   volumeCount
}

// dirCut is a directory with the names to bring up to date.
type dirCut struct {
	ino   Ino
	rec   record
	all   bool // names are all there are: build the tree anew
	names map[string]*nameCut
	depth int
}

// nameCut is what a name stood for. What memory did not have is left to be
// read from the snapshot, when the mutex is given up.
type nameCut struct {
	ino   Ino     // 0: nothing, unless later
	rec   *record // nil: in the snapshot
	later bool    // the name is to be looked up in the snapshot
	known []dent  // what memory had of the name's slots, if later
	file  *fileCut
}

// fileCut is a file's content, under all its names.
type fileCut struct {
	in   *inode
	f    *frozen
	dirt bool // chunks are to be made
	root FileRoot
	text []byte // the content, if it belongs inline
}

// takeCut copies everything touched, at a moment when no flush is under way.
func (v *Volume) takeCut() (*cut, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.holding = true
	for v.flushes > 0 {
		v.wake.Wait()
	}
	c := &cut{dirs: map[Ino]*dirCut{}, files: map[Ino]*fileCut{}, touched: v.touched, apart: map[Ino]*touchSet{}, left: map[Ino]*touchSet{}, since: v.changed, count: v.count}
	c.count.NextIno = v.nextIno
	var err error
	if c.snap, err = v.db.snapshot(v.ctx); err == nil {
		err = v.fillCut(c)
	}
	v.holding = false
	v.wake.Broadcast()
	if err != nil {
		v.releaseCut(c)
		return nil, err
	}
	for ino := range c.apart {
		delete(c.touched, ino)
	}
	v.touched, v.touches, v.changed = c.apart, 0, time.Time{}
	maps.Copy(v.touched, c.left)
	v.cuts++
	return c, nil
}

// leave keeps a name touched beyond this cut.
func (c *cut) leave(dir Ino, name string, ino Ino) {
	t := c.left[dir]
	if t == nil {
		t = &touchSet{names: map[string]Ino{}}
		c.left[dir] = t
	}
	t.names[name] = ino
}

func (v *Volume) fillCut(c *cut) error {
	if len(c.touched) == 0 {
		return nil
	}
	if _, err := v.cutDir(c, RootIno); err != nil {
		return err
	}
	for ino, t := range c.touched {
		if ino == 0 {
			continue
		}
		in, err := v.inode(ino)
		if err == syscall.ENOENT {
			continue
		}
		if err != nil {
			return err
		}
		d, err := v.cutDir(c, ino)
		if err != nil {
			return err
		}
		if d == nil {
			c.apart[ino] = t
			continue
		}
		if t.all {
			err = v.cutAll(c, d)
		} else {
			for name, was := range t.names {
				if err = v.cutName(c, in, d, name, was); err != nil {
					break
				}
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// cutDir adds a directory, and those above it, to the cut; nil if it is not in
// the tree: built aside, or removed and still open.
func (v *Volume) cutDir(c *cut, ino Ino) (*dirCut, error) {
	if d := c.dirs[ino]; d != nil {
		return d, nil
	}
	in, err := v.dir(ino)
	if err != nil {
		return nil, err
	}
	d := &dirCut{ino: ino, rec: in.rec, names: map[string]*nameCut{}}
	if ino == RootIno {
		c.dirs[ino] = d
		return d, nil
	}
	if len(in.rec.Links) == 0 {
		return nil, nil
	}
	l := in.rec.Links[0]
	up, err := v.cutDir(c, l.Parent)
	if up == nil || err != nil {
		return nil, err
	}
	c.dirs[ino] = d
	d.depth = up.depth + 1
	up.names[l.Name] = &nameCut{ino: ino, rec: &d.rec}
	return d, nil
}

// cutAll adds every entry of a directory.
func (v *Volume) cutAll(c *cut, d *dirCut) error {
	d.all = true
	in, err := v.dir(d.ino)
	if err != nil {
		return err
	}
	cookie, more := uint64(0), true
	for more {
		var page []DirEntry
		if page, cookie, more, err = v.listPage(d.ino, cookie); err != nil {
			return err
		}
		for _, e := range page {
			if err := v.cutName(c, in, d, e.Name, e.Ino); err != nil {
				return err
			}
		}
	}
	return nil
}

// cutName adds a name that stood for the inode was, or 0, when it was touched.
func (v *Volume) cutName(c *cut, dir *inode, d *dirCut, name string, was Ino) error {
	if d.names[name] != nil {
		return nil // a directory that is in the cut itself
	}
	n := v.peek(dir, name)
	if in := v.inodes[was]; n.later && in != nil && slices.Contains(in.rec.Links, link{Parent: dir.ino, Name: name}) {
		n = &nameCut{ino: was} // the snapshot may not have its last change
	}
	d.names[name] = n
	in := v.inodes[n.ino]
	if in == nil || n.later {
		return nil
	}
	rec := in.rec
	n.rec = &rec
	if !rec.isFile() || rec.Inlined {
		return nil
	}
	if v.isSpoiled(in) {
		delete(d.names, name)
		c.leave(d.ino, name, in.ino)
		return nil
	}
	var err error
	n.file, err = v.cutFile(c, in)
	return err
}

// peek looks a name up in memory alone. v.mu is held.
func (v *Volume) peek(dir *inode, name string) *nameCut {
	h := v.db.nameHash(name)
	if d := v.dents[dentKey{dir.ino, h}]; d != nil && d.name == name {
		return &nameCut{ino: d.ino}
	}
	n := &nameCut{later: !dir.complete}
	for s := h; s < h+slots; s++ {
		d := v.dents[dentKey{dir.ino, s}]
		if d == nil {
			continue
		}
		if d.name == name && d.ino != 0 {
			return &nameCut{ino: d.ino}
		}
		n.known = append(n.known, *d)
	}
	return n
}

// resolve reads from the snapshot what a name stood for.
func (v *Volume) resolve(ctx context.Context, c *cut, dir Ino, name string, n *nameCut) error {
	if n.later {
		if err := v.resolveName(c, dir, name, n); err != nil {
			return err
		}
	}
	if n.ino == 0 || n.rec != nil {
		return nil
	}
	var err error
	if n.rec, err = c.snap.inode(n.ino); err != nil {
		return err
	}
	if n.rec == nil {
		return fmt.Errorf("inode %d is missing: %w", n.ino, blockstore.ErrCorrupt)
	}
	if n.rec.isFile() && !n.rec.Inlined && n.rec.File == nil {
		n.file, err = v.resolveFile(ctx, c, n)
	}
	return err
}

func (v *Volume) resolveName(c *cut, dir Ino, name string, n *nameCut) error {
	n.later = false
	h := v.db.nameHash(name)
	return c.snap.each(qSlots, func(k int64, sealed []byte) error {
		for _, d := range n.known {
			if d.key.h == uint64(k) {
				return nil
			}
		}
		var row dirent
		if err := c.snap.open('d', dir, uint64(k), sealed, &row); err != nil {
			return err
		}
		if row.Name == name {
			n.ino = row.Ino
		}
		return nil
	}, int64(dir), int64(h), int64(h+slots))
}

// resolveFile makes the root of a file that memory did not have: its extents
// are in the snapshot, and nothing of it was fresh.
func (v *Volume) resolveFile(ctx context.Context, c *cut, n *nameCut) (*fileCut, error) {
	exts, err := c.snap.extents(n.ino)
	if err != nil {
		return nil, err
	}
	f := &frozen{ino: n.ino, base: exts, size: int64(n.rec.Size), baseSize: int64(n.rec.BaseSize)}
	fc := &fileCut{f: f}
	if f.size <= InlineMax {
		fc.text = make([]byte, f.size)
		return fc, v.readFrozen(ctx, f, 0, fc.text)
	}
	if f.baseSize != f.size || slices.ContainsFunc(exts, extent.stale) {
		if exts, _, err = v.chunk(ctx, f, true); err != nil {
			return nil, err
		}
	}
	fc.root, err = buildFile(ctx, treeBlocks{v}, exts, f.size)
	return fc, err
}

// cutFile freezes a file's content if its root is not known.
func (v *Volume) cutFile(c *cut, in *inode) (*fileCut, error) {
	if fc := c.files[in.ino]; fc != nil {
		return fc, nil
	}
	if in.rec.File != nil {
		return nil, nil
	}
	content, err := v.contentOf(in)
	if err != nil {
		return nil, err
	}
	fc := &fileCut{in: in}
	content.users++ // in must stay the inode in memory until the cut is over
	c.files[in.ino] = fc
	if content.canonical(in) {
		fc.f = &frozen{ino: in.ino, base: content.base, size: int64(in.rec.Size), version: content.version}
	} else {
		if fc.f, err = v.freeze(in); err != nil {
			return nil, err
		}
		fc.dirt = true
	}
	return fc, nil
}

// canonical reports whether the extents are the file, cut as they should be.
func (c *content) canonical(in *inode) bool {
	if !c.fresh.Empty() || in.rec.BaseSize != in.rec.Size || in.rec.Size <= InlineMax {
		return false
	}
	return !slices.ContainsFunc(c.base, extent.stale)
}

// releaseCut gives up a cut's hold on its files. v.mu is held.
func (v *Volume) releaseCut(c *cut) {
	for _, fc := range c.files {
		fc.in.content.users--
		if fc.dirt {
			fc.dirt = false
			v.thawed(fc.in, fc.f)
		}
	}
	if c.snap != nil {
		c.snap.end()
		c.snap = nil
	}
	v.wake.Broadcast()
}

// endCut releases a cut. If its commit failed, what it had taken is touched
// again.
func (v *Volume) endCut(c *cut, failed bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.releaseCut(c)
	if !failed {
		return
	}
	for ino, t := range c.touched {
		now := v.touched[ino]
		if now == nil {
			v.touched[ino] = t
			v.touches += len(t.names)
			continue
		}
		now.all = now.all || t.all
		for name, was := range t.names {
			if _, ok := now.names[name]; !ok {
				now.names[name] = was
				v.touches++
			}
		}
	}
	if !c.since.IsZero() {
		v.changed = c.since
	}
}
