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
	self       int
}

func newScene(members []Member, self swarm.MemberID) *scene {
	s := &scene{members: members, index: make(map[swarm.MemberID]int, len(members)), silent: make(map[int]bool), self: decide.Nobody}
	for i, m := range members {
		s.index[m.ID] = i
		s.nodes = append(s.nodes, decide.Node{Operator: m.Operator, Jurisdiction: m.Jurisdiction, Live: m.Live && !m.Wrong && m.Weight > 0})
		s.candidates = append(s.candidates, swarm.NewCandidate(m.ID, m.Weight))
		if m.ID == self {
			s.self = i
		}
	}
	return s
}

// order ranks the members for a stripe, its homes first.
func (s *scene) order(addr blockstore.Address) []int {
	return swarm.Place(addr, s.candidates, len(s.candidates))
}

// live reports whether a member is one, and answers.
func (s *scene) live(id swarm.MemberID) bool {
	i, ok := s.index[id]
	return ok && s.reads(i)
}

// reads reports whether a member can be asked for something.
func (s *scene) reads(m int) bool { return s.members[m].Live && !s.members[m].Wrong }
