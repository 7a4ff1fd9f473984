package swarm

import (
	"context"
	"errors"
	"sync"
	"time"

	"pifs/blockstore"
)

const (
	healQueue  = 256       // stripes that wait to be healed
	healMemory = 10_000    // stripes that are remembered
	healAgain  = time.Hour // until one is looked at again
)

// suspects are stripes of which a read found a shard wrong, or not where it
// should be.
type suspects struct {
	queue chan blockstore.Descriptor

	mu   sync.Mutex
	seen map[blockstore.Address]time.Time
}

func newSuspects() *suspects {
	return &suspects{queue: make(chan blockstore.Descriptor, healQueue), seen: map[blockstore.Address]time.Time{}}
}

// suspect notes that a member answered a read of a stripe with err. Who does
// not answer at all is no reason to repair.
func (s *Swarm) suspect(d blockstore.Descriptor, err error) {
	if !errors.Is(err, blockstore.ErrCorrupt) && !errors.Is(err, blockstore.ErrNotFound) || !s.view.Load().far {
		return
	}
	s.suspects.mu.Lock()
	defer s.suspects.mu.Unlock()
	now := time.Now()
	if at, known := s.suspects.seen[d.Address]; known && now.Sub(at) < healAgain {
		return
	}
	if len(s.suspects.seen) >= healMemory {
		clear(s.suspects.seen)
	}
	select {
	case s.suspects.queue <- d:
		s.suspects.seen[d.Address] = now
	default: // the next read will say so again
	}
}

// Heal repairs the stripes of which reads of far members find shards wrong or missing, one after the
// other, until ctx ends.
func (s *Swarm) Heal(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case d := <-s.suspects.queue:
			fixed, err := s.Repair(ctx, d)
			switch {
			case ctx.Err() != nil:
			case err != nil:
				s.log.Warn("heal what a read found wrong", "address", d.Address, "err", err)
			case fixed > 0:
				s.log.Info("healed what a read found wrong", "address", d.Address, "shards", fixed)
			}
		}
	}
}
