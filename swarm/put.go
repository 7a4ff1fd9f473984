package swarm

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"pifs/blockstore"
)

// parallelFrom is the shard size in bytes from which the members of a stripe
// are asked at the same time: below it a goroutine costs more than it saves.
const parallelFrom = 64 << 10

// Put stores block, whose address is addr, as a stripe with one shard per
// member. A shard whose home does not take it goes to a spare. placed is how
// many members have theirs: at least the class's quorum, or the error says why
// the first of the others failed. The descriptor is valid in both cases. What
// was placed is durable after Sync. If the error is blockstore.ErrLate, whatever
// was placed, a member that does not answer still uses the memory of block.
func (s *Swarm) Put(ctx context.Context, addr blockstore.Address, block []byte) (blockstore.Descriptor, int, error) {
	v := s.view.Load()
	d, shards, err := s.coder.Encode(v.class, addr, block)
	if err != nil {
		return d, 0, err
	}
	left := s.left.Load()
	order := v.homes(addr)
	n := int(d.Class.N)
	errs := make([]error, n)
	s.each(n, d.ShardSize(), func(i int) {
		errs[i] = order[i].putPiece(ctx, shards.Piece(i))
	})
	holders, cause := s.putSpares(ctx, d, shards, order, errs)
	s.note(holders, len(holders), d.Class.Quorum())
	var late error // of this put or of another
	if s.left.Load() == left {
		shards.Release()
	} else {
		late = blockstore.ErrLate
	}
	if len(holders) < d.Class.Quorum() {
		return d, len(holders), fmt.Errorf("place stripe %v: %d of %d shards, %d needed: %w",
			addr, len(holders), n, d.Class.Quorum(), errors.Join(cause, late))
	}
	return d, len(holders), late
}

// putSpares offers the shards that failed to the members after the n-th. It
// returns who holds a shard now, and the first cause of failure.
func (s *Swarm) putSpares(ctx context.Context, d blockstore.Descriptor, shards *blockstore.Shards, order []*member, errs []error) (holders []*member, cause error) {
	spares := order[len(errs):]
	holders = make([]*member, 0, len(errs))
	for i, err := range errs {
		home := order[i]
		for err != nil && len(spares) > 0 && ctx.Err() == nil {
			if cause == nil {
				cause = err
			}
			home, spares = spares[0], spares[1:]
			err = home.putPiece(ctx, shards.Piece(i))
		}
		if err == nil {
			holders = append(holders, home)
		} else if cause == nil {
			cause = err
		}
	}
	return holders, cause
}

// each calls fn for 0 … n−1, at the same time if shards of size bytes, or the
// way to them, make that worth it.
func (s *Swarm) each(n, size int, fn func(i int)) {
	if n == 1 || size < parallelFrom && !s.view.Load().far {
		for i := range n {
			fn(i)
		}
		return
	}
	var wg sync.WaitGroup
	for i := 1; i < n; i++ {
		wg.Go(func() { fn(i) })
	}
	fn(0)
	wg.Wait()
}
