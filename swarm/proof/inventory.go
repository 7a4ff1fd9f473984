package proof

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sort"

	"pifs/blockstore"
)

const (
	itemSize = 36      // bytes of an item in the file: id, size
	tileSize = 1 << 10 // items below one node that is kept in memory, about
	maxDepth = 30      // of these nodes
)

// Inventory is what a node holds, in a file: items in order, 36 bytes each. In
// memory are some 70 bytes for every 1,024 of them. It is safe for concurrent
// use.
type Inventory struct {
	r      io.ReaderAt
	root   Root
	depth  int      // of the tiles: 2^depth of them
	levels [][]sum  // from the root down to the tiles, of the items that begin with the same bits
	first  []uint64 // number of the first item of each tile, and of all at the end
	ends   []uint64 // leaves up to the end of each tile
}

// Build writes an inventory of the items that next returns, sorted by id and each
// once, until it returns io.EOF. w and r are the same file, empty before.
func Build(w io.Writer, r io.ReaderAt, next func() (Item, error)) (*Inventory, error) {
	count, err := write(w, next)
	if err != nil {
		return nil, fmt.Errorf("build inventory: %w", err)
	}
	return index(r, count)
}

// Load opens an inventory that Build wrote. Whoever has a root compares.
func Load(f *os.File) (*Inventory, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("load inventory: %w", err)
	}
	if info.Size()%itemSize != 0 {
		return nil, fmt.Errorf("load inventory of %d bytes: %w", info.Size(), blockstore.ErrCorrupt)
	}
	return index(f, uint64(info.Size()/itemSize))
}

func index(r io.ReaderAt, count uint64) (*Inventory, error) {
	inv := &Inventory{r: r}
	for inv.depth < maxDepth && count>>inv.depth > tileSize {
		inv.depth++
	}
	if err := inv.sum(count); err != nil {
		return nil, fmt.Errorf("build inventory: %w", err)
	}
	for len(inv.levels[0]) > 1 {
		inv.levels = slices.Insert(inv.levels, 0, pair(inv.levels[0]))
	}
	all := inv.levels[0][0]
	inv.root = Root{Hash: all.hash, Leaves: all.leaves}
	return inv, nil
}

// tiles are the lowest level.
func (inv *Inventory) tiles() []sum { return inv.levels[len(inv.levels)-1] }

// pair returns the level above another.
func pair(below []sum) []sum {
	level := make([]sum, len(below)/2)
	for i := range level {
		level[i] = above(below[2*i], below[2*i+1])
	}
	return level
}

// write writes items and counts them.
func write(w io.Writer, next func() (Item, error)) (count uint64, err error) {
	out := bufio.NewWriterSize(w, 1<<20)
	var last blockstore.ShardID
	b := make([]byte, itemSize)
	for {
		item, err := next()
		if errors.Is(err, io.EOF) {
			return count, out.Flush()
		}
		if err != nil {
			return 0, err
		}
		if item.Size < 1 || item.Size > blockstore.MaxShard || count > 0 && bytes.Compare(item.ID[:], last[:]) <= 0 {
			return 0, fmt.Errorf("shard %v of %d bytes is out of place: %w", item.ID, item.Size, blockstore.ErrFormat)
		}
		copy(b, item.ID[:])
		binary.BigEndian.PutUint32(b[32:], item.Size)
		if _, err := out.Write(b); err != nil {
			return 0, err
		}
		last = item.ID
		count++
	}
}

// sum reads all items and makes the tiles.
func (inv *Inventory) sum(count uint64) error {
	in := bufio.NewReaderSize(io.NewSectionReader(inv.r, 0, int64(count*itemSize)), 1<<20)
	tiles := make([]sum, 0, 1<<inv.depth)
	var leaves uint64
	var open []Item
	closeTile := func() {
		s := foldItems(open, inv.depth)
		leaves += s.leaves
		tiles, inv.ends = append(tiles, s), append(inv.ends, leaves)
		inv.first = append(inv.first, inv.first[len(inv.first)-1]+uint64(len(open)))
		open = open[:0]
	}
	inv.first = []uint64{0}
	b := make([]byte, itemSize)
	for range count {
		if _, err := io.ReadFull(in, b); err != nil {
			return err
		}
		item := parseItem(b)
		for inv.tileOf(item.ID) > len(tiles) {
			closeTile()
		}
		open = append(open, item)
	}
	for len(tiles) < 1<<inv.depth {
		closeTile()
	}
	inv.levels = [][]sum{tiles}
	return nil
}

func parseItem(b []byte) (item Item) {
	copy(item.ID[:], b)
	item.Size = binary.BigEndian.Uint32(b[32:])
	return item
}

// tileOf returns the number of the tile that a shard is in.
func (inv *Inventory) tileOf(id blockstore.ShardID) int {
	return int(binary.BigEndian.Uint64(id[:8]) >> 1 >> (63 - inv.depth))
}

// Root returns what commits to the inventory.
func (inv *Inventory) Root() Root { return inv.root }

// items returns the items of a tile.
func (inv *Inventory) items(t int) ([]Item, error) {
	raw := make([]byte, (inv.first[t+1]-inv.first[t])*itemSize)
	if _, err := inv.r.ReadAt(raw, int64(inv.first[t]*itemSize)); err != nil && len(raw) > 0 {
		return nil, fmt.Errorf("read inventory: %w", err)
	}
	out := make([]Item, 0, len(raw)/itemSize)
	for ; len(raw) > 0; raw = raw[itemSize:] {
		out = append(out, parseItem(raw))
	}
	return out, nil
}

// At shows the item that has a leaf of the inventory, and returns the number of
// that leaf within the item.
func (inv *Inventory) At(leaf uint64) (p *Place, within int, err error) {
	if leaf >= inv.root.Leaves {
		return nil, 0, fmt.Errorf("leaf %d of an inventory of %d: %w", leaf, inv.root.Leaves, blockstore.ErrNotFound)
	}
	t := sort.Search(len(inv.ends), func(i int) bool { return inv.ends[i] > leaf })
	before := inv.ends[t] - inv.tiles()[t].leaves
	items, err := inv.items(t)
	if err != nil {
		return nil, 0, err
	}
	for _, item := range items {
		if n := item.leaves(); leaf-before >= n {
			before += n
			continue
		}
		p, err := inv.place(t, items, item.ID)
		return p, int(leaf - before), err
	}
	return nil, 0, fmt.Errorf("read inventory: %w: it was altered", blockstore.ErrCorrupt)
}

// Find shows what stands where a shard would.
func (inv *Inventory) Find(id blockstore.ShardID) (*Place, error) {
	t := inv.tileOf(id)
	items, err := inv.items(t)
	if err != nil {
		return nil, err
	}
	return inv.place(t, items, id)
}

// place shows what stands where id would, in tile t with these items.
func (inv *Inventory) place(t int, items []Item, id blockstore.ShardID) (*Place, error) {
	var w way
	for depth := range inv.depth {
		at := t >> (inv.depth - depth) // of the level, in which the way is now
		if inv.levels[depth][at].items <= 1 {
			return inv.alone(w, depth, at)
		}
		next := t >> (inv.depth - depth - 1)
		w.step(inv.levels[depth+1][next^1])
	}
	w.throughItems(items, inv.depth, id)
	return &Place{Item: w.item, Path: w.down}, nil
}

// alone ends a way at a node that has one item below it, or none, wherever that
// lies: it stands as high as it can.
func (inv *Inventory) alone(w way, depth, at int) (*Place, error) {
	lo := at << (inv.depth - depth)
	for t := lo; t < lo+1<<(inv.depth-depth); t++ {
		if inv.tiles()[t].items == 0 {
			continue
		}
		items, err := inv.items(t)
		if err != nil {
			return nil, err
		}
		w.item = &items[0]
	}
	return &Place{Item: w.item, Path: w.down}, nil
}
