package repair

import (
	"context"

	"pifs/blockstore"
	"pifs/swarm"
	"pifs/swarm/decide"
)

// Member is a member of the swarm as this node knows it.
type Member struct {
	ID           swarm.MemberID
	Operator     string
	Jurisdiction string
	Weight       uint32           // in placement; with zero it gets nothing new
	Live         bool             // it answers, as far as is known
	Proved       int64            // Unix seconds: when it last passed a proof over all it holds, or joined
	Wrong        bool             // it was convicted: nothing it says counts
	Store        blockstore.Store // how to reach it; this node's own for the node itself
}

// View knows the members of the current epoch.
type View interface {
	// Members returns all of them, each once. The slice is the caller's.
	Members() []Member
}

// Stripes knows the stripes of which this node holds a shard.
type Stripes interface {
	// Stripes returns the descriptors after an address, in order of their
	// addresses, at most limit of them: none at the end.
	Stripes(ctx context.Context, after blockstore.Address, limit int) ([]blockstore.Descriptor, error)
}

// Asker is a Store that can be asked for many shards at once.
type Asker interface {
	// HasAll reports which of ids the store claims to hold, in order.
	HasAll(ctx context.Context, ids []blockstore.ShardID) ([]bool, error)
}

// hasAll asks any store.
func hasAll(ctx context.Context, s blockstore.Store, ids []blockstore.ShardID) ([]bool, error) {
	if a, ok := s.(Asker); ok {
		return a.HasAll(ctx, ids)
	}
	held := make([]bool, len(ids))
	for i, id := range ids {
		var err error
		if held[i], err = s.Has(ctx, id); err != nil {
			return nil, err
		}
	}
	return held, nil
}

// scene is the view at one moment, in the form of the decisions.
type scene struct {
	members    []Member
	nodes      []decide.Node // of members, in the same order
	candidates []swarm.Candidate
	index      map[swarm.MemberID]int
	self       int
}

func newScene(members []Member, self swarm.MemberID) *scene {
	s := &scene{members: members, index: make(map[swarm.MemberID]int, len(members)), self: decide.Nobody}
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
