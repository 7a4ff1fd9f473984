package swarm

import (
	"context"
	"errors"
	"slices"

	"pifs/blockstore"
)

// GetRaw appends to dst the block that d describes without checking a byte:
// the caller does, and turns to Get when it finds something wrong. Nothing is
// looked for beyond the shards' homes, and nobody is waited for. If the error is
// blockstore.ErrLate, a member still uses the memory behind dst.
func (s *Swarm) GetRaw(ctx context.Context, d blockstore.Descriptor, dst []byte) (block []byte, degraded bool, err error) {
	if err := d.Validate(); err != nil {
		return dst, false, err
	}
	r := rawRead{s: s, d: d, order: s.order(d.Address), shards: make([][]byte, d.Class.N), errs: make([]error, d.Class.N)}
	area := r.data(ctx, dst)
	parity := r.parity(ctx)
	defer r.release(parity)
	for _, err := range r.errs {
		if errors.Is(err, blockstore.ErrLate) {
			return dst, false, err
		}
	}
	block, err = s.coder.DecodeRaw(area, d, r.shards)
	return block, len(parity) > 0, err
}

// rawRead is a GetRaw under way.
type rawRead struct {
	s      *Swarm
	d      blockstore.Descriptor
	order  []int
	shards [][]byte // in stripe order, nil where missing
	errs   []error
}

// data reads the data shards into their places behind dst, so that no copy is
// made, and returns dst with room for them.
func (r *rawRead) data(ctx context.Context, dst []byte) []byte {
	k, size, start := int(r.d.Class.K), r.d.ShardSize(), len(dst)
	dst = slices.Grow(dst, k*size)
	area := dst[start : start+k*size]
	r.s.each(min(k, len(r.order)), size, func(i int) {
		r.get(ctx, i, area[i*size:i*size:(i+1)*size])
	})
	return dst
}

// parity reads as many other shards as are missing.
func (r *rawRead) parity(ctx context.Context) (bufs []*[]byte) {
	k := int(r.d.Class.K)
	missing := 0
	for _, p := range r.shards[:k] {
		if p == nil {
			missing++
		}
	}
	for i := k; i < min(len(r.shards), len(r.order)) && missing > 0; i++ {
		buf := r.s.buffer(r.d.ShardSize())
		bufs = append(bufs, buf)
		if r.get(ctx, i, (*buf)[:0:r.d.ShardSize()]); r.shards[i] != nil {
			missing--
		}
	}
	return bufs
}

// get reads shard i into the room behind place.
func (r *rawRead) get(ctx context.Context, i int, place []byte) {
	m := r.s.members[r.order[i]]
	var shard []byte
	err := m.ask(ctx, r.s.Patience().Hedge, func() (err error) {
		shard, err = blockstore.GetRaw(ctx, m.Store, r.d.Shards[i], place)
		return err
	})
	if r.errs[i] = err; err == nil && len(shard) == cap(place) {
		r.shards[i] = shard
	}
}

// release gives buffers back, unless a call was left behind with one.
func (r *rawRead) release(bufs []*[]byte) {
	for i, b := range bufs {
		if !errors.Is(r.errs[int(r.d.Class.K)+i], blockstore.ErrLate) {
			r.s.buffers.Put(b)
		}
	}
}
