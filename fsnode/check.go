package fsnode

import (
	"context"
	"errors"
	"fmt"
	"path"

	"pifs/blockstore"
	"pifs/fsnode/mst"
)

// CheckOptions say what a check does.
type CheckOptions struct {
	Deep     bool // read every shard, not only ask whether it is there
	Repair   bool // rebuild missing and wrong shards
	Progress func(blocks int64)
}

// Problem is one damaged thing.
type Problem struct {
	Path    string // of the file or directory it belongs to
	What    string
	Address blockstore.Address // of the block, if it is one
	Fixed   bool               // a repair mended it
	Lost    bool               // it cannot be had any more
}

// CheckResult sums a check up.
type CheckResult struct {
	Heads, Files, Dirs, Blocks, Shards int64
	Problems, Fixed, Lost              int64
}

// Check walks all heads, newest first, their trees and manifests, and every
// block and shard of them once, and the database; it reports each damaged
// thing. What is not in a head yet is committed first.
func (v *Volume) Check(ctx context.Context, o CheckOptions, report func(Problem)) (CheckResult, error) {
	c := &checker{v: v, o: o, report: report, seen: map[blockstore.Address]bool{}}
	if !v.o.ReadOnly {
		if err := c.commit(ctx); err != nil {
			return c.res, err
		}
	}
	if err := c.database(ctx); err != nil {
		return c.res, err
	}
	heads, err := v.Heads()
	if err != nil {
		c.problem(Problem{Path: "/", What: err.Error(), Lost: true})
		return c.res, nil
	}
	for i := len(heads) - 1; i >= 0; i-- {
		if heads[i].Forgotten {
			continue
		}
		if err := c.head(ctx, &heads[i], i == len(heads)-1); err != nil {
			return c.res, err
		}
	}
	if o.Repair && c.res.Fixed > 0 {
		if err := v.o.Blocks.Sync(ctx); err != nil {
			return c.res, err
		}
	}
	return c.res, nil
}

// commit puts what is fresh into a head. What keeps it from that is damage in
// the database, blocks that the index has forgotten, or files that have lost
// bytes: a repair puts each right and tries again.
func (c *checker) commit(ctx context.Context) error {
	_, err := c.v.Commit(ctx, "", nil)
	if err != nil && c.o.Repair && errors.Is(err, blockstore.ErrNotFound) {
		c.adopt(ctx)
		_, err = c.v.Commit(ctx, "", nil)
	}
	if err == nil || spoils(err) {
		if err := c.spoiledFiles(ctx); err != nil {
			return err
		}
		if c.o.Repair && c.res.Fixed > 0 {
			_, err = c.v.Commit(ctx, "", nil)
		}
	}
	switch {
	case err == nil || ctx.Err() != nil:
		return ctx.Err()
	case c.o.Repair && errors.Is(err, ErrDatabase):
		return err
	}
	c.problem(Problem{Path: "/", What: "cannot commit: " + err.Error(), Lost: true})
	return nil
}

// adopt teaches the block index, once, what the manifests of all heads list.
func (c *checker) adopt(ctx context.Context) {
	if c.adopted {
		return
	}
	c.adopted = true
	heads, err := c.v.o.Heads.Entries()
	for i := len(heads) - 1; i >= 0 && err == nil; i-- {
		_, err = AdoptManifest(ctx, c.v.o.Blocks, c.v.o.Keys.Scope, heads[i])
	}
	if err != nil {
		c.v.o.Log.Warn("learn stripes from the manifests", "err", err)
	}
}

type checker struct {
	v      *Volume
	o      CheckOptions
	report func(Problem)
	seen   map[blockstore.Address]bool
	res    CheckResult

	adopted bool // the block index knows all that the manifests list
}

func (c *checker) problem(p Problem) {
	c.res.Problems++
	if p.Fixed {
		c.res.Fixed++
	}
	if p.Lost {
		c.res.Lost++
	}
	c.report(p)
}

func (c *checker) head(ctx context.Context, h *HeadInfo, newest bool) error {
	c.res.Heads++
	where := "/"
	if !newest {
		where = fmt.Sprintf("/%s/snapshots/%d", viewsName, h.Seq)
	}
	if err := c.tree(ctx, node{kind: dirNode, ref: get(h.tree.Root.Dir).Ref}, where); err != nil {
		return err
	}
	if err := c.tree(ctx, node{kind: sideNode, ref: get(h.tree.Side.Dir).Ref}, where+" (companion)"); err != nil {
		return err
	}
	for _, s := range h.owed.Segments {
		for _, l := range s.Levels {
			if err := c.manifestNodes(ctx, l.Ref, where+" (manifest)"); err != nil {
				return err
			}
		}
	}
	if newest {
		return c.manifestComplete(ctx, h)
	}
	return nil
}

// tree checks a block and everything below it. The error is a cancelled
// context; damage is reported and walked around.
func (c *checker) tree(ctx context.Context, n node, where string) error {
	if n.ref.IsZero() || c.seen[n.ref.Address] {
		return ctx.Err()
	}
	plain, ok := c.block(ctx, n.ref, where)
	if !ok || n.kind == chunkNode {
		return ctx.Err()
	}
	if n.kind == fileNode {
		below, err := indexChildren(plain, n.height)
		if err != nil {
			c.problem(Problem{Path: where, What: err.Error(), Address: n.ref.Address, Lost: true})
		}
		return c.each(ctx, below, where)
	}
	refs, err := mst.Children(plain)
	var below []node
	for _, r := range refs {
		below = append(below, node{kind: n.kind, ref: r})
	}
	if err == nil && len(refs) == 0 {
		err = c.leaf(ctx, n.kind, plain, where)
	}
	if err != nil && ctx.Err() == nil {
		c.problem(Problem{Path: where, What: err.Error(), Address: n.ref.Address, Lost: true})
	}
	return c.each(ctx, below, where)
}

func (c *checker) each(ctx context.Context, nodes []node, where string) error {
	for _, n := range nodes {
		if err := c.tree(ctx, n, where); err != nil {
			return err
		}
	}
	return nil
}

// leaf checks what the entries of a leaf refer to.
func (c *checker) leaf(ctx context.Context, kind nodeKind, plain []byte, where string) error {
	return mst.LeafEntries(plain, func(key, value []byte) error {
		n, err := leafChild(kind, value)
		if err != nil {
			return fmt.Errorf("entry %q: %w", key, err)
		}
		if kind == dirNode {
			if n.kind == dirNode {
				c.res.Dirs++
			} else {
				c.res.Files++
			}
		}
		return c.tree(ctx, n, path.Join(where, string(key)))
	})
}

// block checks one block and its shards, repairing if asked, and returns its
// plaintext.
func (c *checker) block(ctx context.Context, ref blockstore.Ref, where string) ([]byte, bool) {
	c.seen[ref.Address] = true
	c.res.Blocks++
	if c.o.Progress != nil {
		c.o.Progress(c.res.Blocks)
	}
	d, err := c.v.o.Blocks.Descriptor(ctx, ref.Address)
	if errors.Is(err, blockstore.ErrNotFound) && c.o.Repair && !c.adopted {
		c.adopt(ctx)
		if d, err = c.v.o.Blocks.Descriptor(ctx, ref.Address); err == nil {
			c.problem(Problem{Path: where, What: "the block index had forgotten its stripe", Address: ref.Address, Fixed: true})
		}
	}
	if err != nil {
		c.problem(Problem{Path: where, What: "no record of its stripe: " + err.Error(), Address: ref.Address, Lost: true})
		return nil, false
	}
	c.shards(ctx, d, where)
	plain, err := c.v.o.Blocks.Get(ctx, c.v.sealer, ref)
	if err != nil {
		if ctx.Err() == nil {
			c.problem(Problem{Path: where, What: err.Error(), Address: ref.Address, Lost: true})
		}
		return nil, false
	}
	return plain, true
}

func (c *checker) shards(ctx context.Context, d blockstore.Descriptor, where string) {
	health, err := c.v.o.Stripes.Health(ctx, d, c.o.Deep)
	if err != nil {
		if ctx.Err() == nil {
			c.problem(Problem{Path: where, What: err.Error(), Address: d.Address})
		}
		return
	}
	var bad []ShardHealth
	for _, h := range health {
		c.res.Shards++
		if !h.OK {
			bad = append(bad, h)
		}
	}
	if len(bad) == 0 {
		return
	}
	fixed := false
	if c.o.Repair {
		n, err := c.v.o.Stripes.Repair(ctx, d)
		fixed = err == nil && n >= len(bad)
		if err != nil && !errors.Is(err, blockstore.ErrLost) {
			c.v.o.Log.Warn("repair", "path", where, "err", err)
		}
	}
	for _, h := range bad {
		c.problem(Problem{Path: where, What: fmt.Sprintf("shard on %s is %s", h.Store, h.State), Address: d.Address, Fixed: fixed})
	}
}

func (c *checker) manifestNodes(ctx context.Context, ref blockstore.Ref, where string) error {
	if ref.IsZero() || c.seen[ref.Address] {
		return ctx.Err()
	}
	plain, ok := c.block(ctx, ref, where)
	if !ok {
		return ctx.Err()
	}
	refs, err := mst.Children(plain)
	if err != nil {
		c.problem(Problem{Path: where, What: err.Error(), Address: ref.Address, Lost: true})
	}
	for _, r := range refs {
		if err := c.manifestNodes(ctx, r, where); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// manifestComplete checks that the newest head's manifest lists the stripes
// that its trees need, each with the right descriptor, and no others.
func (c *checker) manifestComplete(ctx context.Context, h *HeadInfo) error {
	owed := map[blockstore.Address]bool{}
	for _, seg := range h.owed.Segments {
		err := mst.Range(ctx, treeBlocks{c.v}, seg.Levels[0], nil, func(key, value []byte) error {
			return owe(owed, key, value)
		})
		if err != nil && ctx.Err() == nil {
			c.problem(Problem{Path: "/ (manifest)", What: err.Error(), Lost: true})
			return nil
		}
	}
	return c.compare(ctx, h, owed)
}

// owe takes an entry of a manifest segment into the set of what is owed.
func owe(owed map[blockstore.Address]bool, key, value []byte) error {
	if len(key) != len(blockstore.Address{}) {
		return fmt.Errorf("manifest key of %d bytes: %w", len(key), blockstore.ErrFormat)
	}
	addr := blockstore.Address(key)
	if len(value) == 0 {
		delete(owed, addr)
		return nil
	}
	d, err := blockstore.UnmarshalDescriptor(value)
	if err != nil {
		return err
	}
	if d.Address != addr {
		return fmt.Errorf("descriptor of %s under another address: %w", d.Address, blockstore.ErrCorrupt)
	}
	owed[addr] = true
	return nil
}

// compare walks the trees of h and takes what it meets from owed.
func (c *checker) compare(ctx context.Context, h *HeadInfo, owed map[blockstore.Address]bool) error {
	met := map[blockstore.Address]bool{}
	todo := []node{{kind: dirNode, ref: get(h.tree.Root.Dir).Ref}, {kind: sideNode, ref: get(h.tree.Side.Dir).Ref}}
	for len(todo) > 0 {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if n.ref.IsZero() || met[n.ref.Address] {
			continue
		}
		met[n.ref.Address] = true
		if !owed[n.ref.Address] {
			c.problem(Problem{Path: "/ (manifest)", What: "a stripe is missing in the manifest", Address: n.ref.Address, Lost: true})
		}
		below, err := c.v.children(ctx, n)
		if err := ctx.Err(); err != nil {
			return err
		}
		if err == nil {
			todo = append(todo, below...)
		}
	}
	for a := range owed {
		if !met[a] {
			c.problem(Problem{Path: "/ (manifest)", What: "the manifest lists a stripe that no tree needs", Address: a, Lost: true})
		}
	}
	return nil
}
