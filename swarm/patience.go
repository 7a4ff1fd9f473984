package swarm

import (
	"context"
	"fmt"
	"time"

	"pifs/blockstore"
)

// A member may stop answering without an error: a network disk that is gone, a
// drive that resets. Calls of it cannot be ended, only left behind.

// Patience says how long members are waited for.
type Patience struct {
	// Hedge is how long a read waits for one member before it turns to the
	// others; it comes back to that one when they are not enough.
	Hedge time.Duration
	// Limit is how long anything else waits. A member that is that late is out
	// of use until it has answered.
	Limit time.Duration
}

// maxPatience leaves a disk the time to spin up.
const maxPatience = 30 * time.Second

// PatienceWithin returns how long members may be waited for by those who must
// answer within deadline, even if several members are late one after the
// other: at most, and if deadline is 0, 2 s for a read and 30 s for the rest.
func PatienceWithin(deadline time.Duration) Patience {
	limit := maxPatience
	if deadline > 0 {
		limit = min(limit, deadline/4)
	}
	return Patience{Hedge: limit / 15, Limit: limit}
}

// ask runs fn, a call of the member's store, and leaves it behind after limit,
// or when ctx ends: the error is blockstore.ErrLate then. It fails at once while an
// earlier call is late by more than limit.
func (m *member) ask(ctx context.Context, limit time.Duration, fn func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	begun := time.Now()
	if since, late := m.lateSince(); late && begun.Sub(since) >= limit {
		return fmt.Errorf("%w: it does not answer since %v", ErrUnreachable, begun.Sub(since).Round(time.Second))
	}
	done := make(chan error, 1)
	go func() { done <- fn() }()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	var cause error
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		cause = ctx.Err()
	case <-timer.C:
		cause = fmt.Errorf("%w: no answer for %v", ErrUnreachable, limit)
	}
	m.leave(begun, done)
	return fmt.Errorf("%w: %w", blockstore.ErrLate, cause)
}

// leave notes a call that is late until it is done.
func (m *member) leave(begun time.Time, done <-chan error) {
	m.mu.Lock()
	if m.late == 0 {
		m.since = begun
	}
	m.late++
	m.mu.Unlock()
	m.swarm.left.Add(1)
	go func() {
		<-done
		m.mu.Lock()
		m.late--
		m.mu.Unlock()
	}()
}

func (m *member) lateSince() (time.Time, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.since, m.late > 0
}

// SetPatience says how long members are waited for from now on.
func (s *Swarm) SetPatience(p Patience) { s.patience.Store(&p) }

// Patience returns how long members are waited for.
func (s *Swarm) Patience() Patience { return *s.patience.Load() }
