package audit

import (
	"fmt"
	"maps"
	"slices"

	"pifs/blockstore"
	"pifs/swarm"
	"pifs/swarm/proof"
)

// round is what a node knows of the round that is under way. It has no clock and
// no lock.
type round struct {
	number     uint64
	statements map[swarm.MemberID]proof.Statement
	reveals    map[swarm.MemberID]proof.Reveal
	revealed   bool // this node told its part: statements that come now count for nothing
	challenged bool // the beacon was made: so do reveals
}

func newRound(number uint64) *round {
	return &round{number: number, statements: map[swarm.MemberID]proof.Statement{}, reveals: map[swarm.MemberID]proof.Reveal{}}
}

// state takes a statement whose signature was checked. It returns evidence
// if its node has said something else before.
func (r *round) state(s proof.Statement) (*proof.Evidence, error) {
	if s.Round != r.number {
		return nil, fmt.Errorf("a statement of round %d in round %d: %w", s.Round, r.number, blockstore.ErrFormat)
	}
	if was, known := r.statements[s.Node]; known {
		if was.Root == s.Root && was.Commit == s.Commit {
			return nil, nil
		}
		return &proof.Evidence{Statements: []proof.Statement{was, s}}, nil
	}
	if r.revealed {
		return nil, fmt.Errorf("a statement of round %d that comes too late: %w", s.Round, blockstore.ErrFormat)
	}
	r.statements[s.Node] = s
	return nil, nil
}

// reveal takes a part of the beacon.
func (r *round) reveal(p proof.Reveal) error {
	s, known := r.statements[p.Node]
	if p.Round != r.number || !known || s.Commit != p.Commit() {
		return fmt.Errorf("a part of the beacon that %s did not commit to: %w", p.Node, blockstore.ErrFormat)
	}
	if !r.challenged {
		r.reveals[p.Node] = p
	}
	return nil
}

// beacon makes the beacon of a node that told its own part; false if there are too few
// parts: fewer than two, or than half of the statements. From then on nothing is
// added.
func (r *round) beacon(self swarm.MemberID) (value [32]byte, parts int, ok bool) {
	r.challenged = true
	parts = len(r.reveals)
	if _, own := r.reveals[self]; !own || parts < 2 || 2*parts < len(r.statements) {
		return value, parts, false
	}
	return proof.Beacon(slices.Collect(maps.Values(r.reveals))), parts, true
}
