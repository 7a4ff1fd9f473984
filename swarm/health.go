package swarm

import (
	"context"
	"errors"
	"slices"

	"pifs/blockstore"
)

// Condition is how a shard was found.
type Condition uint8

const (
	OK          Condition = iota // held, and right if it was read
	Missing                      // no member that answers has it
	Corrupt                      // held at home with other bytes
	Unreachable                  // its home does not answer, and nobody else has it
)

func (c Condition) String() string {
	return [...]string{"ok", "missing", "corrupt", "unreachable"}[c]
}

// ShardHealth is the condition of one shard of a stripe.
type ShardHealth struct {
	Index     int // in the stripe
	ID        blockstore.ShardID
	Member    MemberID // that holds it, or its home if nobody does
	Name      string   // of that member
	Condition Condition
	Err       error // what the home said if not OK; may be nil
}

// Health looks for every shard of a stripe, in stripe order. deep reads and
// verifies them; otherwise the members' word is taken.
func (s *Swarm) Health(ctx context.Context, d blockstore.Descriptor, deep bool) ([]ShardHealth, error) {
	if err := d.Validate(); err != nil {
		return nil, err
	}
	order := s.view.Load().rank(d)
	report := make([]ShardHealth, d.Class.N)
	s.each(len(report), d.ShardSize(), func(i int) { report[i] = s.locate(ctx, d, order, i, deep) })
	return report, ctx.Err()
}

// locate finds shard i at its home or, failing that, at any other member.
func (s *Swarm) locate(ctx context.Context, d blockstore.Descriptor, order []*member, i int, deep bool) ShardHealth {
	h := ShardHealth{Index: i, ID: d.Shards[i], Condition: Missing}
	if i < len(order) {
		home := order[i]
		h.Member, h.Name = home.ID, home.Name
		h.Condition, h.Err = s.examine(ctx, d, order[i], i, deep)
	}
	if h.Condition == OK {
		return h
	}
	for _, m := range s.others(d, order, i) {
		if c, _ := s.examine(ctx, d, m, i, deep); c == OK {
			return ShardHealth{Index: i, ID: h.ID, Member: m.ID, Name: m.Name}
		}
	}
	return h
}

// others returns the members besides its home that shard i may be counted at:
// a copy at the home of an equal shard stands for that one already.
func (s *Swarm) others(d blockstore.Descriptor, order []*member, i int) []*member {
	var out []*member
	for at, m := range order {
		taken := at < len(d.Shards) && d.Shards[at] == d.Shards[i]
		if at != i && !taken {
			out = append(out, m)
		}
	}
	return out
}

// examine asks one member about shard i.
func (s *Swarm) examine(ctx context.Context, d blockstore.Descriptor, m *member, i int, deep bool) (Condition, error) {
	if err := m.probe(ctx); err != nil {
		return Unreachable, err
	}
	if !deep {
		var held bool
		err := m.ask(ctx, s.Patience().Hedge, func() (err error) {
			held, err = m.Store.Has(ctx, d.Shards[i])
			return err
		})
		switch {
		case err != nil:
			return Unreachable, err
		case !held:
			return Missing, nil
		}
		return OK, nil
	}
	buf := s.buffer(d.ShardSize())
	defer s.buffers.Put(buf)
	shard, err := m.get(ctx, s.Patience().Limit, d.Shards[i], d.ShardSize(), (*buf)[:0])
	if err == nil {
		*buf = shard[:0]
	}
	return conditionOf(shard, d, err), err
}

func conditionOf(shard []byte, d blockstore.Descriptor, err error) Condition {
	switch {
	case err == nil && len(shard) == d.ShardSize():
		return OK
	case err == nil, errors.Is(err, blockstore.ErrCorrupt):
		return Corrupt
	case errors.Is(err, blockstore.ErrNotFound):
		return Missing
	default:
		return Unreachable
	}
}

// LeafGetter is a Store that can show a single leaf of a shard.
type LeafGetter interface {
	// Leaf returns a leaf, checked against the shard's id.
	Leaf(ctx context.Context, id blockstore.ShardID, leaf int) ([]byte, error)
}

// Sample reads one leaf of shard i of a stripe from its home or, failing that,
// from any other member that has it, and checks it against the shard's id. It
// tells who had it, or what its home said.
func (s *Swarm) Sample(ctx context.Context, d blockstore.Descriptor, i, leaf int) ShardHealth {
	order := s.view.Load().rank(d)
	h := ShardHealth{Index: i, ID: d.Shards[i], Condition: Missing}
	for at, m := range slices.Concat(order[min(i, len(order)):min(i+1, len(order))], s.others(d, order, i)) {
		c, err := s.sample(ctx, d, m, i, leaf)
		if at == 0 || c == OK {
			h.Member, h.Name, h.Condition, h.Err = m.ID, m.Name, c, err
		}
		if c == OK {
			break
		}
	}
	return h
}

func (s *Swarm) sample(ctx context.Context, d blockstore.Descriptor, m *member, i, leaf int) (Condition, error) {
	g, ok := m.Store.(LeafGetter)
	if !ok {
		return s.examine(ctx, d, m, i, true)
	}
	if err := m.probe(ctx); err != nil {
		return Unreachable, err
	}
	err := m.ask(ctx, s.Patience().Limit, func() error {
		_, err := g.Leaf(ctx, d.Shards[i], leaf)
		return err
	})
	switch {
	case err == nil:
		return OK, nil
	case errors.Is(err, blockstore.ErrNotFound):
		return Missing, err
	case errors.Is(err, blockstore.ErrCorrupt):
		return Corrupt, err
	}
	return Unreachable, err
}
