package peer

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"pifs/blockstore"
	"pifs/swarm"
	"pifs/swarm/wire"
)

// HandleShards serves wire.ShardProtocol to members.
func (h *Host) HandleShards(shards wire.ShardServer, keep wire.KeepServer) {
	s := &shardServer{host: h, shards: shards, keep: keep}
	h.serve(wire.ShardProtocol, false, s.serve)
}

// shardServer reads requests for shards, bounds and checks them, and answers.
type shardServer struct {
	host    *Host
	shards  wire.ShardServer
	keep    wire.KeepServer
	buffers sync.Pool // of *[]byte
}

func (s *shardServer) serve(ctx context.Context, r *request) error {
	switch r.op {
	case wire.OpPut:
		return s.put(ctx, r, s.shards.Put)
	case wire.OpMend:
		m, ok := s.shards.(wire.MendServer)
		if !ok {
			return fatal(r, fmt.Errorf("operation %d: %w", r.op, errors.ErrUnsupported))
		}
		return s.put(ctx, r, m.Mend)
	case wire.OpGet:
		return s.get(ctx, r)
	case wire.OpRange:
		return s.slice(ctx, r)
	case wire.OpSync:
		return s.sync(ctx, r)
	case wire.OpKeep:
		return s.keepSet(ctx, r)
	}
	return s.serveSmall(ctx, r)
}

// serveSmall serves what has no payload.
func (s *shardServer) serveSmall(ctx context.Context, r *request) error {
	switch r.op {
	case wire.OpHas:
		return small(r, func(m *wire.Has) (*wire.Held, error) {
			if err := bounded(m.IDs); err != nil {
				return nil, err
			}
			return s.shards.Has(ctx, r.from, m)
		})
	case wire.OpWhich:
		return small(r, func(m *wire.Which) (*wire.Listed, error) { return s.which(ctx, r, m) })
	case wire.OpSurvey:
		return small(r, func(*wire.Survey) (*wire.Surveyed, error) {
			v, ok := s.shards.(wire.SurveyServer)
			if !ok {
				return nil, fmt.Errorf("operation %d: %w", r.op, errors.ErrUnsupported)
			}
			return v.Survey(ctx, r.from)
		})
	case wire.OpUsage:
		return small(r, func(*wire.Usage) (*wire.Used, error) { return s.shards.Usage(ctx, r.from) })
	case wire.OpRelease:
		return small(r, func(m *wire.Release) (*wire.Done, error) {
			if err := bounded(m.IDs); err != nil {
				return nil, err
			}
			return &wire.Done{}, s.keep.Release(ctx, r.from, m.IDs)
		})
	case wire.OpTrash:
		return small(r, func(m *wire.Trash) (*wire.Trashed, error) {
			if m.Limit > wire.MaxIDs {
				return nil, blockstore.ErrTooLarge
			}
			return s.keep.Trash(ctx, r.from, m)
		})
	case wire.OpUndelete:
		return small(r, func(m *wire.Undelete) (*wire.Undeleted, error) {
			if err := bounded(m.IDs); err != nil {
				return nil, err
			}
			return s.keep.Undelete(ctx, r.from, m.IDs)
		})
	}
	return fatal(r, fmt.Errorf("operation %d: %w", r.op, errors.ErrUnsupported))
}

func (s *shardServer) which(ctx context.Context, r *request, m *wire.Which) (*wire.Listed, error) {
	w, ok := s.shards.(wire.WhichServer)
	if !ok {
		return nil, fmt.Errorf("operation %d: %w", r.op, errors.ErrUnsupported)
	}
	if err := bounded(m.IDs); err != nil {
		return nil, err
	}
	held, err := w.Which(ctx, r.from, m.IDs)
	if err != nil {
		return nil, err
	}
	return wire.NewListed(held), nil
}

// small decodes a message and answers it.
func small[M, A any](r *request, do func(*M) (*A, error)) error {
	var m M
	if err := r.conn.Message(&m); err != nil {
		return fatal(r, err)
	}
	a, err := do(&m)
	return r.answer(a, err)
}

func bounded(ids []blockstore.ShardID) error {
	if len(ids) == 0 || len(ids) > wire.MaxIDs {
		return fmt.Errorf("%d shards in a message: %w", len(ids), blockstore.ErrTooLarge)
	}
	return nil
}

// buffer lends a buffer with room for size bytes.
func (s *shardServer) buffer(size int) *[]byte {
	if b, ok := s.buffers.Get().(*[]byte); ok && cap(*b) >= size {
		*b = (*b)[:0]
		return b
	}
	b := make([]byte, 0, size)
	return &b
}

// put serves what stores a shard.
func (s *shardServer) put(ctx context.Context, r *request, store func(context.Context, swarm.MemberID, *wire.Put, []byte) error) error {
	var m wire.Put
	if err := r.conn.Message(&m); err != nil {
		return fatal(r, err)
	}
	if err := m.Check(); err != nil {
		return fatal(r, err)
	}
	size := m.Stripe.ShardSize()
	release, err := s.host.calls.hold(ctx, r.guest, size)
	if err != nil {
		return fatal(r, err)
	}
	defer release()
	buf := s.buffer(size)
	defer s.buffers.Put(buf)
	r.expect(size)
	if *buf, err = r.conn.ReadPayload((*buf)[:0], size); err != nil {
		return err
	}
	return r.answer(&wire.Done{}, store(ctx, r.from, &m, *buf))
}

func (s *shardServer) get(ctx context.Context, r *request) error {
	var m wire.Get
	if err := r.conn.Message(&m); err != nil {
		return fatal(r, err)
	}
	return s.read(ctx, r, m.ID, func(shard []byte) ([]byte, error) { return shard, nil })
}

func (s *shardServer) slice(ctx context.Context, r *request) error {
	var m wire.Range
	if err := r.conn.Message(&m); err != nil {
		return fatal(r, err)
	}
	if err := m.Check(); err != nil {
		return r.conn.WriteError(err)
	}
	return s.read(ctx, r, m.ID, func(shard []byte) ([]byte, error) { return blockstore.Slice(shard, int(m.Off), int(m.Len)) })
}

// read answers with what part makes of a shard.
func (s *shardServer) read(ctx context.Context, r *request, id blockstore.ShardID, part func([]byte) ([]byte, error)) error {
	const usual = 1 << 20 // most shards are smaller; those of class (1,1) may have four times as much
	release, err := s.host.calls.hold(ctx, r.guest, usual)
	if err != nil {
		return r.conn.WriteError(err)
	}
	defer release()
	buf := s.buffer(usual)
	defer s.buffers.Put(buf)
	shard, err := s.shards.Get(ctx, r.from, id, (*buf)[:0])
	if err != nil {
		return r.conn.WriteError(err)
	}
	*buf = shard
	out, err := part(shard)
	if err != nil {
		return r.conn.WriteError(err)
	}
	r.expect(len(out))
	if err := r.conn.WriteAnswer(&wire.Got{Size: uint32(len(out))}); err != nil {
		return err
	}
	return r.conn.WritePayload(out)
}

func (s *shardServer) sync(ctx context.Context, r *request) error {
	var m wire.Sync
	if err := r.conn.Message(&m); err != nil {
		return fatal(r, err)
	}
	if m.Count == 0 || m.Count > wire.MaxSync {
		return fatal(r, fmt.Errorf("receipt for %d shards: %w", m.Count, blockstore.ErrTooLarge))
	}
	size := int(m.Count) * len(blockstore.ShardID{})
	release, err := s.host.calls.hold(ctx, r.guest, 2*size)
	if err != nil {
		return fatal(r, err)
	}
	defer release()
	r.expect(size)
	raw, err := r.conn.ReadPayload(nil, size)
	if err != nil {
		return err
	}
	ids := make([]blockstore.ShardID, m.Count)
	for i := range ids {
		copy(ids[i][:], raw[i*len(ids[i]):])
	}
	receipt, err := s.shards.Sync(ctx, r.from, ids)
	return r.answer(receipt, err)
}

func (s *shardServer) keepSet(ctx context.Context, r *request) error {
	var m wire.KeepSet
	if err := r.conn.Message(&m); err != nil {
		return fatal(r, err)
	}
	if err := m.Check(); err != nil {
		return fatal(r, err)
	}
	release, err := s.host.calls.hold(ctx, r.guest, int(m.Size))
	if err != nil {
		return fatal(r, err)
	}
	defer release()
	r.expect(int(m.Size))
	filter, err := r.conn.ReadPayload(nil, int(m.Size))
	if err != nil {
		return err
	}
	return r.answer(&wire.Done{}, s.keep.Keep(ctx, r.from, &m, filter))
}
