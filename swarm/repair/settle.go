package repair

import (
	"cmp"
	"slices"

	"pifs/swarm/decide"
)

// claim is a member's word that it holds a shard.
type claim struct{ shard, member int }

// settle chooses at which of its holders each shard counts: as many as possible at members
// of their own. Where two repairs of a stripe met, members hold two shards of it that
// both lie elsewhere, too. Counted at one member they would
// seem to need a move, which changed nothing, in each round again.
func (s *scene) settle(v *sight) {
	if !doubled(v.shards) {
		return
	}
	at := s.match(v)
	for i := range v.shards {
		v.shards[i] = decide.Shard{Holder: decide.Nobody}
	}
	alone := make(map[int]bool)
	for m, i := range at {
		v.shards[i].Holder, v.shards[i].Proved = m, s.members[m].Proved
		alone[i] = true
	}
	for _, c := range v.says {
		if !alone[c.shard] {
			s.enter(v, c.shard, c.member)
		}
	}
}

// doubled reports whether two shards count at one member.
func doubled(shards []decide.Shard) bool {
	for i, a := range shards {
		if a.Holder != decide.Nobody && slices.ContainsFunc(shards[:i], func(b decide.Shard) bool { return b.Holder == a.Holder }) {
			return true
		}
	}
	return false
}

// doubts asks all others for shards that count at one member with another: that
// one was found was reason enough not to ask for more.
func (s *scene) doubts(sights []sight) map[int][]question {
	questions := make(map[int][]question)
	for i, v := range sights {
		if !doubled(v.shards) {
			continue
		}
		for _, m := range v.order[:min(farther*int(v.d.Class.N), len(v.order))] {
			for j := range v.shards {
				if !slices.Contains(v.says, claim{j, m}) {
					questions[m] = append(questions[m], question{i, j})
				}
			}
		}
	}
	return questions
}

// match returns which shard counts at which member: a maximum matching by augmenting paths
// (Kuhn, 1955) among members whose proofs count, in which a shard prefers who proved last.
func (s *scene) match(v *sight) (at map[int]int) {
	holders := make([][]int, len(v.shards))
	for _, c := range v.says {
		if s.members[c.member].Proved >= s.oldest {
			holders[c.shard] = append(holders[c.shard], c.member)
		}
	}
	at = make(map[int]int)
	var place func(shard int, tried map[int]bool) bool
	place = func(shard int, tried map[int]bool) bool {
		for _, m := range holders[shard] {
			if tried[m] {
				continue
			}
			tried[m] = true
			if other, taken := at[m]; !taken || place(other, tried) {
				at[m] = shard
				return true
			}
		}
		return false
	}
	for i, all := range holders {
		slices.SortFunc(all, func(a, b int) int {
			return cmp.Or(cmp.Compare(s.members[b].Proved, s.members[a].Proved), cmp.Compare(a, b))
		})
		place(i, make(map[int]bool))
	}
	return at
}
