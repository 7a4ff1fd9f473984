package decide

import (
	"encoding/binary"

	"github.com/zeebo/blake3"

	"pifs/swarm"
)

// Rounds is the timetable of proofs. Time is cut into rounds of Length
// seconds, the first of which, number 0, begins at Start. Each has four phases
// of a quarter: nothing that a later phase asks for is known in an earlier one
// to whoever's clock is less than a quarter wrong.
type Rounds struct {
	Start  int64
	Length int64 // seconds, at least MinRound
}

// MinRound is the shortest round in seconds.
const MinRound = 4

// Phase is a part of a round.
type Phase uint8

const (
	Before    Phase = iota // the first round has not begun
	Commit                 // members sign inventory roots, and commit to their part of the beacon
	Reveal                 // they reveal it; inventories that come now count for nothing
	Challenge              // the beacon is known: nodes answer
	Judge                  // answers are checked, and verdicts told
)

func (p Phase) String() string {
	return [...]string{"before", "commit", "reveal", "challenge", "judge"}[p]
}

// At returns the round and phase of a time, and when the next phase begins.
func (r Rounds) At(now int64) (round uint64, phase Phase, next int64) {
	length := max(r.Length, MinRound)
	if now < r.Start {
		return 0, Before, r.Start
	}
	round = uint64((now - r.Start) / length)
	begun := r.Start + int64(round)*length
	for phase = Commit; phase < Judge; phase++ {
		if end := begun + length*int64(phase)/4; now < end {
			return round, phase, end
		}
	}
	return round, Judge, begun + length
}

// Begins returns when a phase of a round begins.
func (r Rounds) Begins(round uint64, phase Phase) int64 {
	length := max(r.Length, MinRound)
	return r.Start + int64(round)*length + length*int64(max(phase, Commit)-Commit)/4
}

const spreadContext = "pifs 2026-11 round spread v1"

// Due returns when a member does its part of a phase: within the first half of
// it, at a time that differs between members and rounds, so that thousands do
// not talk in the same second.
func (r Rounds) Due(round uint64, phase Phase, self swarm.MemberID) int64 {
	begins := r.Begins(round, phase)
	half := max(r.Length, MinRound) / 8
	if half == 0 {
		return begins
	}
	in := append(binary.BigEndian.AppendUint64(nil, round), byte(phase))
	var sum [8]byte
	blake3.DeriveKey(spreadContext, append(in, self...), sum[:])
	return begins + int64(binary.BigEndian.Uint64(sum[:])%uint64(half))
}
