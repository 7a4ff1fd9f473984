package repair

import (
	"context"
	"maps"
	"slices"
	"sync"

	"pifs/blockstore"
	"pifs/swarm/decide"
)

const (
	maxAsk  = 512 // shards in one question
	asking  = 8   // members that are asked at the same time
	farther = 2   // members are asked up to farther × n in rendezvous order: those who held before others joined
)

// sight is what was found out about one stripe.
type sight struct {
	d      blockstore.Descriptor
	order  []int
	shards []decide.Shard
	says   []claim
	unsure bool // somebody who answers otherwise left a question open
}

// question is a shard that a member is asked for.
type question struct {
	stripe, shard int
}

// locate finds the holders of all shards of stripes.
func (s *scene) locate(ctx context.Context, stripes []blockstore.Descriptor) []sight {
	sights := make([]sight, len(stripes))
	homes := make(map[int][]question)
	for i, d := range stripes {
		sights[i] = sight{d: d, order: s.order(d), shards: make([]decide.Shard, d.Class.N)}
		for j := range sights[i].shards {
			sights[i].shards[j].Holder = decide.Nobody
			if j < len(sights[i].order) {
				homes[sights[i].order[j]] = append(homes[sights[i].order[j]], question{i, j})
			}
		}
	}
	s.ask(ctx, sights, homes)
	for first := 0; first < s.depth(sights); first += asking {
		if more := s.missing(sights, first); len(more) > 0 {
			s.ask(ctx, sights, more)
		}
	}
	if more := s.doubts(sights); len(more) > 0 {
		s.ask(ctx, sights, more)
	}
	for i := range sights {
		s.settle(&sights[i])
		s.presume(&sights[i])
	}
	return sights
}

// presume takes members that did not answer to hold what nobody else has: they
// were asked to, and proved it lately or not. A machine that is switched on
// again tomorrow costs no repair; when its last proof is too old, it counts
// for nothing.
func (s *scene) presume(v *sight) {
	var silent []int
	for rank, m := range v.order[:min(int(v.d.Class.N), len(v.order))] {
		switch {
		case s.members[m].Wrong || s.reads(m) && !s.silent[m]:
			continue
		case v.shards[rank].Holder == decide.Nobody:
			s.enter(v, rank, m)
		default:
			silent = append(silent, m)
		}
		v.unsure = v.unsure || s.reads(m)
	}
	for i := range v.shards {
		if v.shards[i].Holder == decide.Nobody && len(silent) > 0 {
			s.enter(v, i, silent[0])
			silent = silent[1:]
		}
	}
}

// depth returns how far down the order anybody is asked.
func (s *scene) depth(sights []sight) (most int) {
	for _, v := range sights {
		most = max(most, min(farther*int(v.d.Class.N), len(v.order)))
	}
	return most
}

// missing asks the members of some ranks for the shards that nobody was found
// to have.
func (s *scene) missing(sights []sight, first int) map[int][]question {
	questions := make(map[int][]question)
	for i, v := range sights {
		for rank := first; rank < min(first+asking, farther*int(v.d.Class.N), len(v.order)); rank++ {
			for j, sh := range v.shards {
				if sh.Holder == decide.Nobody && j != rank { // its home was asked
					questions[v.order[rank]] = append(questions[v.order[rank]], question{i, j})
				}
			}
		}
	}
	return questions
}

// ask puts questions to members, some at the same time, and enters who has
// what.
func (s *scene) ask(ctx context.Context, sights []sight, questions map[int][]question) {
	var (
		mu   sync.Mutex
		wg   sync.WaitGroup
		slot = make(chan struct{}, asking)
	)
	for _, m := range slices.Sorted(maps.Keys(questions)) {
		if !s.reads(m) {
			continue
		}
		slot <- struct{}{}
		wg.Go(func() {
			defer func() { <-slot }()
			for part := range slices.Chunk(questions[m], maxAsk) {
				held, err := s.askOne(ctx, m, sights, part)
				mu.Lock()
				if err != nil {
					s.silent[m] = true
				}
				for i, q := range part {
					if held[i] {
						v := &sights[q.stripe]
						v.says = append(v.says, claim{q.shard, m})
						s.enter(v, q.shard, m)
					}
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

// askOne puts one question.
func (s *scene) askOne(ctx context.Context, m int, sights []sight, part []question) ([]bool, error) {
	ids := make([]blockstore.ShardID, len(part))
	for i, q := range part {
		ids[i] = sights[q.stripe].d.Shards[q.shard]
	}
	held, err := s.members[m].Store.HasAll(ctx, ids)
	if err == nil && len(held) != len(ids) {
		err = blockstore.ErrFormat
	}
	if err != nil {
		return make([]bool, len(ids)), err
	}
	return held, nil
}

// enter notes a holder; of several the one that proved last counts, and of
// those the first member. Of shards that are equal, as all are with k = 1, a
// member has one.
func (s *scene) enter(v *sight, shard, m int) {
	for i, other := range v.shards {
		if i != shard && other.Holder == m && v.d.Shards[i] == v.d.Shards[shard] {
			return
		}
	}
	sh, proved := &v.shards[shard], s.members[m].Proved
	if sh.Holder == decide.Nobody || proved > sh.Proved || proved == sh.Proved && m < sh.Holder {
		sh.Holder, sh.Proved = m, proved
	}
}
