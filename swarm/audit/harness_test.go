package audit

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pifs/blockstore"
	"pifs/blockstore/blocktest"
	"pifs/swarm"
	"pifs/swarm/decide"
	"pifs/swarm/member"
	"pifs/swarm/wire"
)

const roundLength = 1000 // seconds

var inSwarm = [32]byte{7}

// cluster is some auditors in memory, at virtual time.
type cluster struct {
	t     testing.TB
	now   time.Time
	rng   *rand.Rand
	ids   []swarm.Identity
	holds []*holding
	nodes []*Auditor
	serve []wire.BlobServer // of nodes, or of what poses as them
	loss  float64           // of requests, and as many answers
	cut   map[int]bool      // nodes that nobody reaches, and that reach nobody
	skew  []time.Duration   // of clocks
}

// holding is what a node holds, in memory.
type holding struct {
	*blocktest.Memory
	sizes map[blockstore.ShardID]int
	gone  map[blockstore.ShardID]bool // that it says to hold, and does not
}

func (h *holding) Inventory(_ context.Context, fn func(id blockstore.ShardID, size int) error) error {
	ids := make([]blockstore.ShardID, 0, len(h.sizes))
	for id := range h.sizes {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b blockstore.ShardID) int { return bytes.Compare(a[:], b[:]) })
	for _, id := range ids {
		if err := fn(id, h.sizes[id]); err != nil {
			return err
		}
	}
	return nil
}

func (h *holding) Get(ctx context.Context, _ swarm.MemberID, id blockstore.ShardID, dst []byte) ([]byte, error) {
	if h.gone[id] {
		return nil, blockstore.ErrNotFound
	}
	return h.Memory.Get(ctx, id, dst)
}

func newCluster(t testing.TB, nodes, shards, leaves int) *cluster {
	c := &cluster{t: t, now: time.Unix(roundLength-1, 0), rng: rand.New(rand.NewPCG(1, 1)), cut: map[int]bool{}, skew: make([]time.Duration, nodes)}
	for i := range nodes {
		id, err := swarm.CreateIdentity(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		c.ids = append(c.ids, id)
		h := &holding{Memory: blocktest.NewMemory(), sizes: map[blockstore.ShardID]int{}, gone: map[blockstore.ShardID]bool{}}
		for j := range shards {
			id, shard := blocktest.Shard(uint64(i*shards+j), 200+j%3000)
			if err := h.Put(t.Context(), id, shard); err != nil {
				t.Fatal(err)
			}
			h.sizes[id] = len(shard)
		}
		c.holds = append(c.holds, h)
	}
	for i := range nodes {
		c.nodes = append(c.nodes, c.open(i, t.TempDir(), leaves))
		c.serve = append(c.serve, c.nodes[i])
	}
	return c
}

func (c *cluster) open(i int, dir string, leaves int) *Auditor {
	a, err := Open(Options{
		Self: c.ids[i], Swarm: inSwarm, Dir: dir, Directory: c, Net: link{c, i}, Shards: c.holds[i],
		Rounds: decide.Rounds{Length: roundLength}, Leaves: leaves, Now: func() time.Time { return c.now.Add(c.skew[i]) },
	})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = a.Close() })
	return a
}

// Current implements member.Directory: every node has its own operator.
func (c *cluster) Current() *member.Record {
	r := &member.Record{}
	for i, id := range c.ids {
		r.Entries = append(r.Entries, member.Entry{ID: id.ID, Operator: fmt.Sprint(i), Capacity: 1})
	}
	return r
}

func (c *cluster) Changed() <-chan struct{}                    { return nil }
func (c *cluster) Submit(context.Context, member.Change) error { return member.ErrRefused }

// link is the network as one node has it.
type link struct {
	c    *cluster
	from int
}

func (l link) Ask(ctx context.Context, to swarm.MemberID, _ string, op wire.Op, request []byte, limit int) ([]byte, error) {
	i := slices.IndexFunc(l.c.ids, func(id swarm.Identity) bool { return id.ID == to })
	lost := func() bool { return l.c.cut[i] || l.c.cut[l.from] || l.c.loss > 0 && rand.Float64() < l.c.loss }
	if i < 0 || lost() {
		return nil, swarm.ErrUnreachable
	}
	if most := l.c.serve[i].Limit(op, l.c.ids[l.from].ID); len(request) > most {
		return nil, wire.ErrProtocol
	}
	b, err := l.c.serve[i].Serve(ctx, op, l.c.ids[l.from].ID, request)
	if lost() {
		return nil, swarm.ErrUnreachable
	}
	if len(b) > limit {
		return nil, wire.ErrProtocol
	}
	return b, err
}

// rounds has all nodes take part in n rounds. late says which nodes do a phase's part
// only after all others did that of the next; nil: none.
func (c *cluster) rounds(n int, late func(node int) bool) {
	c.t.Helper()
	for range n {
		number := uint64(c.now.Unix()/roundLength) + 1
		for phase := decide.Commit; phase <= decide.Judge; phase++ {
			c.now = time.Unix(decide.Rounds{Length: roundLength}.Begins(number, phase), 0)
			for i, a := range c.nodes {
				if c.cut[i] {
					continue
				}
				if late != nil && late(i) {
					continue // it missed its part altogether
				}
				at, in, _ := a.o.Rounds.At(a.o.Now().Unix())
				if err := a.step(c.t.Context(), at, in); err != nil {
					c.t.Fatalf("node %d, round %d, %v: %v", i, at, in, err)
				}
			}
		}
		c.now = c.now.Add(roundLength/4*time.Second - time.Second)
	}
}

// proved counts the nodes of which a node says that they proved what they hold
// at most so many seconds ago.
func (c *cluster) proved(by int, within int64) (n int) {
	for _, id := range c.ids {
		if at, wrong, ok := c.nodes[by].Proved(id.ID); ok && !wrong && c.now.Unix()-at <= within {
			n++
		}
	}
	return n
}

// convicted counts the nodes that some node convicts.
func (c *cluster) convicted() (n int) {
	for _, a := range c.nodes {
		for _, id := range c.ids {
			if _, wrong, _ := a.Proved(id.ID); wrong {
				n++
			}
		}
	}
	return n
}
