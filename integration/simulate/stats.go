package main

import (
	"math"
	"slices"

	"pifs/swarm/decide"
)

// stats is what is counted.
type stats struct {
	deaths, darkened, convicted, rotted, foundBad int
	lost                                          int
	repairs, failed                               int
	repairBytes                                   int64
	repairTime                                    int64 // nanoseconds, of all
	challenges                                    int
	challengeBytes                                int64
	proved                                        []int // rounds × stripes with so many proved shards
	rounds                                        int
	unavailable                                   int // rounds × stripes of which fewer than k shards could be read
}

func newStats(o options) stats { return stats{proved: make([]int, int(o.class.N)+1)} }

// sample looks at how things are, at the end of a round.
func (t *stats) sample(w *world) {
	t.rounds++
	for _, s := range w.bundles {
		there := 0
		for _, sh := range s.shards {
			if sh.holder != decide.Nobody && !sh.bad && w.peers[sh.holder].answers() {
				there++
			}
		}
		if there < int(w.class.K) {
			t.unavailable++
		}
	}
}

// outcome is what a run comes to.
type outcome struct {
	options       options
	stats         stats
	stripeYears   float64
	losses        float64 // per stripe and year
	availability  float64
	traffic       float64 // repair, bytes per stored byte and year
	challenge     float64 // bytes per stored byte and year
	repairSeconds float64 // mean duration
	spread        float64 // coefficient of variation of the shards of nodes that are older than a year
	fullest       float64 // most shards of a node ÷ mean
	atHome        float64 // share of shards whose holder is among the first n for the stripe
	near          float64 // or among the first 2n
	survives      decide.Survey
}

func (w *world) outcome() outcome {
	t := &w.stats
	years := w.years
	stored := float64(w.shardBytes()) * float64(w.class.N) * float64(len(w.bundles))
	o := outcome{
		options: w.options, stats: *t, stripeYears: years * float64(len(w.bundles)),
		availability: 1 - float64(t.unavailable)/float64(max(t.rounds*len(w.bundles), 1)),
		traffic:      float64(t.repairBytes) / stored / years,
		challenge:    float64(t.challengeBytes) / stored / years,
	}
	o.losses = float64(t.lost) / o.stripeYears
	o.repairSeconds = float64(t.repairTime) / 1e9 / float64(max(t.repairs, 1))
	o.spread, o.fullest = w.balance()
	o.atHome, o.near = w.nearness()
	view := make([]decide.Shard, 0, w.class.N)
	for _, s := range w.bundles {
		view = w.view(s, view)
		o.survives.Add(s.addr, w.policy().Fate(w.class, view, w.sites, w.seconds()))
	}
	return o
}

// balance compares the shards of the nodes that are there.
func (w *world) balance() (spread, fullest float64) {
	var held []float64
	for _, m := range w.members {
		if n := w.peers[m]; n.answers() {
			held = append(held, float64(n.held))
		}
	}
	mean, square := 0.0, 0.0
	for _, h := range held {
		mean += h / float64(len(held))
	}
	for _, h := range held {
		square += (h - mean) * (h - mean) / float64(len(held))
	}
	return math.Sqrt(square) / mean, slices.Max(held) / mean
}

// nearness looks where readers, who ask in rendezvous order, find the shards of
// some stripes.
func (w *world) nearness() (atHome, near float64) {
	shards := 0
	for _, s := range w.bundles[:min(len(w.bundles), 200)] {
		order := w.order(s)
		for _, sh := range s.shards {
			if sh.holder == decide.Nobody || w.peers[sh.holder].gone {
				continue
			}
			shards++
			rank := slices.Index(order, sh.holder)
			if rank >= 0 && rank < int(w.class.N) {
				atHome++
			}
			if rank >= 0 && rank < 2*int(w.class.N) {
				near++
			}
		}
	}
	return atHome / float64(max(shards, 1)), near / float64(max(shards, 1))
}
