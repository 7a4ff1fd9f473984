package decide

import (
	"cmp"
	"slices"

	"pifs/swarm"
)

// sites counts which members, operators and jurisdictions hold shards of one
// stripe.
type sites struct {
	nodes         []Node
	caps          swarm.Caps
	held          map[int]bool
	operators     map[string]int
	jurisdictions map[string]int
}

func newSites(nodes []Node, caps swarm.Caps) *sites {
	return &sites{
		nodes: nodes, caps: caps,
		held: make(map[int]bool), operators: make(map[string]int), jurisdictions: make(map[string]int),
	}
}

// strictness says which caps are kept. That of one shard per node always is.
type strictness uint8

const (
	strict          strictness = iota
	anyJurisdiction            // where there are too few of them
	anyOperator                // and too few operators
)

// fits reports whether a member may have a shard besides those counted.
func (s *sites) fits(m int, how strictness) bool {
	n := s.nodes[m]
	return !s.held[m] &&
		(how >= anyOperator || below(s.operators[n.Operator], s.caps.Operator)) &&
		(how >= anyJurisdiction || below(s.jurisdictions[n.Jurisdiction], s.caps.Jurisdiction))
}

func below(count, bound int) bool { return bound == 0 || count < bound }

func (s *sites) add(m int) {
	s.held[m] = true
	s.count(m, 1)
}

func (s *sites) count(m, shards int) {
	s.operators[s.nodes[m].Operator] += shards
	s.jurisdictions[s.nodes[m].Jurisdiction] += shards
}

// assign finds members for the bad shards: within the caps as long as there
// are some, then beyond them, for a shard in a crowded place is better than
// none. Shards beyond a cap move only to where they break none.
func (s *sites) assign(bad, beyond []int, shards []Shard, order []int) []Move {
	for _, i := range beyond {
		s.add(shards[i].Holder)
	}
	moves, left := s.fill(nil, bad, order, strict)
	for _, i := range beyond {
		from := shards[i].Holder
		s.count(from, -1)
		was := len(moves)
		if moves, _ = s.fill(moves, []int{i}, order, strict); len(moves) == was {
			s.count(from, 1)
		}
	}
	for _, how := range []strictness{strict, anyJurisdiction, anyOperator} { // moves may have made room
		moves, left = s.fill(moves, left, order, how)
	}
	slices.SortFunc(moves, func(a, b Move) int { return cmp.Compare(a.Shard, b.Shard) })
	return moves
}

// fill appends moves of the shards todo: to their own homes, where readers look
// first, and of the others to the first members in order that may have them.
// left are those for which there is none.
func (s *sites) fill(moves []Move, todo, order []int, how strictness) (_ []Move, left []int) {
	take := func(shard, m int) bool {
		if !s.nodes[m].Live || !s.fits(m, how) {
			return false
		}
		s.add(m)
		moves = append(moves, Move{Shard: shard, To: m})
		return true
	}
	for _, i := range todo {
		if i >= len(order) || !take(i, order[i]) {
			left = append(left, i)
		}
	}
	for _, m := range order {
		if len(left) == 0 {
			break
		}
		if take(left[0], m) {
			left = left[1:]
		}
	}
	return moves, left
}
