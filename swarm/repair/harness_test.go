package repair

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"pifs/blockstore"
	"pifs/blockstore/blocktest"
	"pifs/swarm"
	"pifs/swarm/decide"
)

const round = 1000 // seconds

// cluster is some nodes in memory, each of which repairs.
type cluster struct {
	t     testing.TB
	class blockstore.Class
	coder *blockstore.Coder
	now   time.Time

	mu      sync.Mutex
	members []Member
	stores  []*blocktest.Memory
	nodes   []*Repairer
	stripes []blockstore.Descriptor
	blocks  [][]byte
}

func newCluster(t testing.TB, class blockstore.Class, nodes int) *cluster {
	c := &cluster{t: t, class: class, coder: blockstore.NewCoder(), now: time.Unix(10*round+1, 0)}
	for range nodes {
		c.join()
	}
	return c
}

// join adds a node that holds nothing.
func (c *cluster) join() int {
	i := len(c.members)
	store := blocktest.NewMemory()
	c.stores = append(c.stores, store)
	c.members = append(c.members, Member{
		ID: swarm.MemberID(fmt.Sprintf("member-%d", i)), Operator: fmt.Sprint(i), Jurisdiction: fmt.Sprint(i % 5),
		Weight: 1, Live: true, Proved: c.now.Unix(), Store: shelf{store},
	})
	r, err := New(Options{
		Self: c.members[i].ID, View: c, Stripes: &knows{c, i},
		Rounds: decide.Rounds{Length: round}, Policy: decide.PolicyFor(round),
		Now: func() time.Time { return c.now },
	})
	if err != nil {
		c.t.Fatal(err)
	}
	c.nodes = append(c.nodes, r)
	return i
}

// Members is the view of all nodes.
func (c *cluster) Members() []Member {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.members)
}

// shelf is any store as repair uses it.
type shelf struct{ blockstore.Store }

func (s shelf) HasAll(ctx context.Context, ids []blockstore.ShardID) ([]bool, error) {
	held := make([]bool, len(ids))
	for i, id := range ids {
		var err error
		if held[i], err = s.Has(ctx, id); err != nil {
			return nil, err
		}
	}
	return held, nil
}

func (s shelf) Mend(ctx context.Context, p blockstore.Piece) error {
	if _, err := s.Get(ctx, p.ID(), nil); errors.Is(err, blockstore.ErrCorrupt) {
		if err := s.Delete(ctx, p.ID()); err != nil {
			return err
		}
	}
	if err := blockstore.PutPiece(ctx, s.Store, p); err != nil {
		return err
	}
	return s.Sync(ctx)
}

// knows are the stripes of which a node holds a shard.
type knows struct {
	c    *cluster
	node int
}

func (k *knows) Stripes(ctx context.Context, after blockstore.ShardID, limit int) ([]blockstore.Descriptor, blockstore.ShardID, bool, error) {
	byID := make(map[blockstore.ShardID]blockstore.Descriptor)
	for _, d := range k.c.stripes {
		if i := k.c.holds(k.node, d); i >= 0 && bytes.Compare(d.Shards[i][:], after[:]) > 0 {
			byID[d.Shards[i]] = d
		}
	}
	ids := slices.SortedFunc(maps.Keys(byID), func(a, b blockstore.ShardID) int { return bytes.Compare(a[:], b[:]) })
	var out []blockstore.Descriptor
	for _, id := range ids[:min(limit, len(ids))] {
		out, after = append(out, byID[id]), id
	}
	return out, after, len(out) > 0, nil
}

// holds returns the index of the shard that a node says to hold, or −1.
func (c *cluster) holds(node int, d blockstore.Descriptor) int {
	for i, id := range d.Shards {
		if held, _ := c.stores[node].Has(context.Background(), id); held {
			return i
		}
	}
	return -1
}

// write stores blocks at their homes.
func (c *cluster) write(blocks, size int) {
	for range blocks {
		_, block := blocktest.Shard(uint64(1000+len(c.blocks)), size)
		d, shards, err := c.coder.Encode(c.class, blockstore.AddressOf(block), block)
		if err != nil {
			c.t.Fatal(err)
		}
		order := newScene(c.members, "").order(d)
		for i, p := range shards.Pieces {
			if err := c.stores[order[i]].Put(context.Background(), d.Shards[i], p); err != nil {
				c.t.Fatal(err)
			}
		}
		c.stripes, c.blocks = append(c.stripes, d), append(c.blocks, block)
		shards.Release()
	}
}

// kill takes nodes away for good: they missed all rounds that count.
func (c *cluster) kill(nodes ...int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range nodes {
		c.members[n].Live, c.members[n].Proved = false, 1
	}
}

// pass has all live nodes look at their stripes, one after the other.
func (c *cluster) pass() {
	c.t.Helper()
	for i, r := range c.nodes {
		if c.members[i].Live {
			if err := r.Pass(context.Background()); err != nil {
				c.t.Fatal(err)
			}
		}
	}
}

// right counts the shards of a stripe that lie, right, with live nodes, one
// each. Equal shards need different nodes.
func (c *cluster) right(d blockstore.Descriptor) (n int) {
	used := make(map[int]bool)
	for _, id := range d.Shards {
		for m, store := range c.stores {
			if used[m] || !c.members[m].Live {
				continue
			}
			if _, err := store.Get(context.Background(), id, nil); err == nil { // it checks the bytes
				used[m] = true
				n++
				break
			}
		}
	}
	return n
}

func (c *cluster) counts() (sum Counts) {
	for _, r := range c.nodes {
		s := r.Status()
		sum.Stripes, sum.Shards, sum.Bytes, sum.Failed = sum.Stripes+s.Stripes, sum.Shards+s.Shards, sum.Bytes+s.Bytes, sum.Failed+s.Failed
	}
	return sum
}

func (c *cluster) mustBeWhole() {
	c.t.Helper()
	for _, d := range c.stripes {
		if n := c.right(d); n != int(c.class.N) {
			c.t.Fatalf("stripe %v has %d right shards of %d", d.Address, n, c.class.N)
		}
	}
}
