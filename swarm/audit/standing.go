package audit

import (
	"slices"

	"pifs/swarm"
	"pifs/swarm/decide"
	"pifs/swarm/proof"
)

// committeeSize is how many verify a node in a round; so many of them as vouch say that
// it passed, unless the node that asks saw it itself.
const (
	committeeSize = 3
	vouch         = 2
)

// recentRounds are those of which one needs a beacon for silence to count.
const recentRounds = 4

// standing is what follows from verdicts: how each node is seen. It has no
// clock, lock or disk.
type standing struct {
	self    swarm.MemberID
	rounds  decide.Rounds
	passed  map[swarm.MemberID]uint64 // newest round that the node passed
	noticed map[swarm.MemberID]uint64 // round in which it was seen first
	wrong   map[swarm.MemberID][32]byte
	beacons map[uint64]bool                                       // rounds that had one
	votes   map[uint64]map[swarm.MemberID]map[swarm.MemberID]bool // of rounds, about nodes: who says that it passed
}

func newStanding(self swarm.MemberID, rounds decide.Rounds) *standing {
	return &standing{
		self: self, rounds: rounds, passed: map[swarm.MemberID]uint64{}, noticed: map[swarm.MemberID]uint64{},
		wrong: map[swarm.MemberID][32]byte{}, beacons: map[uint64]bool{}, votes: map[uint64]map[swarm.MemberID]map[swarm.MemberID]bool{},
	}
}

// add takes a finding by somebody of the committee, which had size members.
func (s *standing) add(f finding, size int) {
	s.beacons[f.round] = true
	if f.outcome != proof.Passed {
		return
	}
	if s.votes[f.round] == nil {
		s.votes[f.round] = map[swarm.MemberID]map[swarm.MemberID]bool{}
	}
	about := s.votes[f.round][f.node]
	if about == nil {
		about = map[swarm.MemberID]bool{}
		s.votes[f.round][f.node] = about
	}
	about[f.verifier] = true
	if len(about) >= min(vouch, size) || about[s.self] {
		s.passed[f.node] = max(s.passed[f.node], f.round)
	}
}

// notice notes that a node was there in a round.
func (s *standing) notice(node swarm.MemberID, round uint64) (first bool) {
	if _, known := s.noticed[node]; known {
		return false
	}
	s.noticed[node] = round
	return true
}

// forget drops what was before a round.
func (s *standing) forget(before uint64) {
	for r := range s.votes {
		if r < before {
			delete(s.votes, r)
		}
	}
	for r := range s.beacons {
		if r < before {
			delete(s.beacons, r)
		}
	}
}

// proved returns when a node last passed, less the rounds that had no beacon since,
// which are nobody's fault. A node that is new has the time of one that passed
// when it was seen first. With ok false there was no beacon lately.
func (s *standing) proved(node swarm.MemberID, now int64) (at int64, wrong, ok bool) {
	_, wrong = s.wrong[node]
	current, phase, _ := s.rounds.At(now)
	if phase < decide.Judge && current > 0 {
		current-- // the newest that is judged
	}
	first := current - min(current, recentRounds-1)
	ok = slices.ContainsFunc(rangeOf(first, current), func(r uint64) bool { return s.beacons[r] })
	since, known := s.passed[node]
	if seen, there := s.noticed[node]; there && (!known || seen > since) {
		since, known = seen, true
	}
	if !known {
		return 0, wrong, ok || wrong
	}
	at = s.rounds.Begins(since, decide.Commit)
	for r := max(since+1, current-min(current, keepRounds)); r <= current; r++ {
		if !s.beacons[r] {
			at += s.rounds.Length
		}
	}
	return at, wrong, ok || wrong
}

func rangeOf(first, last uint64) (out []uint64) {
	for r := first; r <= last; r++ {
		out = append(out, r)
	}
	return out
}
