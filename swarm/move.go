package swarm

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"pifs/blockstore"
)

// Age tells one set of members that take new shards from the next: what was put
// lies where placement says now if it is the same before and after.
func (s *Swarm) Age() uint64 { return s.view.Load().age }

// Settled reports whether a stripe lies where new ones go. If not, putting its
// block again moves it: because its class is narrower than that of new stripes,
// or because a store of this home that rests holds some of it, or because
// stores of this home take new shards and do not hold all of it. Stores that do
// not answer are left out. A stripe of a wider class on members that nobody
// moves from stays as it is, so that members that come and go move nothing.
func (s *Swarm) Settled(ctx context.Context, d blockstore.Descriptor) (bool, error) {
	v := s.view.Load()
	home := v.own()
	if home && d.Class != v.class || d.Class.N < v.class.N {
		return false, ctx.Err()
	}
	placed, away := 0, 0
	for i, m := range v.members {
		if !m.Own {
			continue
		}
		n, err := m.count(ctx, d.Shards)
		switch {
		case ctx.Err() != nil:
			return false, ctx.Err()
		case err != nil && i < v.placing:
			away++
		case err != nil:
		case i < v.placing:
			placed += n
		case n > 0:
			return false, nil
		}
	}
	return !home || placed+away >= int(d.Class.N), nil
}

// own reports whether stores of this home take new shards.
func (v *view) own() bool {
	return slices.ContainsFunc(v.members[:v.placing], func(m *member) bool { return m.Own })
}

// count returns how many of some shards m holds.
func (m *member) count(ctx context.Context, ids []blockstore.ShardID) (n int, err error) {
	if err := m.writable(); err != nil {
		return 0, err
	}
	answer := make(chan int, 1)
	err = m.ask(ctx, m.swarm.Patience().Hedge, func() error {
		n := 0
		if sizer, ok := m.Store.(blockstore.Sizer); ok { // one that is empty is so for all
			if u, err := sizer.Usage(ctx); err == nil && u.Shards == 0 {
				ids = nil
			}
		}
		for i, id := range ids {
			if slices.Contains(ids[:i], id) {
				continue // copies are one shard to a store
			}
			has, err := m.Store.Has(ctx, id)
			if err != nil {
				return err
			}
			if has {
				n++
			}
		}
		answer <- n
		return nil
	})
	if err != nil {
		return 0, err
	}
	return <-answer, nil
}

// Evict deletes, durably, the shards of stripes from the stores of this home
// that rest. The caller vouches that the blocks were put again, durably, to those
// that took new shards at an age; if others do since, nothing is deleted and the
// error is ErrMoved. Nobody puts the stripes meanwhile. Stores that do not answer
// keep what they have, which the error says.
func (s *Swarm) Evict(ctx context.Context, age uint64, stripes []blockstore.Descriptor) error {
	s.changing.RLock()
	defer s.changing.RUnlock()
	v := s.view.Load()
	if v.age != age {
		return ErrMoved
	}
	var errs []error
	for _, m := range v.members[v.placing:] {
		if !m.Own {
			continue
		}
		if err := m.delete(ctx, stripes); err != nil {
			errs = append(errs, fmt.Errorf("store %s: %w", m.Name, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("evict %d stripes: %w", len(stripes), err)
	}
	return nil
}

// ErrMoved means that other members take new shards than before.
var ErrMoved = errors.New("the members changed")
