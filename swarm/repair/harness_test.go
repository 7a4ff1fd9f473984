package repair

import (
	"bytes"
	"context"
	"fmt"
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
		Weight: 1, Live: true, Proved: c.now.Unix(), Store: store,
	})
	r, err := New(Options{
		Self: c.members[i].ID, View: c, Stripes: &knows{c, i},
		Rounds: decide.Rounds{Length: round}, Policy: decide.PolicyFor(round),
		Caps: func(blockstore.Class) decide.Caps { return decide.Caps{} },
		Now:  func() time.Time { return c.now },
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

// knows are the stripes of which a node holds a shard.
type knows struct {
	c    *cluster
	node int
}

func (k *knows) Stripes(ctx context.Context, after blockstore.Address, limit int) ([]blockstore.Descriptor, error) {
	var out []blockstore.Descriptor
	for _, d := range k.c.stripes {
		if bytes.Compare(d.Address[:], after[:]) > 0 && k.c.holds(k.node, d) >= 0 {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b blockstore.Descriptor) int { return bytes.Compare(a.Address[:], b.Address[:]) })
	return out[:min(limit, len(out))], nil
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
		order := newScene(c.members, "").order(d.Address)
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
