package decide

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"pifs/blockstore"
	"pifs/swarm"
)

// The rung is one that can be placed, or was a short time ago; it moves only
// after Settle, and not at all while the number swings around a threshold.
func TestLadderAgainstItsPromise(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := Ladder{Rungs: rapid.SampledFrom([]blockstore.Ladder{blockstore.Phi, blockstore.Lean}).Draw(t, "ladder"), Settle: 50}
		var r Rung
		var at, enough int64 // enough: when the domains were last enough for the class
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			at += rapid.Int64Range(0, 30).Draw(t, "pause")
			domains := rapid.IntRange(1, 45).Draw(t, "domains")
			was := r
			r = l.Step(r, domains, at)
			if !r.Class.Valid() {
				t.Fatalf("class %v", r.Class)
			}
			if domains < r.Class.Quorum() {
				t.Fatalf("%d domains hold no quorum of %v", domains, r.Class)
			}
			if wider(r.Class, was.Class) && int(r.Class.N) > domains {
				t.Fatalf("climbed to %v with %d domains", r.Class, domains)
			}
			first := was.Class == blockstore.Class{}
			if !first && r.Class != was.Class && domains >= was.Class.Quorum() && at-was.Since < 50 {
				t.Fatalf("%v to %v after %d s", was.Class, r.Class, at-was.Since)
			}
			if domains >= int(was.Class.N) || first {
				enough = at
			}
			if !first && !wider(was.Class, r.Class) && at-enough > 0 && was.Since != 0 && wider(was.Class, was.Toward) && at-was.Since >= 50 && domains < int(was.Class.N) {
				t.Fatalf("%v stays with %d domains for %d s", r.Class, domains, at-was.Since)
			}
		}
	})
}

func TestLadderHysteresis(t *testing.T) {
	l := Ladder{Rungs: blockstore.Phi, Settle: 100}
	r := l.Step(Rung{}, 33, 0)
	var trace []string
	for i, domains := range []int{34, 33, 34, 37, 38, 38, 38, 34, 33, 34, 33, 33, 33, 20} {
		at := int64(60 * (i + 1))
		if next := l.Step(r, domains, at); next.Class != r.Class {
			trace = append(trace, fmt.Sprint(domains, " at ", at, ": ", next.Class))
			r = next
		} else {
			r = next
		}
	}
	want := []string{"38 at 420: (21,34)", "33 at 780: (13,21)", "20 at 840: (13,21)"}
	if !slices.Equal(trace, want[:2]) {
		t.Errorf("climbs and falls %q, want %q", trace, want[:2])
	}
}

// Without a quorum to place, the class falls at once.
func TestLadderFallsAtOnce(t *testing.T) {
	l := Ladder{Rungs: blockstore.Phi, Settle: 1000}
	r := l.Step(l.Step(Rung{}, 34, 0), 27, 1)
	if r.Class != (blockstore.Class{K: 13, N: 21}) {
		t.Errorf("class %v with 27 domains", r.Class)
	}
	if r = l.Step(r, 0, 2); r.Class != (blockstore.Class{K: 13, N: 21}) {
		t.Errorf("class %v without domains", r.Class)
	}
}

func TestRestripeOrder(t *testing.T) {
	narrow, wide := blockstore.Class{K: 3, N: 5}, blockstore.Class{K: 5, N: 8}
	stripes := []Cold{
		{Address: blockstore.Address{1}, Class: narrow, Used: 10},
		{Address: blockstore.Address{2}, Class: wide, Used: 90},
		{Address: blockstore.Address{3}, Class: narrow, Used: 50},
		{Address: blockstore.Address{4}, Class: narrow, Used: 10},
	}
	var got []byte
	for _, s := range Restripe(stripes, wide, 10) {
		got = append(got, s.Address[0])
	}
	if want := []byte{3, 1, 4}; !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
	if got := Restripe(stripes, wide, 1); len(got) != 1 || got[0].Address[0] != 3 {
		t.Errorf("the first of them is %v", got)
	}
	if got := Restripe(stripes, narrow, 10); len(got) != 0 {
		t.Errorf("%v become narrower", got)
	}
	stripes[1].Rests = true
	if got := Restripe(stripes, narrow, 10); len(got) != 1 || got[0].Address[0] != 2 {
		t.Errorf("of stripes that rest %v move", got)
	}
}

// Phases follow one another without a gap, in every round of any length.
func TestRoundsFollowOneAnother(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Rounds{Start: rapid.Int64Range(0, 1e10).Draw(t, "start"), Length: rapid.Int64Range(0, 100_000).Draw(t, "length")}
		round, phase, next := r.At(r.Start - 1)
		if phase != Before || next != r.Start {
			t.Fatalf("before the start: round %d, %v until %d", round, phase, next)
		}
		at := r.Start + rapid.Int64Range(0, 1e9).Draw(t, "time")
		round, phase, next = r.At(at)
		if begins := r.Begins(round, phase); begins > at || next <= at {
			t.Fatalf("%d is in %v of round %d, from %d until %d", at, phase, round, begins, next)
		}
		if _, before, _ := r.At(next - 1); before != phase {
			t.Fatalf("%v ends before %d", phase, next)
		}
		wantRound, wantPhase := round, phase+1
		if phase == Judge {
			wantRound, wantPhase = round+1, Commit
		}
		if gotRound, gotPhase, _ := r.At(next); gotRound != wantRound || gotPhase != wantPhase || r.Begins(wantRound, wantPhase) != next {
			t.Fatalf("after %v of round %d comes %v of %d", phase, round, gotPhase, gotRound)
		}
		due := r.Due(round, phase, swarm.MemberID(rapid.String().Draw(t, "member")))
		if dueRound, duePhase, _ := r.At(due); dueRound != round || duePhase != phase {
			t.Fatalf("due in %v of round %d instead of %v of %d", duePhase, dueRound, phase, round)
		}
	})
}
