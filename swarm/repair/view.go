package repair

import (
	"context"

	"pifs/blockstore"
	"pifs/swarm"
	"pifs/swarm/decide"
	"pifs/swarm/peer"
)

// Member is a member of the swarm as this node knows it.
type Member struct {
	ID           swarm.MemberID
	Operator     string
	Jurisdiction string
	Weight       uint32 // in placement; with zero it gets nothing new
	Live         bool   // it answers, as far as is known
	Proved       int64  // Unix seconds: when it last passed a proof over all it holds, or joined
	Wrong        bool   // it was convicted: nothing it says counts
	Store        Store  // how to reach it; this node's own for the node itself
}

// View knows the members of the current epoch.
type View interface {
	// Members returns all of them, each once. The slice is the caller's.
	Members() []Member
}

// Refresher is a View that asks around who answers, before a pass.
type Refresher interface{ Refresh(ctx context.Context) }

// Stripes knows the stripes of which this node holds a shard. A *node.Node is
// one.
type Stripes interface {
	// Stripes returns stripes of the shards after an id, in order of the
	// shards' ids, limit at most, and the last id that was looked at. It
	// returns false when there are no more.
	Stripes(ctx context.Context, after blockstore.ShardID, limit int) (stripes []blockstore.Descriptor, last blockstore.ShardID, more bool, err error)
}

// Store is a member's as repair uses it. A *peer.Store is one.
type Store interface {
	// HasAll reports which of ids, at most 512, the member says it holds, in order.
	HasAll(ctx context.Context, ids []blockstore.ShardID) ([]bool, error)

	// Get appends a shard to dst; see blockstore.Store.
	Get(ctx context.Context, id blockstore.ShardID, dst []byte) ([]byte, error)

	// Mend stores a rebuilt shard, durably on return, and in place of other
	// bytes under its id. It is no claim of this node, whose own
	// keep-sets know nothing of other people's data.
	Mend(ctx context.Context, p blockstore.Piece) error
}

var _ Store = (*peer.Store)(nil)

// scene is the view at one moment, in the form of the decisions.
type scene struct {
	members    []Member
	nodes      []decide.Node // of members, in the same order
	candidates []swarm.Candidate
	index      map[swarm.MemberID]int
	silent     map[int]bool // members that did not answer a question

	operators, jurisdictions map[string]uint32 // of those that take shards, numbered
	self                     int
	oldest                   int64 // Unix seconds: proofs from before count for nothing
}

// scene returns the view now.
func (r *Repairer) scene() *scene {
	s := newScene(r.o.View.Members(), r.o.Self)
	s.oldest = r.o.Now().Unix() - r.o.Policy.MaxAge
	return s
}

func newScene(members []Member, self swarm.MemberID) *scene {
	s := &scene{members: members, operators: make(map[string]uint32), jurisdictions: make(map[string]uint32), index: make(map[swarm.MemberID]int, len(members)), silent: make(map[int]bool), self: decide.Nobody}
	for i, m := range members {
		s.index[m.ID] = i
		s.nodes = append(s.nodes, decide.Node{Operator: m.Operator, Jurisdiction: m.Jurisdiction, Live: m.Live && !m.Wrong && m.Weight > 0})
		c := swarm.NewCandidate(m.ID, m.Weight)
		if m.Weight > 0 {
			c.Operator, c.Jurisdiction = number(s.operators, m.Operator), number(s.jurisdictions, m.Jurisdiction)
		}
		s.candidates = append(s.candidates, c)
		if m.ID == self {
			s.self = i
		}
	}
	return s
}

// order ranks the members for a stripe as whoever writes one does, its homes
// first.
func (s *scene) order(d blockstore.Descriptor) []int {
	order := swarm.Place(d.Address, s.candidates, len(s.candidates))
	return s.caps(d.Class).Spread(order, s.candidates, int(d.Class.N))
}

// caps returns those of a class among the members that there are.
func (s *scene) caps(c blockstore.Class) swarm.Caps {
	caps, _ := swarm.CapsFor(c, len(s.operators), len(s.jurisdictions))
	return caps
}

// number gives names numbers from 1 on.
func number(names map[string]uint32, name string) uint32 {
	if name == "" {
		return 0
	}
	if _, ok := names[name]; !ok {
		names[name] = uint32(len(names) + 1)
	}
	return names[name]
}

// live reports whether a member is one, and answers.
func (s *scene) live(id swarm.MemberID) bool {
	i, ok := s.index[id]
	return ok && s.reads(i)
}

// reads reports whether a member can be asked for something.
func (s *scene) reads(m int) bool { return s.members[m].Live && !s.members[m].Wrong }
