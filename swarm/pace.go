package swarm

import (
	"slices"
	"sync"
	"time"
)

// A read of a far member that takes longer than this factor of what 95 of 100
// took lately, and a little, is not waited for: another is asked.
const (
	paceKept  = 64 // reads that are remembered
	paceKnown = 16 // reads from which on they say something
	paceSlack = 25 * time.Millisecond
	paceLeast = 50 * time.Millisecond
)

// pace is how long a member took for reads lately.
type pace struct {
	mu   sync.Mutex
	kept []time.Duration // the last, in a ring
	next int
	late time.Duration // the 95th percentile of kept; 0 if not computed
}

// note enters a read that ended, or was given up, after d.
func (p *pace) note(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.kept) < paceKept {
		p.kept = append(p.kept, d)
	} else {
		p.kept[p.next] = d
		p.next = (p.next + 1) % paceKept
	}
	p.late = 0
}

// hedge returns how long to wait for a read, most at most.
func (p *pace) hedge(most time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.kept) < paceKnown {
		return most
	}
	if p.late == 0 {
		sorted := slices.Sorted(slices.Values(p.kept))
		p.late = max(1, sorted[len(sorted)*95/100])
	}
	return min(max(2*p.late+paceSlack, paceLeast), most)
}
