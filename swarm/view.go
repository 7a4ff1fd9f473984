package swarm

import (
	"fmt"
	"slices"

	"pifs/blockstore"
)

// view is who belongs to a swarm at one moment. It is not changed once it is
// made.
type view struct {
	members    []*member // those that take new shards, then those that rest
	placing    int       // how many take new shards
	candidates []Candidate
	resting    []Candidate
	class      blockstore.Class // of new stripes
	past       blockstore.Class // of those that the resting members got when they took shards
	caps       Caps             // of class
	age        uint64           // how often those that take new shards changed before it
	far        bool             // some are not on this machine: a call of one takes a round trip
	tight      bool             // operators and jurisdictions are enough for what caps should be
}

// newView makes the view of members, with what old knows of them.
func (s *Swarm) newView(members []Member, old *view) (*view, error) {
	known := map[MemberID]*member{}
	if old != nil {
		for _, m := range old.members {
			known[m.ID] = m
		}
	}
	v := &view{}
	seen := make(map[MemberID]bool)
	operators, jurisdictions := numbers{}, numbers{}
	var rest []*member
	for _, m := range members {
		if m.ID == "" || m.Store == nil || seen[m.ID] {
			return nil, fmt.Errorf("form swarm: member %q (%s) is not distinct and whole", m.ID, m.Name)
		}
		seen[m.ID] = true
		m.Weight = max(m.Weight, 1)
		have := known[m.ID]
		if have == nil || have.Store != m.Store || have.Weight != m.Weight || have.Site != m.Site || have.Rests != m.Rests || have.Own != m.Own {
			fresh := &member{Member: m, swarm: s}
			if have != nil && have.Store == m.Store {
				fresh.takeOver(have)
			}
			have = fresh
		}
		if m.Rests {
			rest = append(rest, have)
			v.resting = append(v.resting, NewCandidate(m.ID, m.Weight))
			continue
		}
		v.members = append(v.members, have)
		c := NewCandidate(m.ID, m.Weight)
		c.Operator, c.Jurisdiction = operators.of(m.Site.Operator), jurisdictions.of(m.Site.Jurisdiction)
		v.candidates = append(v.candidates, c)
	}
	for _, m := range v.members {
		if _, here := m.Store.(*Local); !here {
			v.far = true
		}
	}
	v.placing = len(v.members)
	if old != nil {
		v.age = old.age
		if !v.placesAs(old) {
			v.age++
		}
	}
	v.members = append(v.members, rest...)
	var err error
	if v.class, err = s.ladder.ClassFor(v.placing); err != nil {
		return nil, fmt.Errorf("form swarm: %w", err)
	}
	v.caps, v.tight = CapsFor(v.class, len(operators), len(jurisdictions))
	if len(rest) > 0 {
		v.past, err = s.ladder.ClassFor(len(rest))
	}
	return v, err
}

// numbers tells names apart by numbers from 1 on.
type numbers map[string]uint32

func (n numbers) of(name string) uint32 {
	if name == "" {
		return 0
	}
	if _, ok := n[name]; !ok {
		n[name] = uint32(len(n) + 1)
	}
	return n[name]
}

// place ranks the members that take new shards for a block.
func (v *view) place(addr blockstore.Address) []int {
	return v.caps.Spread(Place(addr, v.candidates, v.placing), v.candidates, int(v.class.N))
}

// homes returns the members that take new shards, as placement ranks them for a
// block.
func (v *view) homes(addr blockstore.Address) []*member {
	return v.pick(nil, v.place(addr), 0)
}

// rank returns all members in the order in which the shards of a stripe are to
// be looked for: shard i at the i-th, and failing that everywhere. A stripe of
// another class than the present one's was placed when those that rest now took
// shards.
func (v *view) rank(d blockstore.Descriptor) []*member {
	if len(v.resting) == 0 {
		return v.homes(d.Address)
	}
	now, past := v.place(d.Address), Place(d.Address, v.resting, len(v.resting))
	out := make([]*member, 0, len(v.members))
	if d.Class != v.class && d.Class == v.past {
		return v.pick(v.pick(out, past, v.placing), now, 0)
	}
	return v.pick(v.pick(out, now, 0), past, v.placing)
}

func (v *view) pick(dst []*member, order []int, from int) []*member {
	if dst == nil {
		dst = make([]*member, 0, len(order))
	}
	for _, i := range order {
		dst = append(dst, v.members[from+i])
	}
	return dst
}

// SetMembers replaces the members: those that stay are known as they were.
// What is under way ends as it began. At least one must take new shards.
func (s *Swarm) SetMembers(members []Member) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	v, err := s.newView(members, s.view.Load())
	if err != nil {
		return err
	}
	s.view.Store(v)
	return nil
}

// placesAs reports whether the same members take new shards as in another view.
func (v *view) placesAs(old *view) bool {
	if v.placing != old.placing {
		return false
	}
	before := map[MemberID]bool{}
	for _, m := range old.members[:old.placing] {
		before[m.ID] = true
	}
	return !slices.ContainsFunc(v.members[:v.placing], func(m *member) bool { return !before[m.ID] })
}
