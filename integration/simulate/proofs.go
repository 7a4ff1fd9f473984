package main

import (
	"math"
	"math/bits"
	"slices"

	"pifs/swarm/decide"
)

// expire is how many rounds without a proof take a member out of the record.
const expire = 30

// look is in how many rounds every stripe's places are held against the caps.
const look = 180

// commitRound begins a round: who is there signs its inventory. Holders that
// watch stripes look whether those whose turn it was did it.
func (w *world) commitRound(round uint64) {
	for _, m := range w.members {
		n := w.peers[m]
		n.commit = 0
		if n.answers() {
			n.commit = max(w.seconds(), 1)
		}
	}
	for _, s := range w.due {
		for _, sh := range s.shards {
			if sh.holder != decide.Nobody && decide.Watches(s.addr, w.peers[sh.holder].id, round, uint64(w.class.N)) {
				w.enter(sh.holder, s)
			}
		}
	}
}

// judgeRound ends one: proofs are checked, and what follows is done.
func (w *world) judgeRound(round uint64) {
	if w.rot > 0 {
		w.rotSome()
	}
	w.members = slices.DeleteFunc(w.members, func(m int) bool {
		n := w.peers[m]
		w.judge(m)
		gone := n.convicted || w.seconds()-n.passed > expire*w.round
		if gone {
			w.epoch++
		}
		return gone
	})
	w.stats.sample(w)
	w.due = w.due[:0]
	view := make([]decide.Shard, 0, w.class.N)
	for i, s := range w.bundles {
		view = w.view(s, view)
		u, proved := w.policy().Glance(w.class, view, w.seconds())
		w.stats.proved[proved]++
		if u.Due() || (uint64(i)+round)%look == 0 {
			w.decide(s, view)
		}
	}
}

// judge decides what a node's answer of this round comes to.
func (w *world) judge(m int) {
	n := w.peers[m]
	if !n.answers() || n.commit == 0 {
		return
	}
	w.stats.challenges++
	w.stats.challengeBytes += w.proofBytes(n)
	if w.rng.Float64() < w.loss {
		return // too late: no proof, and no lie
	}
	n.sinceScrub++
	caught := n.bad > 0 && w.rng.Float64() < 1-math.Pow(1-float64(n.bad)/float64(n.held), float64(w.samples))
	switch {
	case caught && n.liar:
		n.convicted = true
		w.stats.convicted++
		w.live(m)
		w.join()
		return
	case caught || n.sinceScrub >= w.scrub && !n.liar:
		w.scrubNode(m)
	}
	n.passed = n.commit
}

// scrubNode has an honest node read everything and own up to what is rotten.
func (w *world) scrubNode(m int) {
	n := w.peers[m]
	n.sinceScrub = 0
	if n.bad == 0 {
		return
	}
	for _, s := range w.bundles {
		for i := range s.shards {
			if sh := &s.shards[i]; sh.holder == m && sh.bad {
				sh.wrong = true
			}
		}
	}
}

// rotSome damages shards for one round.
func (w *world) rotSome() {
	total := float64(len(w.bundles) * int(w.class.N))
	mean := total * w.rot * float64(w.round) / year
	for t := w.rng.ExpFloat64(); t < mean; t += w.rng.ExpFloat64() {
		i := w.rng.IntN(len(w.bundles))
		s := w.bundles[i]
		sh := &s.shards[w.rng.IntN(len(s.shards))]
		if sh.holder == decide.Nobody || sh.bad {
			continue
		}
		sh.bad = true
		w.peers[sh.holder].bad++
		w.stats.rotted++
		if w.exist(s) < int(w.class.K) {
			w.lose(s, i)
		}
	}
}

// proofBytes returns what a node's answer costs on the wire: for each leaf the
// leaf, its path in the shard and the shard's in the inventory, to every
// verifier.
func (w *world) proofBytes(n *node) int64 {
	shard := w.block / int64(w.class.K)
	inShard := bits.Len64(uint64(shard / 1024))
	shards := int64(n.held) * w.shardBytes() / shard
	inInventory := bits.Len64(uint64(shards))
	return int64(w.verifiers) * int64(w.samples) * int64(1024+32*inShard+40*inInventory)
}
