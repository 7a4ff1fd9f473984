package fsnode

import (
	"context"
	"fmt"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"pifs/blockstore"
	"pifs/fsnode/mst"
)

// cut is the state of everything touched, at one moment.
type cut struct {
	dirs    map[Ino]*dirCut
	files   map[Ino]*fileCut
	touched map[Ino]*touchSet // to be given back if the commit fails
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

// nameCut is what a name stood for; nil instead means that it was gone.
type nameCut struct {
	ino  Ino
	rec  record
	file *fileCut // of a file that is not inlined
}

// fileCut is a file's content, under all its names.
type fileCut struct {
	in   *inode
	f    *frozen
	dirt bool // chunks are to be made
	root FileRoot
	text []byte // the content, if it belongs inline
}

// Commit puts everything that was done before the call into a head, whose
// blocks are durable on return, and returns it. With an empty label nothing
// happens if nothing changed. A label names the head as a snapshot. progress
// may be nil; it is told of files stored.
func (v *Volume) Commit(ctx context.Context, label string, progress func(done, total int64)) (HeadInfo, error) {
	if v.o.ReadOnly {
		return HeadInfo{}, syscall.EROFS
	}
	v.commitMu.Lock()
	defer v.commitMu.Unlock()
	if err := v.flushEverything(ctx, progress); err != nil {
		return HeadInfo{}, fmt.Errorf("commit: %w", err)
	}
	c, err := v.takeCut()
	if err != nil {
		return HeadInfo{}, fmt.Errorf("commit: %w", err)
	}
	head, err := v.commitCut(ctx, c, label)
	if err != nil {
		v.giveBack(c)
		return HeadInfo{}, fmt.Errorf("commit: %w", err)
	}
	if err := v.save(ctx); err != nil {
		return HeadInfo{}, err
	}
	return head, nil
}

func (v *Volume) commitCut(ctx context.Context, c *cut, label string) (HeadInfo, error) {
	last, found, err := v.lastHead()
	if err != nil {
		return HeadInfo{}, err
	}
	if len(c.touched) == 0 && found && label == "" {
		if err := v.o.Blocks.Sync(ctx); err != nil {
			return HeadInfo{}, err
		}
		return last, nil
	}
	if err := v.storeFiles(ctx, c); err != nil {
		return HeadInfo{}, err
	}
	root, err := v.buildTrees(ctx, c)
	if err != nil {
		return HeadInfo{}, err
	}
	state, counts, err := v.nextManifest(ctx, root)
	if err != nil {
		return HeadInfo{}, err
	}
	if err := v.o.Blocks.Sync(ctx); err != nil {
		return HeadInfo{}, err
	}
	head, err := v.appendHead(ctx, c, root, state, label)
	if err != nil {
		return HeadInfo{}, err
	}
	v.installCut(c, state, counts)
	return head, nil
}

// takeCut copies everything touched, at a moment when no flush is under way.
func (v *Volume) takeCut() (*cut, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.holding = true
	for v.flushes > 0 {
		v.wake.Wait()
	}
	c := &cut{dirs: map[Ino]*dirCut{}, files: map[Ino]*fileCut{}, touched: v.touched, since: v.changed, count: v.count}
	c.count.NextIno = v.nextIno
	err := v.fillCut(c)
	v.holding = false
	v.wake.Broadcast()
	if err != nil {
		v.releaseCut(c)
		return nil, err
	}
	v.touched, v.changed = map[Ino]*touchSet{}, time.Time{}
	return c, nil
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
		if err == syscall.ENOENT || err == nil && in.rec.Nlink == 0 {
			continue
		}
		if err != nil {
			return err
		}
		d, err := v.cutDir(c, ino)
		if err != nil {
			return err
		}
		if t.all {
			err = v.cutAll(c, d)
		} else {
			for name := range t.names {
				if err = v.cutName(c, in, d, name); err != nil {
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

// cutDir adds a directory, and those above it, to the cut.
func (v *Volume) cutDir(c *cut, ino Ino) (*dirCut, error) {
	if d := c.dirs[ino]; d != nil {
		return d, nil
	}
	in, err := v.dir(ino)
	if err != nil {
		return nil, err
	}
	d := &dirCut{ino: ino, rec: in.rec, names: map[string]*nameCut{}}
	c.dirs[ino] = d
	if ino == RootIno {
		return d, nil
	}
	l := in.rec.Links[0]
	up, err := v.cutDir(c, l.Parent)
	if err != nil {
		return nil, err
	}
	d.depth = up.depth + 1
	up.names[l.Name] = &nameCut{ino: ino, rec: in.rec}
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
			if err := v.cutName(c, in, d, e.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (v *Volume) cutName(c *cut, dir *inode, d *dirCut, name string) error {
	e, err := v.find(dir, name)
	if err != nil {
		return err
	}
	if e.ino == 0 {
		if !d.all {
			d.names[name] = nil
		}
		return nil
	}
	in, err := v.inode(e.ino)
	if err != nil {
		return fmt.Errorf("entry %q of directory %d: %w", name, dir.ino, err)
	}
	n := &nameCut{ino: e.ino, rec: in.rec}
	if in.rec.isFile() && !in.rec.Inlined {
		if n.file, err = v.cutFile(c, in); err != nil {
			return err
		}
	}
	d.names[name] = n
	return nil
}

// cutFile freezes a file's content if its root is not known.
func (v *Volume) cutFile(c *cut, in *inode) (*fileCut, error) {
	if fc := c.files[in.ino]; fc != nil {
		return fc, nil
	}
	if in.rec.File != (FileRoot{}) {
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
		fc.dirt = true
		if fc.f, err = v.freeze(in); err != nil {
			return nil, err
		}
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

// storeFiles makes chunks and roots of the files in the cut.
func (v *Volume) storeFiles(ctx context.Context, c *cut) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(cap(v.chunkers))
	for _, fc := range c.files {
		g.Go(func() error { return v.storeFile(ctx, fc) })
	}
	return g.Wait()
}

func (v *Volume) storeFile(ctx context.Context, fc *fileCut) error {
	if fc.f.size <= InlineMax {
		fc.text = make([]byte, fc.f.size)
		err := v.readFrozen(ctx, fc.f, 0, fc.text)
		v.thaw(fc)
		return err
	}
	exts := fc.f.base
	if fc.dirt {
		fc.dirt = false
		var err error
		if exts, err = v.store(ctx, fc.in, fc.f, true); err != nil {
			return err
		}
	}
	var err error
	fc.root, err = buildFile(ctx, treeBlocks{v}, exts, fc.f.size)
	return err
}

// thaw ends a freeze whose result is not installed as extents: a file that
// became small is inlined again, if it did not change since.
func (v *Volume) thaw(fc *fileCut) {
	v.mu.Lock()
	defer v.mu.Unlock()
	defer v.wake.Broadcast()
	c := fc.in.content
	if fc.dirt {
		fc.dirt = false
		c.flushing = false
		v.flushes--
	}
	if fc.text == nil || fc.in.dead || c.version != fc.f.version || fc.in.rec.Inlined {
		return
	}
	c.fresh.Release()
	c.edit(0, maxFile)
	c.base, c.freshEdit, c.hardCut = nil, true, 0
	delete(v.fresh, fc.in.ino)
	fc.in.rec.Inlined, fc.in.rec.Inline, fc.in.rec.BaseSize = true, fc.text, 0
	v.change(fc.in)
}

// releaseCut gives up a cut's hold on its files. v.mu is held.
func (v *Volume) releaseCut(c *cut) {
	for _, fc := range c.files {
		fc.in.content.users--
		if fc.dirt {
			fc.dirt = false
			fc.in.content.flushing = false
			v.flushes--
		}
	}
	v.wake.Broadcast()
}

// giveBack marks what a failed commit had taken as touched again.
func (v *Volume) giveBack(c *cut) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.releaseCut(c)
	for ino, t := range c.touched {
		now := v.touched[ino]
		if now == nil {
			v.touched[ino] = t
			continue
		}
		now.all = now.all || t.all
		for name := range t.names {
			now.names[name] = struct{}{}
		}
	}
	v.changed = c.since
}

// buildTrees brings the directories' trees up to date, deepest first, and
// returns what the head says of the root.
func (v *Volume) buildTrees(ctx context.Context, c *cut) (*headTree, error) {
	order := make([]*dirCut, 0, len(c.dirs))
	for _, d := range c.dirs {
		order = append(order, d)
	}
	slices.SortFunc(order, func(a, b *dirCut) int { return b.depth - a.depth })
	for _, d := range order {
		if err := v.buildDir(ctx, d); err != nil {
			return nil, fmt.Errorf("build tree of directory %d: %w", d.ino, err)
		}
		if d.ino != RootIno {
			l := d.rec.Links[0]
			n := c.dirs[l.Parent].names[l.Name]
			n.rec.Dir, n.rec.Side = d.rec.Dir, d.rec.Side
		}
	}
	root := c.dirs[RootIno]
	if root == nil { // only a label was asked for
		v.mu.Lock()
		in, err := v.dir(RootIno)
		if err == nil {
			root = &dirCut{ino: RootIno, rec: in.rec}
		}
		v.mu.Unlock()
		if err != nil {
			return nil, err
		}
	}
	t := &headTree{Version: headTreeV1, Root: entryOf(&root.rec), Side: sideOf(RootIno, &root.rec), Count: c.count}
	t.Root.Dir = root.rec.Dir
	return t, nil
}

// buildDir makes the trees of one directory; their roots go into its record.
func (v *Volume) buildDir(ctx context.Context, d *dirCut) error {
	names := make([]string, 0, len(d.names))
	for name := range d.names {
		names = append(names, name)
	}
	slices.Sort(names)
	dirs, sides := make([]mst.Change, len(names)), make([]mst.Change, len(names))
	for i, name := range names {
		dirs[i].Key, sides[i].Key = []byte(name), []byte(name)
		n := d.names[name]
		if n == nil {
			continue
		}
		e, s := n.entries()
		var err error
		if dirs[i].Value, err = blockstore.Marshal(&e); err == nil {
			sides[i].Value, err = blockstore.Marshal(&s)
		}
		if err != nil {
			return fmt.Errorf("encode entry %q: %w", name, err)
		}
	}
	if d.all {
		d.rec.Dir, d.rec.Side = mst.Root{}, mst.Root{}
	}
	b := treeBlocks{v}
	var err error
	if d.rec.Dir, err = mst.Update(ctx, b, d.rec.Dir, dirs); err == nil {
		d.rec.Side, err = mst.Update(ctx, b, d.rec.Side, sides)
	}
	return err
}

// entries returns what the trees say of a name.
func (n *nameCut) entries() (entry, side) {
	e, s := entryOf(&n.rec), sideOf(n.ino, &n.rec)
	switch {
	case n.file != nil:
		e.File = n.file.root
		if len(n.file.text) > 0 {
			e.Inline = n.file.text
		}
	case n.rec.isDir():
		e.Dir = n.rec.Dir
	default:
		e.File = n.rec.File
	}
	return e, s
}

// nextManifest returns the manifest of a head with this root, and the counts
// of references to go with it.
func (v *Volume) nextManifest(ctx context.Context, t *headTree) (manifestState, *refCount, error) {
	m := v.manifest
	rc := &refCount{v: v, was: map[blockstore.Address]int64{}, count: map[blockstore.Address]int64{}}
	for _, step := range []struct {
		kind  nodeKind
		root  mst.Root
		delta int64
	}{{dirNode, t.Root.Dir, +1}, {sideNode, t.Side.Dir, +1}, {dirNode, m.Dir, -1}, {sideNode, m.Side, -1}} {
		if err := rc.add(ctx, step.kind, step.root, step.delta); err != nil {
			return m, nil, err
		}
	}
	changes, err := rc.changes(ctx)
	if err != nil {
		return m, nil, err
	}
	next, err := v.updateManifest(ctx, m, changes)
	next.Dir, next.Side = t.Root.Dir, t.Side.Dir
	return next, rc, err
}

func (v *Volume) appendHead(ctx context.Context, c *cut, t *headTree, m manifestState, label string) (HeadInfo, error) {
	mr := manifestRoot{Version: manifestV1, Levels: m.Levels}
	if top := m.Levels[len(m.Levels)-1]; !top.Ref.IsZero() {
		var err error
		if mr.Top, err = v.o.Blocks.Descriptor(ctx, top.Ref.Address); err != nil {
			return HeadInfo{}, err
		}
	}
	h := HeadEntry{Time: time.Now().UnixNano(), Root: rootAddress(t.Root.Dir)}
	var err error
	if h.Manifest, err = blockstore.Marshal(&mr); err != nil {
		return HeadInfo{}, err
	}
	if h.Tree, err = v.sealHead("tree", t); err != nil {
		return HeadInfo{}, err
	}
	if label != "" {
		if h.Label, err = v.sealHead("label", label); err != nil {
			return HeadInfo{}, err
		}
	}
	if h, err = v.o.Heads.Append(h); err != nil {
		return HeadInfo{}, fmt.Errorf("append head: %w", err)
	}
	return v.headInfo(h)
}

// rootAddress is what user.pifs.root shows of a directory: the address of its
// tree's root, or that of no bytes if it is empty.
func rootAddress(r mst.Root) blockstore.Address {
	if r.Ref.IsZero() {
		return blockstore.AddressOf(nil)
	}
	return r.Ref.Address
}

// installCut records in memory what the commit made.
func (v *Volume) installCut(c *cut, m manifestState, counts *refCount) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for ino, d := range c.dirs {
		if in := v.inodes[ino]; in != nil && !in.dead || in == nil {
			in, err := v.inode(ino)
			if err != nil {
				continue
			}
			in.rec.Dir, in.rec.Side = d.rec.Dir, d.rec.Side
			v.change(in)
		}
		if v.touched[ino] == nil {
			v.pending.clean = append(v.pending.clean, ino)
		}
	}
	if v.touched[0] == nil {
		v.pending.clean = append(v.pending.clean, 0)
	}
	v.releaseCut(c)
	for _, fc := range c.files {
		if fc.in.dead || fc.root == (FileRoot{}) || fc.in.content.version != fc.f.version {
			continue
		}
		fc.in.rec.File = fc.root
		v.change(fc.in)
	}
	for a, n := range counts.count {
		if n != counts.was[a] {
			v.pending.manifest[string(a[:])] = n
		}
	}
	v.manifest = m
	v.pending.kv["manifest"] = &m
}
