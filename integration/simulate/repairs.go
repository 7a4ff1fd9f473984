package main

import (
	"math"

	"pifs/swarm/decide"
)

// decide has whoever's turn it is repair a stripe, if that is to be done.
func (w *world) decide(s *stripe, view []decide.Shard) {
	plan := w.policy().Stripe(w.class, view, w.sites, w.order(s), w.caps(), w.seconds())
	if !plan.Due() {
		return
	}
	w.due = append(w.due, s)
	holds := make(map[int]bool, len(view))
	for _, v := range view {
		holds[v.Holder] = !v.Wrong
	}
	if m := decide.Turn(w.order(s), func(m int) bool { return holds[m] && w.sites[m].Live }); m != decide.Nobody {
		w.enter(m, s)
	}
}

// enter puts a stripe on a node's queue, if it still needs repair.
func (w *world) enter(m int, s *stripe) {
	n := w.peers[m]
	plan := w.plan(s)
	if !plan.Due() || !n.answers() || n.liar || n.convicted || s.busy {
		return
	}
	n.queue.Put(decide.Task{Address: s.addr, Urgency: plan.Urgency, Margin: plan.Margin, Since: w.seconds(), Cost: w.cost(plan)})
	w.work(m)
}

func (w *world) plan(s *stripe) decide.Plan {
	view := w.view(s, make([]decide.Shard, 0, w.class.N))
	return w.policy().Stripe(w.class, view, w.sites, w.order(s), w.caps(), w.seconds())
}

// cost returns the bytes of a repair: the repairer has one shard itself.
func (w *world) cost(p decide.Plan) int64 {
	return int64(int(w.class.K)-1+len(p.Moves)) * w.shardBytes()
}

// work has a node do what is on its queue as far as its budget goes.
func (w *world) work(m int) {
	n := w.peers[m]
	for n.answers() && !n.convicted {
		task, ok := n.queue.First()
		if !ok {
			return
		}
		s := w.at[task.Address]
		var plan decide.Plan
		if s != nil && !s.busy {
			plan = w.plan(s)
		}
		if !plan.Due() { // done by somebody else, or not there any more
			n.queue.Remove(task.Address)
			continue
		}
		wait, ok := n.budget.Take(w.cost(plan), w.now, plan.Urgency >= decide.AtOnce)
		if !ok {
			w.wake(m, int64(wait))
			return
		}
		n.queue.Remove(task.Address)
		w.repair(s, plan)
	}
}

func (w *world) wake(m int, wait int64) {
	n := w.peers[m]
	if n.waking {
		return
	}
	n.waking = true
	w.after(wait, func() {
		n.waking = false
		w.work(m)
	})
}

// repair reads k shards and writes those of the plan, which takes a while.
func (w *world) repair(s *stripe, plan decide.Plan) {
	if w.readable(s) < int(w.class.K) {
		w.stats.failed++
		return
	}
	cost := w.cost(plan)
	took := int64(float64(cost)/float64(w.rate)*1e9) + w.latency()
	w.stats.repairs++
	w.stats.repairBytes += cost
	w.stats.repairTime += took
	addr := s.addr
	s.busy = true
	w.after(took, func() {
		s.busy = false
		if s.addr != addr {
			return // it was lost meanwhile
		}
		for _, m := range plan.Moves {
			if w.peers[m.To].answers() {
				w.put(s, m)
			}
		}
	})
}

// readable counts the shards that can be read now, and finds out about those
// that are not what they should be.
func (w *world) readable(s *stripe) (n int) {
	for i := range s.shards {
		sh := &s.shards[i]
		switch {
		case n == int(w.class.K) || sh.holder == decide.Nobody || sh.wrong || !w.peers[sh.holder].answers():
		case sh.bad:
			sh.wrong = true
			w.stats.foundBad++
		default:
			n++
		}
	}
	return n
}

// latency draws how long the slowest of k requests takes, in nanoseconds:
// log-normal, as round-trips are.
func (w *world) latency() int64 {
	worst := 0.0
	for range w.class.K {
		worst = max(worst, float64(w.rtt)*math.Exp(0.8*w.rng.NormFloat64()))
	}
	return 2 * int64(worst) // to read, and to write
}
