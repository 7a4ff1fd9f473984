package fsnode

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"pifs/blockstore"
	"pifs/fsnode/mst"
)

// manifestState is what the volume's last head owes: its trees and the public
// list of descriptors.
type manifestState struct {
	_struct  bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Dir      mst.Root
	Side     mst.Root
	Segments []segment
}

// manifestRoot is what a head says of its manifest.
type manifestRoot struct {
	_struct  bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Version  uint8
	Segments []segment
}

const (
	manifestV1  = 1
	maxSegments = 64
)

func (m *manifestState) load(db *metaDB) error {
	_, err := db.value("manifest", m)
	return err
}

// nodeKind says how a block refers to others.
type nodeKind uint8

const (
	chunkNode nodeKind = iota // to none
	fileNode                  // an index of a file
	dirNode                   // a node of a directory's tree
	sideNode                  // a node of a companion tree
)

type node struct {
	kind   nodeKind
	height uint8 // of a fileNode
	ref    blockstore.Ref
}

// children returns the blocks that n refers to.
func (v *Volume) children(ctx context.Context, n node) ([]node, error) {
	return adopted{v.o.Blocks, v.sealer}.children(ctx, n)
}

func (a adopted) children(ctx context.Context, n node) ([]node, error) {
	if n.kind == chunkNode {
		return nil, nil
	}
	plain, err := a.Get(ctx, n.ref)
	if err != nil {
		return nil, fmt.Errorf("read tree node %s: %w", n.ref.Address, err)
	}
	if n.kind == fileNode {
		return indexChildren(plain, n.height)
	}
	refs, err := mst.Children(plain)
	if err != nil {
		return nil, err
	}
	var out []node
	for _, r := range refs {
		out = append(out, node{kind: n.kind, ref: r})
	}
	if len(refs) > 0 {
		return out, nil
	}
	err = mst.LeafEntries(plain, func(_, value []byte) error {
		c, err := leafChild(n.kind, value)
		if err == nil && !c.ref.IsZero() {
			out = append(out, c)
		}
		return err
	})
	return out, err
}

func indexChildren(plain []byte, height uint8) ([]node, error) {
	idx, err := decodeIndex(plain, height, -1)
	if err != nil {
		return nil, err
	}
	var out []node
	for _, r := range idx.Runs {
		if !r.Ref.IsZero() {
			out = append(out, fileChild(FileRoot{Height: height - 1, Ref: r.Ref}))
		}
	}
	return out, nil
}

func fileChild(f FileRoot) node {
	if f.Height == 0 {
		return node{kind: chunkNode, ref: f.Ref}
	}
	return node{kind: fileNode, height: f.Height, ref: f.Ref}
}

// leafChild returns the block that an entry of a directory or companion tree
// refers to; its ref is zero if there is none.
func leafChild(kind nodeKind, value []byte) (node, error) {
	if kind == sideNode {
		s, err := decodeSide(value)
		return node{kind: sideNode, ref: get(s.Dir).Ref}, err
	}
	e, err := decodeEntry(value)
	if e.isDir() {
		return node{kind: dirNode, ref: get(e.Dir).Ref}, err
	}
	return fileChild(get(e.File)), err
}

// refCount follows which blocks the trees of a head refer to, by counting the
// references to each: a block joins the manifest with the first and leaves it
// with the last. Blocks below one that was there already are not visited.
type refCount struct {
	v     *Volume
	was   map[blockstore.Address]int64
	count map[blockstore.Address]int64
}

func (c *refCount) get(a blockstore.Address) (int64, error) {
	if n, ok := c.count[a]; ok {
		return n, nil
	}
	var n int64
	_, err := c.v.db.row(qManifest, &n, func() error { return nil }, a[:])
	if err != nil {
		return 0, err
	}
	c.was[a], c.count[a] = n, n
	return n, nil
}

// add counts delta (+1 or −1) references to a root and, where that adds or
// removes a block, to what is below.
func (c *refCount) add(ctx context.Context, kind nodeKind, root mst.Root, delta int64) error {
	if root.Ref.IsZero() {
		return nil
	}
	todo := []node{{kind: kind, ref: root.Ref}}
	for len(todo) > 0 {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		have, err := c.get(n.ref.Address)
		if err != nil {
			return err
		}
		c.count[n.ref.Address] = have + delta
		if (delta > 0 && have > 0) || (delta < 0 && have != 1) {
			continue
		}
		below, err := c.v.children(ctx, n)
		if err != nil {
			return err
		}
		todo = append(todo, below...)
	}
	return nil
}

// changes returns the manifest's changes, in the order of addresses.
func (c *refCount) changes(ctx context.Context) ([]mst.Change, error) {
	var out []mst.Change
	for a, n := range c.count {
		switch {
		case n < 0:
			return nil, fmt.Errorf("count references to %s: %d: %w", a, n, ErrDatabase)
		case n > 0 && c.was[a] == 0:
			d, err := c.v.owed(ctx, a)
			if err != nil {
				return nil, err
			}
			out = append(out, mst.Change{Key: slices.Clone(a[:]), Value: d})
		case n == 0 && c.was[a] > 0:
			out = append(out, mst.Change{Key: slices.Clone(a[:])})
		}
	}
	sortChanges(out)
	return out, nil
}

func sortChanges(cs []mst.Change) {
	slices.SortFunc(cs, func(a, b mst.Change) int { return strings.Compare(string(a.Key), string(b.Key)) })
}

// owed returns the encoded descriptor of a block.
func (v *Volume) owed(ctx context.Context, a blockstore.Address) ([]byte, error) {
	d, err := v.o.Blocks.Descriptor(ctx, a)
	if err != nil {
		return nil, fmt.Errorf("find descriptor of %s: %w", a, err)
	}
	return blockstore.Marshal(&d)
}
