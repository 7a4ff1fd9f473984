package decide

import (
	"slices"

	"pifs/blockstore"
	"pifs/swarm"
)

// Nobody is the holder of a shard that no member is known to have.
const Nobody = -1

// Shard is what is known of one shard of a stripe.
type Shard struct {
	Holder int   // index of the member that has it, or Nobody
	Proved int64 // when the holder last passed a proof over it, or gave a receipt for it
	Wrong  bool  // the holder served or proved other bytes, or denies having it
}

// Node is a member as repair sees it.
type Node struct {
	Operator     string
	Jurisdiction string
	Live         bool // answers, and may be given shards
}

// Policy says when a shard counts as proved.
type Policy struct {
	MaxAge int64 // seconds since the last passed proof
}

// PolicyFor returns the policy for rounds of so many seconds: a shard counts
// until the judgement of the third round in a row that its holder missed. A
// proof is as old as the inventory that it is over.
func PolicyFor(round int64) Policy { return Policy{MaxAge: 7 * round / 2} }

// Urgency orders stripes by what their state asks for.
type Urgency uint8

const (
	Well     Urgency = iota // every shard is proved and in its place
	Waiting                 // shards are missing, too few to be worth a repair yet
	Lazy                    // as soon as there is bandwidth
	AtOnce                  // before all that is lazy, from the reserve if need be
	Critical                // fewer than k shards are proved: only trying tells whether it is lost
)

func (u Urgency) String() string {
	return [...]string{"well", "waiting", "lazy", "at once", "critical"}[u]
}

// Due reports whether a stripe of this urgency is to be repaired now.
func (u Urgency) Due() bool { return u >= Lazy }

// LazyThreshold returns the number of proved shards at which, or below which,
// a stripe is repaired: n − ⌊(n−k)/2⌋. Waiting for several losses spreads the
// cost of reading k shards over them (lazy repair: Bhagwan et al., "Total
// Recall", NSDI 2004).
func LazyThreshold(c blockstore.Class) int { return int(c.N) - c.Spare()/2 }

// UrgentThreshold returns the number of proved shards at which, or below
// which, a stripe is repaired at once: k + 3.
func UrgentThreshold(c blockstore.Class) int { return int(c.K) + 3 }

// urgency judges a stripe by its proved shards. wrong says that one is wrong,
// or beyond a cap and could be elsewhere.
func urgency(c blockstore.Class, proved int, wrong bool) Urgency {
	switch {
	case proved < int(c.K):
		return Critical
	case wrong:
		return AtOnce
	case proved >= int(c.N):
		return Well
	case proved <= UrgentThreshold(c):
		return AtOnce
	case proved <= LazyThreshold(c):
		return Lazy
	}
	return Waiting
}

// proved reports whether s counts at the time now. A proof from the future, by
// a clock that was wrong, counts until it is too old like any other.
func (p Policy) proved(s Shard, now int64) bool {
	return s.Holder != Nobody && !s.Wrong && s.Proved > 0 && now-s.Proved <= p.MaxAge
}

// Glance judges a stripe by its shards alone, without looking at caps. It is
// what most stripes need at most times, and takes no placement.
func (p Policy) Glance(c blockstore.Class, shards []Shard, now int64) (u Urgency, proved int) {
	wrong := false
	for _, s := range shards {
		if p.proved(s, now) {
			proved++
		}
		wrong = wrong || s.Wrong
	}
	return urgency(c, proved, wrong), proved
}

// Plan is what to do about a stripe.
type Plan struct {
	Urgency Urgency
	Proved  int    // shards that count
	Margin  int    // Proved − k: negative if it takes luck
	Moves   []Move // by shard; empty if there is nothing to do, or nowhere to put it
}

// Move says that a shard is to be put to a member.
type Move struct {
	Shard int // index in the stripe
	To    int // index of the member
}

// Due reports whether the plan is to be carried out now.
func (p Plan) Due() bool { return p.Urgency.Due() && len(p.Moves) > 0 }

// Stripe plans for one stripe at the time now. shards are in stripe order;
// order is all members as placement ranks them for the stripe, its homes
// first. A plan that is due replaces all bad shards, since most of the cost is
// reading k others. One node never gets two.
func (p Policy) Stripe(c blockstore.Class, shards []Shard, nodes []Node, order []int, caps swarm.Caps, now int64) Plan {
	s := newSites(nodes, caps)
	var bad, beyond []int
	wrong := false
	for _, i := range byRank(shards, order) {
		switch {
		case !p.proved(shards[i], now):
			bad = append(bad, i)
			wrong = wrong || shards[i].Wrong
		case !s.fits(shards[i].Holder, strict):
			beyond = append(beyond, i)
		default:
			s.add(shards[i].Holder)
		}
	}
	plan := Plan{Proved: len(shards) - len(bad)}
	plan.Margin = plan.Proved - int(c.K)
	slices.Sort(bad)
	plan.Moves = s.assign(bad, beyond, shards, order)
	moved := slices.ContainsFunc(plan.Moves, func(m Move) bool { return slices.Contains(beyond, m.Shard) })
	plan.Urgency = urgency(c, plan.Proved, wrong || moved)
	return plan
}

// byRank returns the indices of shards by the rank of their holders, so that
// of too many at one operator those stay that placement likes best.
func byRank(shards []Shard, order []int) []int {
	rank := make(map[int]int, len(shards))
	for _, s := range shards {
		rank[s.Holder] = len(order)
	}
	for r, m := range order {
		if _, holds := rank[m]; holds {
			rank[m] = r
		}
	}
	out := make([]int, len(shards))
	for i := range out {
		out[i] = i
	}
	slices.SortStableFunc(out, func(a, b int) int { return rank[shards[a].Holder] - rank[shards[b].Holder] })
	return out
}
