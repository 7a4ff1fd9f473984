package decide

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"pifs/blockstore"
	"pifs/swarm"
)

const now = 1_000_000

// scene is a stripe somewhere in its life, with members around it.
type scene struct {
	class  blockstore.Class
	shards []Shard
	nodes  []Node
	order  []int
	caps   swarm.Caps
	policy Policy
}

func drawClass(t *rapid.T) blockstore.Class {
	return rapid.SampledFrom([]blockstore.Class{{K: 1, N: 1}, {K: 1, N: 2}, {K: 2, N: 3}, {K: 3, N: 5}, {K: 5, N: 8}, {K: 8, N: 13},
		{K: 13, N: 21}, {K: 21, N: 34}, {K: 6, N: 9}, {K: 20, N: 30}}).Draw(t, "class")
}

func drawScene(t *rapid.T) scene {
	s := scene{class: drawClass(t), policy: Policy{MaxAge: 100}}
	members := rapid.IntRange(1, 60).Draw(t, "members")
	for i := range members {
		s.nodes = append(s.nodes, Node{
			Operator:     fmt.Sprint("op", rapid.IntRange(0, 12).Draw(t, "operator")),
			Jurisdiction: fmt.Sprint("j", rapid.IntRange(0, 5).Draw(t, "jurisdiction")),
			Live:         rapid.IntRange(0, 9).Draw(t, "live") > 0,
		})
		s.order = append(s.order, i)
	}
	s.order = rapid.Permutation(s.order).Draw(t, "order")
	s.caps = swarm.Caps{Operator: rapid.IntRange(0, 3).Draw(t, "operator cap"), Jurisdiction: rapid.IntRange(0, 9).Draw(t, "jurisdiction cap")}
	for range s.class.N {
		s.shards = append(s.shards, Shard{
			Holder: rapid.IntRange(-1, members-1).Draw(t, "holder"),
			Proved: rapid.SampledFrom([]int64{now, now, now - 100, now - 101, 0, now + 5}).Draw(t, "proved"),
			Wrong:  rapid.IntRange(0, 30).Draw(t, "wrong") == 0,
		})
	}
	return s
}

func (s scene) plan() Plan {
	return s.policy.Stripe(s.class, s.shards, s.nodes, s.order, s.caps, now)
}

// after returns who holds each shard when the plan was carried out, with
// Nobody for those that are not proved then.
func (s scene) after(p Plan) []int {
	var out []int
	for _, sh := range s.shards {
		if sh.Holder == Nobody || sh.Wrong || sh.Proved == 0 || now-sh.Proved > 100 {
			sh.Holder = Nobody
		}
		out = append(out, sh.Holder)
	}
	for _, m := range p.Moves {
		out[m.Shard] = m.To
	}
	return out
}

func TestPlansAgainstTheDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawScene(t)
		p := s.plan()
		before := s.after(Plan{})
		n, k := int(s.class.N), int(s.class.K)
		missing := 0
		for _, h := range before {
			if h == Nobody {
				missing++
			}
		}
		if p.Proved != n-missing || p.Margin != n-missing-k {
			t.Fatalf("%d proved, margin %d, of %d with %d missing", p.Proved, p.Margin, n, missing)
		}
		wrong := slices.ContainsFunc(s.shards, func(s Shard) bool { return s.Wrong })
		moved := slices.ContainsFunc(p.Moves, func(m Move) bool { return before[m.Shard] != Nobody })
		want := Waiting
		switch {
		case n-missing < k:
			want = Critical
		case wrong || moved || missing > 0 && n-missing <= k+3:
			want = AtOnce
		case missing == 0:
			want = Well
		case n-missing <= n-(n-k)/2:
			want = Lazy
		}
		if p.Urgency != want {
			t.Fatalf("%v, want %v: class %v, %d missing, wrong %v, moved %v", p.Urgency, want, s.class, missing, wrong, moved)
		}
		if u, proved := s.policy.Glance(s.class, s.shards, now); !moved && (u != want || proved != p.Proved) {
			t.Fatalf("at a glance %v with %d, want %v with %d", u, proved, want, p.Proved)
		}
	})
}

// Shards go to live members that have none of the stripe; as many as there are
// such members; beyond a cap only if nobody within the caps is left.
func TestMovesKeepToTheCaps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawScene(t)
		p := s.plan()
		before, after := s.after(Plan{}), s.after(p)
		free := 0
		for m, n := range s.nodes {
			if n.Live && !slices.Contains(before, m) {
				free++
			}
		}
		placed, missing := 0, 0
		for i, h := range before {
			if h != Nobody {
				continue
			}
			missing++
			if after[i] != Nobody {
				placed++
			}
		}
		targets := make(map[int]bool)
		relocated := 0
		for _, m := range p.Moves {
			if !s.nodes[m.To].Live || slices.Contains(before, m.To) || targets[m.To] {
				t.Fatalf("shard %d goes to member %d, which is away or has one already", m.Shard, m.To)
			}
			targets[m.To] = true
			if before[m.Shard] != Nobody {
				relocated++
			}
		}
		if placed != min(missing, free) && placed+relocated != free {
			t.Fatalf("%d of %d missing shards placed, %d members free", placed, missing, free)
		}
		were := slices.Clone(after) // those shards that were there before: others may have had to crowd in
		for i, h := range before {
			if h == Nobody {
				were[i] = Nobody
			}
		}
		for _, m := range p.Moves {
			if before[m.Shard] != Nobody && s.over(were, m.To) {
				t.Fatalf("shard %d moved from a crowded place to another", m.Shard)
			}
		}
		s.checkMaximal(t, p, after)
	})
}

// over reports whether the member's operator or jurisdiction has too many.
func (s scene) over(holders []int, m int) bool {
	op, place := 0, 0
	for _, h := range holders {
		if h != Nobody && s.nodes[h].Operator == s.nodes[m].Operator {
			op++
		}
		if h != Nobody && s.nodes[h].Jurisdiction == s.nodes[m].Jurisdiction {
			place++
		}
	}
	return s.caps.Operator > 0 && op > s.caps.Operator || s.caps.Jurisdiction > 0 && place > s.caps.Jurisdiction
}

// checkMaximal: if a missing shard went beyond a cap, no live member is left
// that could take another without.
func (s scene) checkMaximal(t *rapid.T, p Plan, after []int) {
	before := s.after(Plan{})
	for _, m := range p.Moves {
		if before[m.Shard] != Nobody || !s.over(after, m.To) {
			continue
		}
		for other, n := range s.nodes {
			if !n.Live || slices.Contains(after, other) || slices.Contains(before, other) {
				continue
			}
			if !s.over(append(slices.Clone(after), other), other) {
				t.Fatalf("shard %d went to %d beyond a cap, and %d would have kept it", m.Shard, m.To, other)
			}
		}
	}
}

// Plans that are carried out come to an end: moving a shard out of a crowded
// place may make room for another, and never for the one before.
func TestPlansComeToAnEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawScene(t)
		for range 2 * len(s.shards) {
			p := s.plan()
			if len(p.Moves) == 0 {
				return
			}
			for _, m := range p.Moves {
				s.shards[m.Shard] = Shard{Holder: m.To, Proved: now}
			}
		}
		t.Fatalf("still to do: %+v", s.plan())
	})
}

func TestHomesComeFirst(t *testing.T) {
	s := scene{class: blockstore.Class{K: 3, N: 5}, policy: Policy{MaxAge: 100}, order: []int{5, 3, 1, 0, 2, 4}}
	for i := range 6 {
		s.nodes = append(s.nodes, Node{Operator: fmt.Sprint(i), Jurisdiction: fmt.Sprint(i), Live: i != 1})
	}
	for i := range 5 {
		s.shards = append(s.shards, Shard{Holder: s.order[i], Proved: now})
	}
	s.shards[2].Proved, s.shards[4].Wrong = now-101, true
	want := []Move{{Shard: 2, To: 4}, {Shard: 4, To: 2}}
	if p := s.plan(); !slices.Equal(p.Moves, want) || p.Urgency != AtOnce || !p.Due() {
		t.Errorf("plan %+v, want moves %v", p, want)
	}
}

func TestThresholds(t *testing.T) {
	for _, c := range []struct {
		class        blockstore.Class
		lazy, urgent int
	}{
		{blockstore.Class{K: 21, N: 34}, 28, 24},
		{blockstore.Class{K: 13, N: 21}, 17, 16},
		{blockstore.Class{K: 3, N: 5}, 4, 6},
	} {
		for proved := range int(c.class.N) + 1 {
			want := Waiting
			switch {
			case proved == int(c.class.N):
				want = Well
			case proved < int(c.class.K):
				want = Critical
			case proved <= c.urgent:
				want = AtOnce
			case proved <= c.lazy:
				want = Lazy
			}
			if got := urgency(c.class, proved, false); got != want {
				t.Errorf("%v with %d proved: %v, want %v", c.class, proved, got, want)
			}
		}
	}
}

// Every holder looks after a stripe once in a period, and not all in one round.
func TestWatchesOncePerPeriod(t *testing.T) {
	const period = 16
	addr := blockstore.AddressOf([]byte("stripe"))
	perRound := make([]int, period)
	for m := range 200 {
		times := 0
		for round := range uint64(period) {
			if Watches(addr, swarm.MemberID(fmt.Sprint(m)), 1000+round, period) {
				times++
				perRound[round]++
			}
		}
		if times != 1 {
			t.Fatalf("member %d looks %d times", m, times)
		}
	}
	if most := slices.Max(perRound); most > 40 { // 12.5 expected, deviation 3.4
		t.Errorf("%d of 200 look in one round", most)
	}
	order := []int{4, 2, 7}
	if got := Turn(order, func(m int) bool { return m != 4 }); got != 2 {
		t.Errorf("turn of %d", got)
	}
	if got := Turn(order, func(int) bool { return false }); got != Nobody {
		t.Errorf("turn of %d, where nobody can", got)
	}
}
