package swarm

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
)

// syncEpoch is what happened since the last Sync began.
type syncEpoch struct {
	wrote map[*member]bool // that took a shard
	slack int              // least shards beyond the quorum of any stripe that reached it
}

func newSyncEpoch() syncEpoch {
	return syncEpoch{wrote: map[*member]bool{}, slack: math.MaxInt}
}

// note records the outcome of a Put before it is reported.
func (s *Swarm) note(holders []*member, placed, quorum int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range holders {
		s.epoch.wrote[m] = true
	}
	if placed >= quorum {
		s.epoch.slack = min(s.epoch.slack, placed-quorum)
	}
}

// Sync makes durable what was put since the last Sync. Members that fail are
// tolerated as long as every stripe that Put called safe is durable on a
// quorum all the same; they are then out of use until Reopen. If they are too
// many, Sync fails, and the caller must put again what it put since the last
// Sync: the next one covers only what comes after this one.
func (s *Swarm) Sync(ctx context.Context) error {
	s.mu.Lock()
	done := s.epoch
	s.epoch = newSyncEpoch()
	s.mu.Unlock()

	errs := s.syncMembers(ctx, done.wrote)
	failed := 0
	for _, err := range errs {
		if err != nil {
			failed++
		}
	}
	if failed == 0 {
		return nil
	}
	if failed > done.slack || ctx.Err() != nil {
		return fmt.Errorf("sync %d of %d stores: %w", failed, len(done.wrote), errors.Join(errs...))
	}
	s.log.Warn("stores did not sync and are out of use", "stores", failed, "err", errors.Join(errs...))
	return nil
}

// syncMembers syncs the members that were written, all at once, since each
// waits for a disk of its own.
func (s *Swarm) syncMembers(ctx context.Context, wrote map[*member]bool) []error {
	errs := make([]error, len(wrote))
	var wg sync.WaitGroup
	for i, m := range slices.Collect(maps.Keys(wrote)) {
		wg.Go(func() {
			err := m.ask(ctx, s.Patience().Limit, func() error { return m.Store.Sync(ctx) })
			if err == nil {
				return
			}
			errs[i] = fmt.Errorf("store %s: %w", m.Name, err)
			if ctx.Err() == nil {
				m.fail(err)
			}
		})
	}
	wg.Wait()
	return errs
}
