package decide

import (
	"bytes"
	"cmp"
	"slices"

	"pifs/blockstore"
)

// Ladder chooses the class of new stripes by the number of distinct domains,
// members that fail independently, with hysteresis: nodes that come and go do
// not have everything re-striped.
type Ladder struct {
	Rungs  blockstore.Ladder
	Settle int64 // seconds that a number has to hold before the class follows it
}

// Rung is where a swarm stands on its ladder.
type Rung struct {
	Class  blockstore.Class // zero at the beginning
	Toward blockstore.Class // what the number of domains asks for, if it differs
	Since  int64            // since when it does
}

// Step returns the rung at the time now. The first is taken at once. A wider
// one is taken when there have been enough domains for Settle, and one eighth
// more than enough; a narrower one when there have been too few for Settle, or
// at once when a quorum could not be placed. Without domains nothing changes.
func (l Ladder) Step(r Rung, domains int, now int64) Rung {
	want, err := l.want(r.Class, domains)
	if err != nil || want == r.Class {
		return Rung{Class: r.Class}
	}
	first := r.Class == blockstore.Class{}
	if first || domains < r.Class.Quorum() {
		return Rung{Class: want}
	}
	sameWay := r.Toward != blockstore.Class{} && wider(want, r.Class) == wider(r.Toward, r.Class)
	if !sameWay {
		return Rung{Class: r.Class, Toward: want, Since: now}
	}
	if now-r.Since >= l.Settle {
		return Rung{Class: want}
	}
	return Rung{Class: r.Class, Toward: want, Since: r.Since}
}

// want returns the class that domains ask for, coming from another.
func (l Ladder) want(from blockstore.Class, domains int) (blockstore.Class, error) {
	all, err := l.Rungs.ClassFor(domains)
	if err != nil || !wider(all, from) || from == (blockstore.Class{}) {
		return all, err
	}
	sure, err := l.Rungs.ClassFor(domains - domains/9) // d·8/9 or more: an eighth beyond the rung's number
	if err != nil || !wider(sure, from) {
		return from, err
	}
	return sure, nil
}

// wider reports whether a spreads a stripe over more members than b.
func wider(a, b blockstore.Class) bool { return a.N > b.N }

// Cold is a stripe that might be striped again.
type Cold struct {
	Address blockstore.Address
	Class   blockstore.Class
	Used    int64 // when it was last written or read
	Rests   bool  // it lies with members that take nothing new, and is to leave them
}

// Restripe returns those of stripes, at most limit, that are to be striped again
// to the class to, in order: only narrower ones, and those that rest, the coldest
// last.
func Restripe(stripes []Cold, to blockstore.Class, limit int) []Cold {
	var out []Cold
	for _, s := range stripes {
		if s.Rests || wider(to, s.Class) {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b Cold) int {
		return cmp.Or(cmp.Compare(b.Used, a.Used), bytes.Compare(a.Address[:], b.Address[:]))
	})
	return out[:min(max(limit, 0), len(out))]
}
