package decide

import (
	"math"
	"time"
)

// Budget bounds the bytes that repair moves: a token bucket that holds Burst
// bytes and fills at Rate. Half of it is a reserve that only urgent work may
// use, so that what is endangered does not wait behind what is not. The zero
// Budget allows everything. Times are nanoseconds of any clock that does not
// go back; if one does, nothing is gained or lost.
type Budget struct {
	Rate  int64 // bytes per second, ≤ 0 for no bound
	Burst int64 // bytes; at least one is assumed

	level float64 // bytes to be had; negative after something larger than what was there
	at    int64   // when level was true
	begun bool
}

// Take takes n bytes at the time now, or says how long to wait before asking
// again. What is larger than the bucket is let through when it is full and
// paid for afterwards.
func (b *Budget) Take(n, now int64, urgent bool) (wait time.Duration, ok bool) {
	if b.Rate <= 0 {
		return 0, true
	}
	b.fill(now)
	floor := b.burst() / 2
	if urgent {
		floor = 0
	}
	need := min(float64(n)+floor, b.burst())
	if b.level >= need {
		b.level -= float64(n)
		return 0, true
	}
	seconds := (need - b.level) / float64(b.Rate)
	return time.Duration(min(math.Ceil(seconds*1e9), math.MaxInt64/2)), false
}

// Return gives back bytes that were taken and not used.
func (b *Budget) Return(n int64) { b.level = min(b.level+float64(n), b.burst()) }

func (b *Budget) burst() float64 { return float64(max(b.Burst, 1)) }

func (b *Budget) fill(now int64) {
	switch {
	case !b.begun:
		b.level, b.begun = b.burst(), true
	case now > b.at:
		b.level = min(b.level+float64(now-b.at)/1e9*float64(b.Rate), b.burst())
	}
	b.at = now
}
