package swarm

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"pifs/blockstore"
)

// strayPage is how many strays are decided about at a time: nobody can put
// meanwhile.
const strayPage = 512

// strayKeeper is a Store that knows which shards it found after a crash
// without knowing who put them.
type strayKeeper interface {
	Strays(ctx context.Context, after blockstore.ShardID, limit int) ([]blockstore.ShardID, error)
	Settle(ctx context.Context, ids []blockstore.ShardID) error
}

var _ strayKeeper = (*Local)(nil)

// HasStrays reports whether a member that answers holds a stray.
func (s *Swarm) HasStrays(ctx context.Context) bool {
	for _, m := range s.view.Load().members {
		if page, err := m.strays(ctx, blockstore.ShardID{}, 1); err == nil && len(page) > 0 {
			return true
		}
	}
	return false
}

// SweepStrays deletes the strays that needed denies, durably, and returns how
// many; the others are strays no longer. It asks needed and deletes in one step
// under hold, which whoever puts a shard holds from before the put until needed
// knows of it. Members that do not answer, or fail, keep theirs for the next
// time; the error says so.
func (s *Swarm) SweepStrays(ctx context.Context, hold sync.Locker, needed func(blockstore.ShardID) bool) (deleted int64, err error) {
	var errs []error
	for _, m := range s.view.Load().members {
		n, err := m.sweepStrays(ctx, hold, needed)
		deleted += n
		if err != nil {
			errs = append(errs, fmt.Errorf("store %s: %w", m.Name, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return deleted, fmt.Errorf("sweep strays: %w", err)
	}
	return deleted, nil
}

func (m *member) sweepStrays(ctx context.Context, hold sync.Locker, needed func(blockstore.ShardID) bool) (deleted int64, err error) {
	k, ok := m.Store.(strayKeeper)
	if !ok {
		return 0, nil
	}
	if err := m.probe(ctx); err != nil {
		return 0, err
	}
	var after blockstore.ShardID
	for {
		page, err := m.strays(ctx, after, strayPage)
		if err != nil || len(page) == 0 {
			return deleted, err
		}
		after = page[len(page)-1]
		kept, err := m.dropStrays(ctx, page, hold, needed)
		deleted += int64(len(page) - len(kept))
		if err == nil {
			err = m.ask(ctx, m.swarm.Patience().Limit, func() error { return k.Settle(ctx, kept) })
		}
		if err != nil {
			return deleted, err
		}
	}
}

// strays returns a page of what m found; none if it keeps no note.
func (m *member) strays(ctx context.Context, after blockstore.ShardID, limit int) (page []blockstore.ShardID, err error) {
	k, ok := m.Store.(strayKeeper)
	if !ok {
		return nil, nil
	}
	answer := make(chan []blockstore.ShardID, 1) // a call that is left behind may still answer
	err = m.ask(ctx, m.swarm.Patience().Limit, func() error {
		ids, err := k.Strays(ctx, after, limit)
		answer <- ids
		return err
	})
	if err != nil {
		return nil, err
	}
	return <-answer, nil
}

// dropStrays deletes what is not needed of a page, and returns the rest.
func (m *member) dropStrays(ctx context.Context, page []blockstore.ShardID, hold sync.Locker, needed func(blockstore.ShardID) bool) (kept []blockstore.ShardID, err error) {
	err = func() error {
		hold.Lock()
		defer hold.Unlock()
		for _, id := range page {
			if needed(id) {
				kept = append(kept, id)
				continue
			}
			if err := m.ask(ctx, m.swarm.Patience().Limit, func() error { return m.Store.Delete(ctx, id) }); err != nil {
				return err
			}
		}
		return nil
	}()
	if err == nil && len(kept) < len(page) {
		err = m.ask(ctx, m.swarm.Patience().Limit, func() error { return m.Store.Sync(ctx) })
		if errors.Is(err, blockstore.ErrCorrupt) {
			m.fail(err) // as in delete
		}
	}
	if err != nil {
		return page, err
	}
	return kept, nil
}
