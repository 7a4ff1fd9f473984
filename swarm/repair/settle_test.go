package repair

import (
	"context"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"pifs/blockstore"
	"pifs/swarm/decide"
)

// TestSettle compares with trying everything: as many shards as possible count at members of
// their own, each at one that says so, and none is left out.
func TestSettle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const most = 5
		v := &sight{d: blockstore.Descriptor{Shards: make([]blockstore.ShardID, most)}, shards: make([]decide.Shard, most)}
		s := &scene{members: make([]Member, most), oldest: 10}
		for i := range most {
			v.d.Shards[i][0], v.shards[i].Holder = byte(i), decide.Nobody
			s.members[i].Proved = rapid.Int64Range(8, 13).Draw(t, "proved")
		}
		for _, c := range rapid.SliceOfDistinct(rapid.IntRange(0, most*most-1), rapid.ID).Draw(t, "says") {
			v.says = append(v.says, claim{c / most, c % most})
			s.enter(v, c/most, c%most)
		}
		s.settle(v)
		own := make(map[int]bool)
		for i, sh := range v.shards {
			said := slices.ContainsFunc(v.says, func(c claim) bool { return c.shard == i })
			if said != (sh.Holder != decide.Nobody) || said && !slices.Contains(v.says, claim{i, sh.Holder}) {
				t.Fatalf("shard %d counts at %d", i, sh.Holder)
			}
			if said && sh.Proved != s.members[sh.Holder].Proved {
				t.Fatalf("shard %d counts as proved at %d", i, sh.Proved)
			}
			if said && sh.Proved >= s.oldest {
				own[sh.Holder] = true
			}
		}
		if want := widest(s, v, 0, make(map[int]bool)); len(own) < want {
			t.Fatalf("%d shards count at members of their own, and %d could", len(own), want)
		}
	})
}

// widest tries all choices for the shards from i on.
func widest(s *scene, v *sight, i int, used map[int]bool) int {
	if i == len(v.shards) {
		return 0
	}
	best := widest(s, v, i+1, used)
	for _, c := range v.says {
		if c.shard != i || used[c.member] || s.members[c.member].Proved < s.oldest {
			continue
		}
		used[c.member] = true
		best = max(best, 1+widest(s, v, i+1, used))
		delete(used, c.member)
	}
	return best
}

// TestRepairsThatMet: shards of each stripe lie with several members, and two of
// them with one, since two members repaired it at one time. Nothing is left to do, and it
// survives as much as it can.
func TestRepairsThatMet(t *testing.T) {
	for name, lie := range map[string]map[int][]int{ // ranks, and the shards that they got
		"two spares":         {8: {2, 5}, 9: {2, 5}},
		"a home and a spare": {5: {2, 5}, 8: {5}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, blockstore.Class{K: 5, N: 8}, 10)
			c.write(20, 20_000)
			for _, d := range c.stripes {
				c.relay(d, []int{2, 5}, lie)
			}
			c.pass()
			c.pass()
			if n := c.counts(); n != (Counts{}) {
				t.Errorf("nothing is missing, and done: %+v", n)
			}
			for i, r := range c.nodes {
				if s := r.Status().Survey; s.Stripes > 0 && s.Nodes != 3 {
					t.Errorf("node %d has its stripes survive any %d nodes", i, s.Nodes)
				}
			}
		})
	}
}

// relay takes shards of a stripe from their homes, and puts them to ranks.
func (c *cluster) relay(d blockstore.Descriptor, shards []int, lie map[int][]int) {
	c.t.Helper()
	ctx, order, bytes := context.Background(), newScene(c.members, "").order(d), make(map[int][]byte)
	for _, i := range shards {
		shard, err := c.stores[order[i]].Get(ctx, d.Shards[i], nil)
		if err := errors.Join(err, c.stores[order[i]].Delete(ctx, d.Shards[i])); err != nil {
			c.t.Fatal(err)
		}
		bytes[i] = shard
	}
	for rank, got := range lie {
		for _, i := range got {
			if err := c.stores[order[rank]].Put(ctx, d.Shards[i], bytes[i]); err != nil {
				c.t.Fatal(err)
			}
		}
	}
}
