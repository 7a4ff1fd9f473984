package swarm

import (
	"context"
	"errors"
	"fmt"

	"pifs/blockstore"
)

// Repair puts every shard of a stripe right: those that are missing or wrong
// are rebuilt from the others and put to their homes, or to spares. Every
// input and output is checked against its id. fixed counts the shards that
// were put and read back; they are durable after Sync. The error joins what
// could not be put; blockstore.ErrLost means that fewer than k shards are left
// and nothing was changed.
func (s *Swarm) Repair(ctx context.Context, d blockstore.Descriptor) (fixed int, err error) {
	report, err := s.Health(ctx, d, true)
	if err != nil {
		return 0, err
	}
	var wrong []ShardHealth
	taken := map[MemberID]bool{} // members that have a shard of the stripe
	for _, h := range report {
		if h.Condition != OK {
			wrong = append(wrong, h)
			continue
		}
		taken[h.Member] = true
	}
	if len(wrong) == 0 {
		return 0, nil
	}
	v := s.view.Load()
	g := s.gather(ctx, d, v.rank(d), int(d.Class.N))
	defer g.release()
	if err := s.coder.Rebuild(d, g.shards); err != nil {
		return 0, errors.Join(err, ctx.Err(), g.cause)
	}
	var errs []error
	for _, h := range wrong {
		if err := s.restore(ctx, &d, v.homes(d.Address), taken, h, g.shards[h.Index]); err != nil {
			errs = append(errs, fmt.Errorf("restore shard %d of %v: %w", h.Index, d.Address, err))
			continue
		}
		fixed++
	}
	return fixed, errors.Join(errs...)
}

// restore puts a shard to its home or, if that does not answer, to a spare, or
// to the home of a shard that lies elsewhere: never to one of those taken, for
// two shards at one member go together.
func (s *Swarm) restore(ctx context.Context, d *blockstore.Descriptor, order []*member, taken map[MemberID]bool, h ShardHealth, shard []byte) error {
	piece, err := blockstore.NewPiece(d, h.Index, shard)
	if err != nil {
		return err
	}
	homes := min(int(d.Class.N), len(order))
	var places []*member
	if h.Index < len(order) {
		places = append(places, order[h.Index])
	}
	places = append(append(places, order[homes:]...), order[:homes]...)
	var errs []error
	for i, m := range places {
		if taken[m.ID] || i > 0 && m == places[0] {
			continue
		}
		err := s.replace(ctx, m, piece)
		if err == nil {
			taken[m.ID] = true
			s.note([]*member{m}, 1, 1) // its sync must not fail unnoticed
			return nil
		}
		errs = append(errs, err)
	}
	if len(errs) == 0 {
		return fmt.Errorf("%w: fewer members than shards", ErrUnreachable)
	}
	return errors.Join(errs...)
}

// replace makes one member hold a shard, whatever it holds under the id now, and
// reads it back: a store that says it is done may be the one that lost it.
func (s *Swarm) replace(ctx context.Context, m *member, piece blockstore.Piece) error {
	id, size := piece.ID(), len(piece.Bytes())
	if err := m.probe(ctx); err != nil {
		return fmt.Errorf("store %s: %w", m.Name, err)
	}
	buf := s.buffer(size)
	defer s.buffers.Put(buf)
	if _, err := m.get(ctx, s.Patience().Limit, id, size, (*buf)[:0]); errors.Is(err, blockstore.ErrCorrupt) {
		// The store would take a put of what it holds for done.
		if err := m.ask(ctx, s.Patience().Limit, func() error { return m.Store.Delete(ctx, id) }); err != nil {
			return fmt.Errorf("store %s: %w", m.Name, err)
		}
	}
	putErr := m.putPiece(ctx, piece)
	if _, err := m.get(ctx, s.Patience().Limit, id, size, (*buf)[:0]); err != nil {
		return errors.Join(putErr, err)
	}
	return nil
}
