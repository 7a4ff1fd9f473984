package repair

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"pifs/blockstore"
	"pifs/swarm"
	"pifs/swarm/decide"
)

const (
	memory = 500_000 // stripes whose last look is remembered
	anyway = 30      // rounds after which a stripe is looked at although nothing is known to have changed
)

// sighting is what is remembered of a stripe: it saves asking the same again,
// which, if all n holders asked each other every day, would cost more than
// repair does.
type sighting struct {
	turn  swarm.MemberID // whose task the stripe was
	fate  decide.Fate
	again bool   // something was to be done, and may have failed, or was not to be found out
	views uint64 // how often the view had changed
	round uint64
	pass  uint64 // in which the node was last seen to know the stripe
}

// look goes through all stripes that the node knows and queues what is due.
func (r *Repairer) look(ctx context.Context) error {
	round, _, _ := r.o.Rounds.At(r.o.Now().Unix())
	if f, ok := r.o.View.(Refresher); ok {
		f.Refresh(ctx)
	}
	for after := (blockstore.ShardID{}); ; {
		stripes, last, more, err := r.o.Stripes.Stripes(ctx, after, page)
		if err != nil {
			return fmt.Errorf("list stripes after shard %v: %w", after, err)
		}
		if !more {
			break
		}
		after = last
		if err := r.lookAt(ctx, stripes, round); err != nil {
			return err
		}
	}
	r.endPass()
	return nil
}

// lookAt looks at those of stripes that are this node's task, or whose turn is
// not known.
func (r *Repairer) lookAt(ctx context.Context, stripes []blockstore.Descriptor, round uint64) error {
	s := r.scene()
	now := r.o.Now().Unix()
	views := r.noteView(s, now)
	watched := func(d blockstore.Descriptor) bool {
		return decide.Watches(d.Address, r.o.Self, round, uint64(d.Class.N))
	}
	stripes = slices.DeleteFunc(stripes, func(d blockstore.Descriptor) bool { return !r.asks(s, d, round) && !watched(d) })
	for _, v := range s.locate(ctx, stripes) {
		if err := ctx.Err(); err != nil {
			return err // half an answer looks like a loss
		}
		turn, fate, due := s.turn(v), r.o.Policy.Fate(v.d.Class, v.shards, s.nodes, now), false
		if turn == r.o.Self || watched(v.d) {
			var urgency decide.Urgency
			if urgency, due = r.consider(s, v, now); due {
				fate.Urgency = max(fate.Urgency, urgency) // it knows caps, and of two shards at one member
			}
		}
		r.remember(v.d.Address, sighting{turn: turn, fate: fate, again: due || v.unsure, views: views, round: round})
	}
	return nil
}

// turn returns whose task a stripe is, "" for nobody's.
func (s *scene) turn(v sight) swarm.MemberID {
	m := decide.Turn(v.order, func(m int) bool {
		return s.reads(m) && !s.silent[m] && slices.ContainsFunc(v.shards, func(sh decide.Shard) bool { return sh.Holder == m })
	})
	if m == decide.Nobody {
		return ""
	}
	return s.members[m].ID
}

// asks reports whether this node has to look at a stripe: if it does not
// remember it, if it is, or seems to have become, its task and the swarm is not what it
// was, and now and then all the same. It notes that the node knows the stripe.
func (r *Repairer) asks(s *scene, d blockstore.Descriptor, round uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	was, known := r.seen[d.Address]
	if !known {
		return len(r.seen) < memory
	}
	was.pass = r.passes
	r.seen[d.Address] = was
	if was.turn != r.o.Self && was.turn != "" && s.live(was.turn) {
		return false
	}
	return was.views != r.views || was.again || was.fate.Urgency.Due() || round-was.round >= anyway
}

func (r *Repairer) remember(addr blockstore.Address, l sighting) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.seen[addr]; known || len(r.seen) < memory {
		l.pass = r.passes
		r.seen[addr] = l
	}
}

// face is what matters of a member in the memory of looks.
type face struct{ live, wrong, proved bool }

// noteView counts how often the members, and who of them answers and is
// believed, have changed.
func (r *Repairer) noteView(s *scene, now int64) uint64 {
	faces := make(map[swarm.MemberID]face, len(s.members))
	for _, m := range s.members {
		faces[m.ID] = face{m.Live, m.Wrong, now-m.Proved <= r.o.Policy.MaxAge}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !maps.Equal(faces, r.faces) {
		r.faces = faces
		r.views++
	}
	return r.views
}

// endPass forgets stripes that the node does not know any more, and sums up
// those that are its task.
func (r *Repairer) endPass() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.survey = decide.Survey{}
	for addr, l := range r.seen {
		switch {
		case l.pass != r.passes:
			delete(r.seen, addr)
		case l.turn == r.o.Self:
			r.survey.Add(addr, l.fate)
		}
	}
	r.passes++
	r.ended = r.o.Now().Unix()
}
