package repair

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"pifs/blockstore"
	"pifs/blockstore/blocktest"
	"pifs/swarm/decide"
	"pifs/swarm/proof"
)

// Nodes die; the others make every stripe whole again, each stripe once.
func TestNodesRepairByThemselves(t *testing.T) {
	c := newCluster(t, blockstore.Class{K: 5, N: 8}, 14)
	c.write(40, 20_000)
	c.pass()
	if n := c.counts(); n != (Counts{}) {
		t.Fatalf("nothing to do, and done: %+v", n)
	}
	c.kill(3, 7)
	missing, hurt := 0, int64(0)
	for _, d := range c.stripes {
		left := c.right(d)
		if left <= decide.LazyThreshold(c.class) || left < 8 && left <= decide.UrgentThreshold(c.class) {
			missing += 8 - left
			hurt++
		}
	}
	c.pass()
	c.mustBeWhole()
	if n := c.counts(); n.Stripes != hurt || n.Shards != int64(missing) || n.Failed != 0 || hurt == 0 {
		t.Errorf("%+v for %d stripes with %d missing shards", n, hurt, missing)
	}
	c.pass()
	if n := c.counts(); n.Stripes != hurt {
		t.Errorf("%d stripes repaired again", n.Stripes-hurt)
	}
	for i, r := range c.nodes {
		if s := r.Status(); c.members[i].Live && (s.Queue != 0 || s.Passes != 3 || s.Survey.Stripes > 0 && s.Survey.Nodes < 3) {
			t.Errorf("node %d: %+v", i, s)
		}
	}
}

// Who is away for a while costs nothing; who stays away does.
func TestAwayIsNotGone(t *testing.T) {
	c := newCluster(t, blockstore.Class{K: 5, N: 8}, 12)
	c.write(20, 5000)
	for _, away := range []int{2, 5, 8} {
		c.members[away].Live = false
	}
	c.pass()
	if n := c.counts(); n != (Counts{}) {
		t.Errorf("done for nodes that are away: %+v", n)
	}
	c.now = c.now.Add(4 * round * time.Second)
	for i := range c.members {
		if c.members[i].Live {
			c.members[i].Proved = c.now.Unix()
		}
	}
	c.pass()
	c.mustBeWhole()
}

// A look that found nothing is not repeated while nothing changes.
func TestLooksAreRemembered(t *testing.T) {
	c := newCluster(t, blockstore.Class{K: 3, N: 5}, 7)
	c.write(30, 3000)
	asked := 0
	for i := range c.members {
		c.members[i].Store = shelf{blocktest.NewFaulty(c.stores[i], func(call string) blocktest.Fault {
			c.mu.Lock()
			defer c.mu.Unlock()
			asked++
			return blocktest.OK
		})}
	}
	c.pass()
	first := asked
	c.pass()
	again := asked - first
	if first == 0 || again > first/2 { // those that are watched: one in five
		t.Errorf("%d questions, then %d", first, again)
	}
}

// Whoever's turn it is and does nothing is noticed by those who watch, within n
// rounds.
func TestIdlersAreReplaced(t *testing.T) {
	c := newCluster(t, blockstore.Class{K: 5, N: 8}, 12)
	c.write(20, 5000)
	c.kill(2, 5)
	busy := func(i int) bool { return i%3 == 0 } // the others do nothing
	for range 2 * int(c.class.N) {
		c.now = c.now.Add(round * time.Second)
		for i := range c.members {
			if c.members[i].Live {
				c.members[i].Proved = c.now.Unix()
			}
		}
		for i, r := range c.nodes {
			if c.members[i].Live && busy(i) {
				if err := r.Pass(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for _, d := range c.stripes {
		held := false
		for i := range c.members {
			held = held || busy(i) && c.members[i].Live && c.holds(i, d) >= 0
		}
		if held && c.right(d) != 8 {
			t.Errorf("stripe %v has %d shards, and a busy holder", d.Address, c.right(d))
		}
	}
}

// liar serves other bytes than it was given, without saying so.
type liar struct{ *blocktest.Memory }

func (l liar) Get(ctx context.Context, id blockstore.ShardID, dst []byte) ([]byte, error) {
	out, err := l.Memory.Get(ctx, id, dst)
	if err == nil {
		out[len(out)-1] ^= 1
	}
	return out, err
}

// Wrong bytes never get into a stripe; who served them loses the shard to
// somebody else.
func TestWrongInputsAreReplaced(t *testing.T) {
	c := newCluster(t, blockstore.Class{K: 5, N: 8}, 16)
	c.write(30, 5000)
	c.kill(1)
	c.members[4].Store, c.members[9].Store = shelf{liar{c.stores[4]}}, shelf{liar{c.stores[9]}}
	c.pass()
	c.pass()
	for _, d := range c.stripes {
		if n := c.right(d); n != 8 {
			t.Errorf("%d right shards of stripe %v", n, d.Address)
		}
	}
	if n := c.counts(); n.Stripes == 0 || n.Failed != 0 {
		t.Errorf("%+v", n)
	}
}

// A descriptor that no coder would make is never carried out.
func TestFalseDescriptors(t *testing.T) {
	c := newCluster(t, blockstore.Class{K: 5, N: 8}, 12)
	c.write(1, 5000)
	_, other := blocktest.Shard(77, 1000)
	c.stripes[0].Shards[7] = blockstore.ShardIDOf(other) // as if it were the last
	order := newScene(c.members, "").order(c.stripes[0])
	if err := c.stores[order[7]].Put(t.Context(), c.stripes[0].Shards[7], other); err != nil {
		t.Fatal(err)
	}
	c.kill(order[0], order[1])
	shown := 0
	for _, r := range c.nodes {
		r.o.Expose = func(m *proof.Malformed) error {
			shown++
			if m.Stripe.Address != c.stripes[0].Address || m.Verify(c.coder) != nil {
				t.Error("what is shown is not so")
			}
			return nil
		}
	}
	c.pass()
	first := c.counts()
	if first.Shards != 0 || first.Failed == 0 || shown == 0 {
		t.Errorf("%+v, shown %d times", first, shown)
	}
	for range 3 {
		c.pass()
	}
	if n := c.counts(); n.Failed > int64(len(c.nodes)) {
		t.Errorf("%d tries at what nobody can repair", n.Failed)
	}
}

// With too few shards nothing is put, and what comes back is used.
func TestTooFewAndBack(t *testing.T) {
	c := newCluster(t, blockstore.Class{K: 5, N: 8}, 14)
	c.write(10, 5000)
	order := newScene(c.members, "").order(c.stripes[0])
	c.kill(order[:4]...)
	c.pass()
	if n := c.right(c.stripes[0]); n != 4 {
		t.Fatalf("%d shards of a stripe that cannot be rebuilt", n)
	}
	if c.counts().Failed == 0 {
		t.Error("nobody noticed")
	}
	c.members[order[0]].Live = true // it has not proved anything yet, and can be read
	c.pass()
	c.mustBeWhole()
}

// Whatever is damaged, denied, lost or away: stripes with k right shards that
// somebody serves become whole, and no node ever takes a wrong one.
func TestRepairAgainstFaults(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		class := rapid.SampledFrom([]blockstore.Class{{K: 1, N: 2}, {K: 2, N: 3}, {K: 3, N: 5}, {K: 5, N: 8}, {K: 4, N: 6}}).Draw(rt, "class")
		c := newCluster(t, class, int(class.N)*2+2)
		c.write(rapid.IntRange(1, 4).Draw(rt, "stripes"), rapid.IntRange(blockstore.MinBlock+10, 3000).Draw(rt, "size"))
		node := rapid.IntRange(0, len(c.members)-1)
		for range rapid.IntRange(0, class.Spare()).Draw(rt, "kills") {
			c.kill(node.Draw(rt, "killed"))
		}
		for range rapid.IntRange(0, 3).Draw(rt, "losses") {
			d := c.stripes[rapid.IntRange(0, len(c.stripes)-1).Draw(rt, "stripe")]
			id := d.Shards[rapid.IntRange(0, int(class.N)-1).Draw(rt, "shard")]
			store := c.stores[node.Draw(rt, "of")]
			if rapid.Bool().Draw(rt, "damaged") {
				store.Damage(id)
			} else if err := store.Delete(t.Context(), id); err != nil {
				rt.Fatal(err)
			}
		}
		fault := node.Draw(rt, "faulty")
		kind := rapid.SampledFrom([]string{"none", "put", "get", "has", "sync"}).Draw(rt, "fault")
		reply := rapid.SampledFrom([]blocktest.Fault{blocktest.NotApplied, blocktest.LostReply}).Draw(rt, "reply")
		c.members[fault].Store = shelf{blocktest.NewFaulty(c.stores[fault], func(call string) blocktest.Fault {
			if call == kind {
				return reply
			}
			return blocktest.OK
		})}
		before := make([]int, len(c.stripes))
		for i, d := range c.stripes {
			before[i] = c.right(d)
		}
		c.pass()
		c.members[fault].Store = shelf{c.stores[fault]}
		for range 3 {
			c.now = c.now.Add(time.Second)
			c.pass()
		}
		for i, d := range c.stripes {
			after := c.right(d)
			if after < before[i] {
				rt.Fatalf("stripe %d had %d right shards, and has %d", i, before[i], after)
			}
			if before[i] >= int(class.K) && after < min(int(class.N), decide.LazyThreshold(class)+1) && !c.damaged(d) {
				rt.Fatalf("stripe %d has %d right shards of class %v", i, after, class)
			}
		}
	})
}

// damaged reports whether a live node says to hold a shard that it cannot
// serve, which its own scrub has to find.
func (c *cluster) damaged(d blockstore.Descriptor) bool {
	for m, store := range c.stores {
		for _, id := range d.Shards {
			held, _ := store.Has(context.Background(), id)
			if _, err := store.Get(context.Background(), id, nil); held && errors.Is(err, blockstore.ErrCorrupt) && c.members[m].Live {
				return true
			}
		}
	}
	return false
}

// Repair takes as long as its budget says.
func TestBudgetIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, blockstore.Class{K: 5, N: 8}, 12)
		c.write(1, 50_000)
		c.now = time.Unix(10*round+1, 0)
		order := newScene(c.members, "").order(c.stripes[0])
		c.kill(order[6], order[7])
		r := c.nodes[order[0]]
		begun := time.Now()
		r.o.Now = func() time.Time { return c.now.Add(time.Since(begun)) }
		r.budget = decide.Budget{Rate: 7000, Burst: 1}
		if _, ok := r.budget.Take(70_000, r.o.Now().UnixNano(), true); !ok { // as if something had been repaired just now
			t.Fatal("the bucket was not full")
		}
		if err := r.Pass(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun).Round(time.Second); took != 10*time.Second || c.right(c.stripes[0]) != 8 {
			t.Errorf("it took %v, and %d shards are there", took, c.right(c.stripes[0]))
		}
	})
}

// Run makes a pass each round, and another when told of a change.
func TestRunKeepsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, blockstore.Class{K: 1, N: 1}, 1)
		r := c.nodes[0]
		change := make(chan struct{})
		r.o.Now, r.o.Rounds = time.Now, decide.Rounds{Start: time.Now().Unix(), Length: round}
		r.o.Changed = func() <-chan struct{} { return change }
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { r.Run(ctx); close(done) }()
		time.Sleep(5 * round * time.Second) // virtual
		synctest.Wait()
		if n := r.Status().Passes; n != 5 {
			t.Errorf("%d passes in 5 rounds", n)
		}
		old := change
		change = make(chan struct{})
		close(old)
		synctest.Wait()
		if n := r.Status().Passes; n != 6 {
			t.Errorf("%d passes after a change", n)
		}
		stop()
		<-done
	})
}

func TestOptionsMustBeWhole(t *testing.T) {
	if _, err := New(Options{}); err == nil {
		t.Error("a repairer of nothing")
	}
}

// BenchmarkRepair rebuilds stripes of 1 MiB blocks of which 3 of 8 or 6 of 34
// shards are gone, from memory to memory; bytes are those of the blocks.
func BenchmarkRepair(b *testing.B) {
	for _, bench := range []struct {
		class blockstore.Class
		dead  int
	}{{blockstore.Class{K: 5, N: 8}, 2}, {blockstore.Class{K: 21, N: 34}, 6}} {
		b.Run(fmt.Sprint(bench.class), func(b *testing.B) {
			c := newCluster(b, bench.class, 2*int(bench.class.N))
			c.write(1, 1<<20)
			order := newScene(c.members, "").order(c.stripes[0])
			c.kill(order[int(bench.class.N)-bench.dead : bench.class.N]...)
			r := c.nodes[order[0]]
			b.SetBytes(1 << 20)
			for b.Loop() {
				s := newScene(c.Members(), r.o.Self)
				v := s.locate(b.Context(), c.stripes)[0]
				if put, _, err := r.rebuild(b.Context(), s, v); put != bench.dead || err != nil {
					b.Fatal(put, err)
				}
				b.StopTimer()
				for _, m := range order[bench.class.N:] {
					for _, id := range c.stripes[0].Shards {
						c.stores[m].Delete(b.Context(), id)
					}
				}
				b.StartTimer()
			}
		})
	}
}
