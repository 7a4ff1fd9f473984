package swarm

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/zeebo/blake3"

	"pifs/blockstore"
)

// Candidate is a member as placement sees it.
type Candidate struct {
	Key    [32]byte // hash of the member's id
	Weight uint32   // its share of the shards, in proportion to the others'

	Operator     uint32 // numbers that tell operators apart, 0 for none
	Jurisdiction uint32 // the same of jurisdictions
}

const candidateContext = "pifs 2026-01 placement candidate v1"

// NewCandidate returns the candidate for a member.
func NewCandidate(id MemberID, weight uint32) Candidate {
	c := Candidate{Weight: weight}
	blake3.DeriveKey(candidateContext, []byte(id), c.Key[:])
	return c
}

// Place returns the indices of the n members that a block's shards belong to,
// in order; fewer if there are fewer members with a weight above zero. It is
// weighted rendezvous hashing (Thaler & Ravishankar 1998; Schindelhauer &
// Schomaker 2005): a pure function of its arguments, in integers only, so that
// it gives the same answer on every machine. When a member leaves, only its
// own shards get another home.
func Place(addr blockstore.Address, members []Candidate, n int) []int {
	scores := make([]score, 0, len(members))
	for i, m := range members {
		if m.Weight > 0 {
			scores = append(scores, scoreOf(addr, m, i))
		}
	}
	slices.SortFunc(scores, score.compare)
	order := make([]int, 0, n)
	for _, s := range scores[:min(n, len(scores))] {
		order = append(order, s.member)
	}
	return order
}

// score is a member's claim to a block: the lower distance/weight, the better.
// With draw uniform in (0, 1], −log(draw)/weight is exponentially distributed
// with rate weight, so the least of several falls to each in proportion to its
// weight.
type score struct {
	distance uint64 // −log₂(draw), fixed point with logFraction bits
	weight   uint64
	draw     uint64
	member   int
}

func scoreOf(addr blockstore.Address, m Candidate, member int) score {
	var in [64]byte
	copy(in[:32], m.Key[:])
	copy(in[32:], addr[:])
	h := blake3.Sum256(in[:])
	draw := uint64(0)
	for _, b := range h[:8] {
		draw = draw<<8 | uint64(b)
	}
	return score{distance: negLog2(draw), weight: uint64(m.Weight), draw: draw, member: member}
}

// compare orders by distance/weight, exactly. Equal claims go to the greater
// draw, then to the member that comes first.
func (s score) compare(t score) int {
	sh, sl := bits.Mul64(s.distance, t.weight)
	th, tl := bits.Mul64(t.distance, s.weight)
	return cmp.Or(cmp.Compare(sh, th), cmp.Compare(sl, tl), cmp.Compare(t.draw, s.draw), cmp.Compare(s.member, t.member))
}

const logFraction = 40

// negLog2 returns −log₂((x+1)/2⁶⁴) with logFraction bits after the point, rounded
// up. It squares the mantissa once per bit, which doubles its logarithm.
func negLog2(x uint64) uint64 {
	if x == ^uint64(0) {
		return 0
	}
	x++
	whole := uint64(bits.Len64(x) - 1)
	m := x << (63 - whole) // mantissa in [1, 2), one bit before the point
	log := whole
	for range logFraction {
		log <<= 1
		high, low := bits.Mul64(m, m) // in [1, 4), two bits before the point
		if high>>63 != 0 {
			m = high
			log |= 1
		} else {
			m = high<<1 | low>>63
		}
	}
	return 64<<logFraction - log
}
