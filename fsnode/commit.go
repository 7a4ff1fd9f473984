package fsnode

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"pifs/blockstore"
	"pifs/blockstore/failpoint"
	"pifs/fsnode/mst"
)

// Commit puts everything that was done before the call into a head, whose
// blocks are durable on return, and returns it. With an empty label nothing
// happens if nothing changed. A label names the head as a snapshot. progress
// may be nil; it is told of files stored.
func (v *Volume) Commit(ctx context.Context, label string, progress func(done, total int64)) (HeadInfo, error) {
	return v.commit(ctx, commitOptions{label: label}, progress)
}

// Relist is Commit, and makes a head as well if its manifest lists stripes as they
// are not any more, since their blocks have moved. The tree stays as it is.
func (v *Volume) Relist(ctx context.Context) (HeadInfo, error) {
	return v.commit(ctx, commitOptions{relist: true}, nil)
}

// commitOptions say why a head is made although nothing changed.
type commitOptions struct {
	label  string
	relist bool // stripes may have moved
}

func (v *Volume) commit(ctx context.Context, o commitOptions, progress func(done, total int64)) (HeadInfo, error) {
	if v.o.ReadOnly {
		return HeadInfo{}, syscall.EROFS
	}
	if err := v.vouched(ctx); err != nil {
		return HeadInfo{}, fmt.Errorf("commit: %w", err)
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
	head, err := v.commitCut(ctx, c, o)
	v.endCut(c, err != nil)
	if err != nil {
		return HeadInfo{}, fmt.Errorf("commit: %w", err)
	}
	failpoint.Hit(failpoint.CommitInstalled)
	if err := v.save(ctx); err != nil {
		return HeadInfo{}, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.recovered() // all is stored, though perhaps nothing was left for a flush to say so
	return head, nil
}

// CommitOrKeep is Commit for who is about to close the volume. If shards that a
// commit wants are out of reach it makes everything durable in the home instead,
// where the next commit finds it, and logs that: whoever waits for disks that are
// away could never unmount.
func (v *Volume) CommitOrKeep(ctx context.Context) error {
	_, err := v.Commit(ctx, "", nil)
	if !errors.Is(err, blockstore.ErrLost) {
		return err
	}
	if saveErr := v.save(ctx); saveErr != nil {
		return errors.Join(err, saveErr)
	}
	v.o.Log.Warn("closed without a commit, which the next mount makes", "volume", v.o.Name, "err", err)
	return nil
}

func (v *Volume) commitCut(ctx context.Context, c *cut, o commitOptions) (HeadInfo, error) {
	last, found, err := v.lastHead()
	if err != nil {
		return HeadInfo{}, err
	}
	moved := false
	if o.relist {
		if moved, err = v.haveMoved(ctx, v.manifest.Segments); err != nil {
			return HeadInfo{}, err
		}
	}
	if len(c.touched) == 0 && found && o.label == "" && !moved {
		if err := v.o.Blocks.Sync(ctx); err != nil {
			return HeadInfo{}, err
		}
		return last, nil
	}
	if err := v.storeFiles(ctx, c); err != nil {
		return HeadInfo{}, err
	}
	failpoint.Hit(failpoint.CommitFilesBuilt)
	root, err := v.buildTrees(ctx, c)
	if err != nil {
		return HeadInfo{}, err
	}
	failpoint.Hit(failpoint.CommitTreesBuilt)
	state, counts, err := v.nextManifest(ctx, root)
	if err == nil && moved {
		state.Segments, err = v.relist(ctx, state.Segments)
	}
	if err != nil {
		return HeadInfo{}, err
	}
	failpoint.Hit(failpoint.CommitManifest)
	if err := v.o.Blocks.Sync(ctx); err != nil {
		return HeadInfo{}, err
	}
	failpoint.Hit(failpoint.CommitDurable)
	head, err := v.appendHead(ctx, c, root, state, o.label)
	if err != nil {
		return HeadInfo{}, err
	}
	failpoint.Hit(failpoint.CommitHeadKept)
	v.installCut(c, state, counts)
	return head, nil
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
		if spoils(err) {
			v.spoil(fc.in, err) // the next commit leaves it out
		}
		return err
	}
	exts := fc.f.base
	if fc.dirt {
		fc.dirt = false
		var err error
		if exts, err = v.store(ctx, fc.in, fc.f, true); err != nil {
			if spoils(err) {
				v.spoil(fc.in, err)
			}
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
		v.thawed(fc.in, fc.f)
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

// buildTrees brings the directories' trees up to date, deepest first, and
// returns what the head says of the root.
func (v *Volume) buildTrees(ctx context.Context, c *cut) (*headTree, error) {
	order := make([]*dirCut, 0, len(c.dirs))
	for _, d := range c.dirs {
		order = append(order, d)
	}
	slices.SortFunc(order, func(a, b *dirCut) int { return b.depth - a.depth })
	for _, d := range order {
		if err := v.buildDir(ctx, c, d); err != nil {
			return nil, fmt.Errorf("build tree of directory %d: %w", d.ino, err)
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
	t.Root.Dir = set(get(root.rec.Trees).Dir)
	return t, nil
}

// batchBytes bounds the encoded entries of a directory that are in memory at
// a time.
const batchBytes = 16 << 20

// buildDir makes the trees of one directory; their roots go into its record,
// which the directory's name in its parent refers to.
func (v *Volume) buildDir(ctx context.Context, c *cut, d *dirCut) error {
	var t trees
	if !d.all {
		t = get(d.rec.Trees)
	}
	names := slices.Sorted(maps.Keys(d.names))
	var dirs, sides []mst.Change
	size := 0
	for i, name := range names {
		e, s, err := v.encodeName(ctx, c, d, name)
		if err != nil {
			return fmt.Errorf("entry %q: %w", name, err)
		}
		dirs = append(dirs, mst.Change{Key: []byte(name), Value: e})
		sides = append(sides, mst.Change{Key: []byte(name), Value: s})
		if size += len(e) + len(s); size < batchBytes && i < len(names)-1 {
			continue
		}
		b := treeBlocks{v}
		if t.Dir, err = mst.Update(ctx, b, t.Dir, dirs); err == nil {
			t.Side, err = mst.Update(ctx, b, t.Side, sides)
		}
		if err != nil {
			return err
		}
		dirs, sides, size = dirs[:0], sides[:0], 0
	}
	d.rec.Trees = set(t)
	return nil
}

// encodeName returns what the trees say of a name: nil if it is gone.
func (v *Volume) encodeName(ctx context.Context, c *cut, d *dirCut, name string) (e, s []byte, err error) {
	n := d.names[name]
	if err := v.resolve(ctx, c, d.ino, name, n); err != nil || n.ino == 0 {
		return nil, nil, err
	}
	ne, ns := n.entries()
	if e, err = blockstore.Marshal(&ne); err == nil {
		s, err = blockstore.Marshal(&ns)
	}
	d.names[name] = nil // what it held can go
	return e, s, err
}

// entries returns what the trees say of a name.
func (n *nameCut) entries() (entry, side) {
	e, s := entryOf(n.rec), sideOf(n.ino, n.rec)
	switch {
	case n.file != nil:
		e.File = set(n.file.root)
		if len(n.file.text) > 0 {
			e.Inline = n.file.text
		}
	case n.rec.isDir():
		e.Dir = set(get(n.rec.Trees).Dir)
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
	}{{dirNode, get(t.Root.Dir), +1}, {sideNode, get(t.Side.Dir), +1}, {dirNode, m.Dir, -1}, {sideNode, m.Side, -1}} {
		if err := rc.add(ctx, step.kind, step.root, step.delta); err != nil {
			return m, nil, err
		}
	}
	changes, err := rc.changes(ctx)
	if err != nil {
		return m, nil, err
	}
	next := manifestState{Dir: get(t.Root.Dir), Side: get(t.Side.Dir)}
	next.Segments, err = v.addSegment(ctx, m.Segments, changes)
	return next, rc, err
}

func (v *Volume) appendHead(ctx context.Context, c *cut, t *headTree, m manifestState, label string) (HeadInfo, error) {
	mr := manifestRoot{Version: manifestV1, Segments: m.Segments}
	h := HeadEntry{Time: time.Now().UnixNano(), Root: rootAddress(get(t.Root.Dir))}
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
			in.rec.Trees = d.rec.Trees
			v.change(in)
		}
		if v.touched[ino] == nil {
			v.pending.behind[ino] = false
		}
	}
	if v.touched[0] == nil {
		v.pending.behind[0] = false
	}
	for _, fc := range c.files {
		if fc.in.dead || fc.root == (FileRoot{}) || fc.in.content.version != fc.f.version {
			continue
		}
		fc.in.rec.File = set(fc.root)
		v.change(fc.in)
	}
	for a, n := range counts.count {
		if n != counts.was[a] {
			v.pending.manifest[string(a[:])] = n
		}
	}
	v.o.Space.Freed() // the head before is one that can be forgotten now
	v.manifest = m
	v.pending.kv["manifest"] = &m
}
