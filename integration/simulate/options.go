package main

import (
	"flag"
	"fmt"
	"time"

	"pifs/blockstore"
	"pifs/swarm"
	"pifs/swarm/decide"
)

const (
	day  = 24 * 60 * 60 // seconds
	year = 365 * day
)

// options say what is simulated. Rates are per year.
type options struct {
	seed          uint64
	nodes         int
	stripes       int // bundles, see doc.go
	years         float64
	class         blockstore.Class
	jurisdictions int
	operators     int // number of nodes if larger

	life    float64 // mean, in days, of a node until its disks are gone
	away    float64 // times a year that a node is away
	awayFor float64 // mean hours of that
	loss    float64 // share of answers that do not arrive in time

	dark    float64 // times a year that a jurisdiction goes dark
	darkFor float64 // mean days of that
	forGood float64 // share of those that do not come back

	rot    float64 // share of the shards of a node that rot in a year
	scrub  int     // rounds between a node's own looks at all its shards
	liars  float64 // share of new nodes that delete a part of what they take
	delete float64 // that part, α

	round     int64         // seconds
	samples   int           // leaves of a challenge, q
	verifiers int           // who check an answer
	stored    int64         // bytes that a node holds, on average
	rate      int64         // bytes a second that a node spends on repair at most
	block     int64         // bytes of a real block: how many proofs and paths there are
	rtt       time.Duration // median between two nodes
}

// calm is churn alone: what the model describes.
func calm() options {
	return options{
		seed: 1, nodes: 1000, stripes: 3000, years: 4, class: blockstore.Class{K: 21, N: 34},
		jurisdictions: 20, operators: 1 << 30,
		life: 365, away: 12, awayFor: 8, loss: 0.01,
		scrub: 14, round: day, samples: 256, verifiers: 3,
		stored: 1e12, rate: 20e6, block: 1 << 20, rtt: 60 * time.Millisecond,
	}
}

// rough is what else happens to swarms.
func rough() options {
	o := calm()
	o.operators = 250
	o.dark, o.darkFor, o.forGood = 0.1, 7, 0.2
	o.rot, o.liars, o.delete = 1e-3, 0.05, 0.05
	return o
}

// policy, rounds and caps are those of the real swarm.
func (o options) policy() decide.Policy { return decide.PolicyFor(o.round) }
func (o options) rounds() decide.Rounds { return decide.Rounds{Start: 0, Length: o.round} }

func (o options) caps() swarm.Caps {
	caps, _ := swarm.CapsFor(o.class, min(o.operators, o.nodes), o.jurisdictions)
	return caps
}

// shardBytes returns the bytes of a shard of a bundle.
func (o options) shardBytes() int64 {
	return int64(float64(o.stored) * float64(o.nodes) / float64(o.stripes) / float64(o.class.N))
}

func (o options) validate() error {
	switch {
	case !o.class.Valid():
		return fmt.Errorf("class %v is on no ladder", o.class)
	case o.nodes < int(o.class.N) || o.nodes > 100_000:
		return fmt.Errorf("%d nodes: want %d to 100,000 for class %v", o.nodes, o.class.N, o.class)
	case o.stripes < 1 || o.years <= 0 || o.life <= 0 || o.jurisdictions < 1 || o.operators < 1 || o.round < decide.MinRound:
		return fmt.Errorf("stripes, years, life, jurisdictions, operators and round must be above zero")
	}
	return nil
}

func (o *options) register(f *flag.FlagSet) {
	f.Uint64Var(&o.seed, "seed", o.seed, "of everything that is random")
	f.IntVar(&o.nodes, "nodes", o.nodes, "nodes; who leaves is replaced")
	f.IntVar(&o.stripes, "stripes", o.stripes, "bundles of stripes with one fate")
	f.Float64Var(&o.years, "years", o.years, "of virtual time")
	f.IntVar(&o.jurisdictions, "jurisdictions", o.jurisdictions, "that nodes are spread over")
	f.IntVar(&o.operators, "operators", o.operators, "that run the nodes; one each if there are more of them")
	f.Float64Var(&o.life, "life", o.life, "mean `days` until a node's disks are gone")
	f.Float64Var(&o.away, "away", o.away, "times a year that a node is away")
	f.Float64Var(&o.awayFor, "away-for", o.awayFor, "mean `hours` of that")
	f.Float64Var(&o.loss, "loss", o.loss, "share of answers that come too late")
	f.Float64Var(&o.dark, "dark", o.dark, "times a year that a jurisdiction goes dark")
	f.Float64Var(&o.darkFor, "dark-for", o.darkFor, "mean `days` of that")
	f.Float64Var(&o.forGood, "for-good", o.forGood, "share of those that never come back")
	f.Float64Var(&o.rot, "rot", o.rot, "share of shards that rot in a year")
	f.Float64Var(&o.liars, "liars", o.liars, "share of nodes that delete a part of what they take, and do not repair")
	f.Float64Var(&o.delete, "delete", o.delete, "that part")
	f.Int64Var(&o.round, "round", o.round, "`seconds` of a round of proofs")
	f.Int64Var(&o.stored, "stored", o.stored, "`bytes` that a node holds on average")
	f.Int64Var(&o.rate, "rate", o.rate, "`bytes` a second that a node spends on repair")
}
