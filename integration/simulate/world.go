package main

import (
	"fmt"
	"math"
	"math/rand/v2"

	"pifs/blockstore"
	"pifs/swarm"
	"pifs/swarm/decide"
)

const second = int64(1e9) // nanoseconds

// world is the whole swarm, as it is and as it is known.
type world struct {
	options
	timeline
	rng     *rand.Rand
	peers   []*node       // all that ever were, by index
	sites   []decide.Node // the same as repair sees them
	members []int         // of the record: those that are in placement
	places  []place
	bundles []*stripe
	at      map[blockstore.Address]*stripe
	due     []*stripe // at the last judgement
	epoch   int       // of members
	stats   stats
}

// node is a member and the truth about it.
type node struct {
	id         swarm.MemberID
	candidate  swarm.Candidate
	place      int
	gone       bool // its disks are, or it was expelled
	out        int  // reasons for which it does not answer now
	liar       bool
	convicted  bool
	passed     int64 // seconds: when the inventory of its last passed proof was signed
	commit     int64 // when that of this round was, 0 if not
	held, bad  int   // shards that it says to hold, and those of them that it does not
	queue      *decide.Queue
	budget     decide.Budget
	waking     bool // an event will look at the queue
	sinceScrub int
}

func (n *node) answers() bool { return !n.gone && n.out == 0 }

// place is a jurisdiction.
type place struct{ dark bool }

// stripe is a bundle of stripes.
type stripe struct {
	addr   blockstore.Address
	shards []shard
	busy   bool // being repaired by somebody
	order  []int
	epoch  int // for which order is right
}

// shard is where a shard is, and whether it really is.
type shard struct {
	holder int   // index of a node, or decide.Nobody
	put    int64 // seconds
	bad    bool  // rotten or deleted, and the holder does not say so
	wrong  bool  // and that is known
}

func newWorld(o options) *world {
	w := &world{options: o, rng: rand.New(rand.NewPCG(o.seed, 0x51))}
	w.at = make(map[blockstore.Address]*stripe)
	w.stats = newStats(o)
	w.places = make([]place, o.jurisdictions)
	for range o.nodes {
		w.join()
	}
	for i := range o.stripes {
		s := &stripe{}
		w.bundles = append(w.bundles, s)
		w.write(s, i)
	}
	w.schedule()
	return w
}

// seconds returns the present in the unit of the decisions.
func (w *world) seconds() int64 { return w.now / second }

// exponential draws a time with a mean, both in nanoseconds.
func (w *world) exponential(mean float64) int64 {
	return int64(min(w.rng.ExpFloat64()*mean, math.MaxInt64/4))
}

// schedule plans what happens by itself.
func (w *world) schedule() {
	r := w.rounds()
	w.everyRound(r, 0, decide.Commit, w.commitRound)
	w.everyRound(r, 0, decide.Judge, w.judgeRound)
	if w.dark > 0 {
		for i := range w.places {
			w.planDark(i)
		}
	}
}

func (w *world) everyRound(r decide.Rounds, round uint64, phase decide.Phase, do func(uint64)) {
	w.after(r.Begins(round, phase)*second-w.now, func() {
		do(round)
		w.everyRound(r, round+1, phase, do)
	})
}

// join adds a node that never was.
func (w *world) join() {
	i := len(w.peers)
	n := &node{
		id: swarm.MemberID(fmt.Sprintf("node-%d", i)), place: w.rng.IntN(w.jurisdictions), passed: w.seconds(),
		liar: w.rng.Float64() < w.liars, sinceScrub: w.rng.IntN(w.scrub),
		queue: decide.NewQueue(100_000), budget: decide.Budget{Rate: w.rate, Burst: 4 * w.shardBytes() * int64(w.class.N)},
	}
	n.candidate = swarm.NewCandidate(n.id, 1)
	w.peers = append(w.peers, n)
	w.members = append(w.members, i)
	w.epoch++
	operator := i
	if w.operators < w.options.nodes {
		operator = w.rng.IntN(w.operators)
	}
	n.candidate.Operator, n.candidate.Jurisdiction = uint32(operator+1), uint32(n.place+1)
	w.sites = append(w.sites, decide.Node{Operator: fmt.Sprint("operator-", operator), Jurisdiction: fmt.Sprint("place-", n.place), Live: true})
	if w.places[n.place].dark {
		n.out++
	}
	w.live(i)
	w.planLife(i)
}

// live brings what repair sees of a node up to date: whether it answers is what
// anybody finds out at once.
func (w *world) live(i int) { w.sites[i].Live = w.peers[i].answers() && !w.peers[i].convicted }

// order ranks the members for a stripe, as everybody does.
func (w *world) order(s *stripe) []int {
	if s.epoch == w.epoch {
		return s.order
	}
	candidates := make([]swarm.Candidate, len(w.members))
	for i, m := range w.members {
		candidates[i] = w.peers[m].candidate
	}
	order := swarm.Place(s.addr, candidates, len(candidates))
	s.order, s.epoch = w.caps().Spread(order, candidates, int(w.class.N)), w.epoch
	for i, at := range s.order {
		s.order[i] = w.members[at]
	}
	return s.order
}

// view is what everybody knows of a stripe.
func (w *world) view(s *stripe, into []decide.Shard) []decide.Shard {
	into = into[:0]
	for _, sh := range s.shards {
		v := decide.Shard{Holder: sh.holder, Wrong: sh.wrong}
		if sh.holder != decide.Nobody {
			n := w.peers[sh.holder]
			v.Proved, v.Wrong = max(sh.put, n.passed), v.Wrong || n.convicted
		}
		into = append(into, v)
	}
	return into
}

// write gives a stripe's shards their first homes, as a plan for a stripe of
// which everything is missing.
func (w *world) write(s *stripe, seed int) {
	delete(w.at, s.addr)
	s.epoch = 0
	s.addr = blockstore.AddressOf(fmt.Appendf(nil, "stripe %d of %d at %d", seed, w.seed, w.now))
	w.at[s.addr] = s
	s.shards = make([]shard, w.class.N)
	missing := make([]decide.Shard, w.class.N)
	for i := range s.shards {
		s.shards[i].holder, missing[i].Holder = decide.Nobody, decide.Nobody
	}
	plan := w.policy().Stripe(w.class, missing, w.sites, w.order(s), w.caps(), w.seconds())
	for _, m := range plan.Moves {
		w.put(s, m)
	}
}

// put has a node take a shard. A liar drops its part of what it takes.
func (w *world) put(s *stripe, m decide.Move) {
	sh := &s.shards[m.Shard]
	w.forget(sh)
	n := w.peers[m.To]
	*sh = shard{holder: m.To, put: w.seconds(), bad: n.liar && w.rng.Float64() < w.delete}
	n.held++
	if sh.bad {
		n.bad++
	}
}

// forget takes a shard from its holder's books.
func (w *world) forget(sh *shard) {
	if sh.holder == decide.Nobody {
		return
	}
	n := w.peers[sh.holder]
	n.held--
	if sh.bad {
		n.bad--
	}
	sh.holder = decide.Nobody
}
