package member

import (
	"math/rand/v2"

	"pifs/swarm"
)

// Fanout is how many members hear of a record from each that hears of it.
// With n members all but e^-Fanout of them have it after about log n / log
// Fanout rounds (Kermack–McKendrick's final size); the probes reach the rest.
const Fanout = 6

// Digest names the record that a member has.
type Digest struct {
	_struct bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Epoch   uint64
	Hash    Hash
}

// Digest returns the digest of r.
func (r *Record) Digest() (Digest, error) {
	sum, err := r.Header.Hash()
	return Digest{Epoch: r.Header.Epoch, Hash: sum}, err
}

// Step is what follows when two members have compared their records.
type Step uint8

// The steps, from the side of the one who decides.
const (
	StepNone    Step = iota // both have the same
	StepSend                // send ours: it is newer
	StepFetch               // ask for theirs: it is newer
	StepWitness             // ask for their header: two records of one epoch
)

// Compare decides what follows when the other has theirs and we have ours.
func Compare(ours, theirs Digest) Step {
	switch {
	case ours.Epoch > theirs.Epoch:
		return StepSend
	case ours.Epoch < theirs.Epoch:
		return StepFetch
	case ours.Hash != theirs.Hash:
		return StepWitness
	}
	return StepNone
}

// Gossip decides to whom a member passes records on. It does nothing itself,
// and is not safe for concurrent use.
type Gossip struct {
	self swarm.MemberID
	rng  *rand.Rand
	has  map[swarm.MemberID]uint64 // the epoch that a member is known to have
}

// NewGossip returns the decisions of self, drawn from rng.
func NewGossip(self swarm.MemberID, rng *rand.Rand) *Gossip {
	return &Gossip{self: self, rng: rng, has: map[swarm.MemberID]uint64{}}
}

// Heard notes that a member has the record of an epoch.
func (g *Gossip) Heard(from swarm.MemberID, epoch uint64) { g.has[from] = max(g.has[from], epoch) }

// Spread returns who is to be told of rec, the current record, now: a few
// members that can be reached and are not known to have it.
func (g *Gossip) Spread(rec *Record) []swarm.MemberID {
	g.forget(rec)
	return g.pick(rec, Fanout, func(id swarm.MemberID) bool { return g.has[id] < rec.Header.Epoch })
}

// Probe returns a member to compare records with, whatever it is known to
// have: "" if there is none. Asked of now and then, it brings a record to
// whoever missed it.
func (g *Gossip) Probe(rec *Record) swarm.MemberID {
	if ids := g.pick(rec, 1, func(swarm.MemberID) bool { return true }); len(ids) > 0 {
		return ids[0]
	}
	return ""
}

// pick draws up to n members that have addresses and are wanted.
func (g *Gossip) pick(rec *Record, n int, wanted func(swarm.MemberID) bool) []swarm.MemberID {
	var ids []swarm.MemberID
	for i := range rec.Entries {
		if e := &rec.Entries[i]; e.ID != g.self && len(e.Addrs) > 0 && wanted(e.ID) {
			ids = append(ids, e.ID)
		}
	}
	g.rng.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	return ids[:min(n, len(ids))]
}

// forget drops what is known of those that are members no longer.
func (g *Gossip) forget(rec *Record) {
	for id := range g.has {
		if _, ok := rec.Find(id); !ok {
			delete(g.has, id)
		}
	}
}
