package peer

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"pifs/swarm"
)

// Pauses between two attempts to reach a member that was not to be reached.
const (
	firstPause = 500 * time.Millisecond
	lastPause  = time.Minute
)

// death remembers that a member could not be reached, so that nobody waits for
// it, or dials it, over and over. Pauses double, and are drawn from their upper
// half, so that those who lost a node at one moment do not all come back at one.
type death struct {
	mu    sync.Mutex
	cause error
	pause time.Duration
	until time.Time
}

// err returns why the member is not tried now, or nil.
func (d *death) err(now time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cause == nil || !now.Before(d.until) {
		return nil
	}
	return fmt.Errorf("%w: not tried for %v more: %w", swarm.ErrUnreachable, d.until.Sub(now).Round(time.Millisecond), d.cause)
}

// failed notes that the member was not reached.
func (d *death) failed(now time.Time, cause error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cause != nil && now.Before(d.until) {
		return // somebody who began before has said so already
	}
	d.cause = cause
	d.pause = min(max(firstPause, 2*d.pause), lastPause)
	d.until = now.Add(d.pause/2 + rand.N(d.pause/2))
}

// revived notes that the member answers, or that it is worth a try at once.
func (d *death) revived() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cause, d.pause, d.until = nil, 0, time.Time{}
}
