package swarm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"pifs/blockstore"
)

func candidates(weights ...uint32) []Candidate {
	var out []Candidate
	for i, w := range weights {
		out = append(out, NewCandidate(MemberID(fmt.Sprintf("member-%d", i)), w))
	}
	return out
}

func addressOf(i int) blockstore.Address {
	return blockstore.AddressOf(fmt.Appendf(nil, "block %d", i))
}

func drawCandidates(t *rapid.T) []Candidate {
	return candidates(rapid.SliceOfN(rapid.Uint32Range(0, 1000), 1, 40).Draw(t, "weights")...)
}

func TestPlaceIsAnOrderOfDistinctMembers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		members := drawCandidates(t)
		n := rapid.IntRange(0, 45).Draw(t, "n")
		addr := addressOf(rapid.Int().Draw(t, "block"))
		got := Place(addr, members, n)
		able := 0
		for _, m := range members {
			if m.Weight > 0 {
				able++
			}
		}
		if len(got) != min(n, able) {
			t.Fatalf("%d places of %d for %d members", len(got), n, able)
		}
		for i, m := range got {
			if members[m].Weight == 0 || slices.Contains(got[:i], m) {
				t.Fatalf("places %v: member %d", got, m)
			}
		}
		if whole := Place(addr, members, len(members)); !slices.Equal(whole[:len(got)], got) {
			t.Fatal("fewer places are not the first of more")
		}
	})
}

func TestPlaceDoesNotDependOnTheOrderOfMembers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		members := drawCandidates(t)
		addr := addressOf(rapid.Int().Draw(t, "block"))
		shuffled := rapid.Permutation(members).Draw(t, "shuffled")
		a, b := Place(addr, members, 10), Place(addr, shuffled, 10)
		for i := range a {
			if members[a[i]] != shuffled[b[i]] {
				t.Fatalf("place %d differs", i)
			}
		}
	})
}

// Without a member, the others keep their order: only its shards move.
func TestPlaceMovesAsLittleAsItCan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		members := drawCandidates(t)
		addr := addressOf(rapid.Int().Draw(t, "block"))
		gone := rapid.IntRange(0, len(members)-1).Draw(t, "gone")
		want := slices.DeleteFunc(Place(addr, members, len(members)), func(m int) bool { return m == gone })
		var got []int
		for _, m := range Place(addr, slices.Delete(slices.Clone(members), gone, gone+1), len(members)) {
			if m >= gone {
				m++
			}
			got = append(got, m)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("without %d: %v, want %v", gone, got, want)
		}
	})
}

// The first place falls to each member in proportion to its weight, within
// five standard deviations.
func TestPlaceIsBalanced(t *testing.T) {
	const blocks = 40_000
	for _, weights := range [][]uint32{{1, 1, 1, 1, 1}, {1, 2, 3, 10}, {1000, 1000, 1, 500}} {
		members, sum := candidates(weights...), 0.0
		for _, w := range weights {
			sum += float64(w)
		}
		hits := make([]float64, len(members))
		for i := range blocks {
			hits[Place(addressOf(i), members, 1)[0]]++
		}
		for i, w := range weights {
			p := float64(w) / sum
			mean, dev := blocks*p, math.Sqrt(blocks*p*(1-p))
			if math.Abs(hits[i]-mean) > 5*dev {
				t.Errorf("weights %v: member %d got %v of %d blocks, want %.0f ± %.0f", weights, i, hits[i], blocks, mean, dev)
			}
		}
	}
}

func TestNegLog2(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 20_000 {
		x := rng.Uint64() >> rng.IntN(64)
		got := float64(negLog2(x)) / (1 << logFraction)
		want := 64 - math.Log2(float64(x)+1)
		if math.Abs(got-want) > 1e-9 {
			t.Fatalf("negLog2(%d) = %v, want %v", x, got, want)
		}
		if y := rng.Uint64() >> rng.IntN(64); (x < y) && negLog2(x) < negLog2(y) {
			t.Fatalf("negLog2 rises from %d to %d", x, y)
		}
	}
	if negLog2(0) != 64<<logFraction || negLog2(math.MaxUint64) != 0 {
		t.Error("wrong at the ends")
	}
}

// Where stripes are must never change: these were computed by the first
// version.
func TestPlaceGolden(t *testing.T) {
	even, uneven := candidates(1, 1, 1, 1, 1), candidates(1, 5, 2, 9, 3, 3, 7)
	var got []string
	for i := range 3 {
		got = append(got, fmt.Sprint(Place(addressOf(i), even, 5), Place(addressOf(i), uneven, 7)))
	}
	want := []string{
		"[4 0 3 1 2] [3 6 4 5 0 1 2]",
		"[3 4 1 0 2] [3 6 4 1 5 0 2]",
		"[0 3 4 1 2] [3 6 5 0 1 4 2]",
	}
	if !slices.Equal(got, want) {
		t.Errorf("places %q, want %q", got, want)
	}
}
