package peer

import (
	"sync"
	"time"
)

// How long others are waited for.
const (
	dialPatience = 10 * time.Second
	minPatience  = 2 * time.Second // a disk that spins up, a machine that is busy
	maxPatience  = 2 * time.Minute
	syncWork     = 30 * time.Second // for a receipt: a disk that others write to as well takes seconds to sync
	slowest      = 64 << 10         // bytes a second, below which a member is no use
	rttGrain     = 100 * time.Millisecond
)

// roundTrip estimates how long an answer takes, as RFC 6298 does: a smoothed
// time and its mean deviation. The zero value knows nothing yet.
type roundTrip struct {
	mu     sync.Mutex
	known  bool
	smooth time.Duration
	mean   time.Duration // deviation
}

// took notes how long a small request took, whose answer came at the first try
// (Karn's rule).
func (r *roundTrip) took(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.known {
		r.known, r.smooth, r.mean = true, d, d/2
		return
	}
	r.mean += ((r.smooth - d).Abs() - r.mean) / 4
	r.smooth += (d - r.smooth) / 8
}

// patience returns how long to wait for a request and its answer that have
// size bytes together.
func (r *roundTrip) patience(size int) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := minPatience + time.Duration(size)*time.Second/slowest
	if r.known {
		p += r.smooth + max(rttGrain, 4*r.mean)
	}
	return min(p, maxPatience)
}

// smoothed returns the estimate, zero while there is none.
func (r *roundTrip) smoothed() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.smooth
}
