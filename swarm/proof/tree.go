package proof

import (
	"encoding/binary"
	"fmt"
	"sort"

	"github.com/zeebo/blake3"

	"pifs/blockstore"
)

// What is hashed begins with a byte that tells items and nodes apart, as in RFC
// 6962: a derived key for each would take fifty times as long.
const (
	itemTag = 0
	nodeTag = 1
)

// Item is a shard in an inventory.
type Item struct {
	_struct bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	ID      blockstore.ShardID
	Size    uint32 // in bytes, 1 … MaxShard
}

// leaves returns how many leaves the shard has.
func (i Item) leaves() uint64 { return uint64(blockstore.Leaves(int(i.Size))) }

// Root commits to an inventory.
type Root struct {
	_struct bool     `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Hash    [32]byte // of the sum tree; zero if there are no items
	Leaves  uint64   // of all items together
}

// sum is a node of the tree: zero if nothing is below it.
type sum struct {
	hash   [32]byte
	leaves uint64
	items  uint64 // not hashed: the shape says it
}

func sumOfItem(i Item) sum {
	var b [1 + 32 + 4]byte
	b[0] = itemTag
	copy(b[1:], i.ID[:])
	binary.BigEndian.PutUint32(b[33:], i.Size)
	return sum{hash: blake3.Sum256(b[:]), leaves: i.leaves(), items: 1}
}

// join is the node above two others. Their counts are part of it, so nobody can
// say later that there were fewer.
func join(left, right sum) sum {
	var b [1 + 2*(32+8)]byte
	b[0] = nodeTag
	copy(b[1:], left.hash[:])
	binary.BigEndian.PutUint64(b[33:], left.leaves)
	copy(b[41:], right.hash[:])
	binary.BigEndian.PutUint64(b[73:], right.leaves)
	return sum{hash: blake3.Sum256(b[:]), leaves: left.leaves + right.leaves, items: left.items + right.items}
}

// above is the node above two others in the tree: an item that is alone in its
// half stands as high as it can.
func above(left, right sum) sum {
	switch {
	case left.items+right.items > 1:
		return join(left, right)
	case left.items == 1:
		return left
	}
	return right
}

// bit returns which way a shard lies from a node at a depth.
func bit(id blockstore.ShardID, depth int) int { return int(id[depth/8]>>(7-depth%8)) & 1 }

// half returns where, of sorted items below a node at a depth, those begin that
// lie to the right.
func half(items []Item, depth int) int {
	return sort.Search(len(items), func(i int) bool { return bit(items[i].ID, depth) == 1 })
}

// foldItems returns the node at a depth above sorted items, all of which have the
// same bits up to there.
func foldItems(items []Item, depth int) sum {
	switch len(items) {
	case 0:
		return sum{}
	case 1:
		return sumOfItem(items[0])
	}
	at := half(items, depth)
	return join(foldItems(items[:at], depth+1), foldItems(items[at:], depth+1))
}

// Sibling is a node beside a path.
type Sibling struct {
	_struct bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Hash    [32]byte
	Leaves  uint64
}

// way is a path of siblings from the root down to where a shard is, or would
// be, and what stands there.
type way struct {
	down []Sibling
	item *Item // nil: nothing is there
}

func (w *way) step(beside sum) {
	w.down = append(w.down, Sibling{Hash: beside.hash, Leaves: beside.leaves})
}

// throughItems goes on from a node at a depth above items.
func (w *way) throughItems(items []Item, depth int, id blockstore.ShardID) {
	for len(items) > 1 {
		at := half(items, depth)
		mine, other := items[:at], items[at:]
		if bit(id, depth) == 1 {
			mine, other = other, mine
		}
		depth++
		w.step(foldItems(other, depth))
		items = mine
	}
	if len(items) == 1 {
		w.item = &items[0]
	}
}

// Place shows what stands in an inventory where a shard would: the shard, another
// one, or nothing. Where that is, is told by the bits of its id, so that each has
// one place.
type Place struct {
	_struct bool      `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Item    *Item     // nil: nothing
	Path    []Sibling // from the root down
}

// verify checks the way to id and returns how many leaves come before it.
func (p *Place) verify(r Root, id blockstore.ShardID) (before uint64, err error) {
	wrong := func(why string) (uint64, error) {
		return 0, fmt.Errorf("verify place of shard %v: %w: %s", id, blockstore.ErrCorrupt, why)
	}
	if len(p.Path) > 8*len(id) {
		return wrong("the path is too long")
	}
	s := sum{}
	if p.Item != nil {
		if p.Item.Size < 1 || p.Item.Size > blockstore.MaxShard {
			return wrong("its size is out of bounds")
		}
		s = sumOfItem(*p.Item)
	}
	for depth := len(p.Path) - 1; depth >= 0; depth-- {
		beside := sum{hash: p.Path[depth].Hash, leaves: p.Path[depth].Leaves}
		if s.leaves > r.Leaves || beside.leaves > r.Leaves-s.leaves {
			return wrong("more leaves than there are")
		}
		if bit(id, depth) == 1 {
			before += beside.leaves
			s = join(beside, s)
		} else {
			s = join(s, beside)
		}
	}
	if s.hash != r.Hash || s.leaves != r.Leaves {
		return wrong("it leads to another root")
	}
	return before, nil
}

// Member returns how many leaves of the inventory come before those of the
// item, or blockstore.ErrCorrupt if the item is not in it.
func (p *Place) Member(r Root) (before uint64, err error) {
	if p.Item == nil {
		return 0, fmt.Errorf("verify membership: %w: nothing is shown", blockstore.ErrCorrupt)
	}
	return p.verify(r, p.Item.ID)
}

// Absent reports, as blockstore.ErrCorrupt, what does not show that id is not in
// the inventory. Together with a receipt for id, by the same node and of before
// the root, it is evidence that the node keeps less than it signed for.
func (p *Place) Absent(r Root, id blockstore.ShardID) error {
	if p.Item != nil {
		if p.Item.ID == id {
			return fmt.Errorf("verify absence of shard %v: %w: it is there", id, blockstore.ErrCorrupt)
		}
		for depth := range p.Path {
			if bit(p.Item.ID, depth) != bit(id, depth) {
				return fmt.Errorf("verify absence of shard %v: %w: another place", id, blockstore.ErrCorrupt)
			}
		}
	}
	_, err := p.verify(r, id)
	return err
}
