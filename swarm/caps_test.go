package swarm

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"pifs/blockstore"
)

// TestCapsHold: in any swarm no operator and no jurisdiction has more shards of
// a stripe than its cap, unless that leaves shards without a place; each member
// has one at most; those that are not needed follow in their rank.
func TestCapsHold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := rapid.IntRange(1, 60).Draw(t, "nodes")
		operators, jurisdictions := rapid.IntRange(1, nodes).Draw(t, "operators"), rapid.IntRange(1, 12).Draw(t, "jurisdictions")
		class, err := blockstore.Phi.ClassFor(nodes)
		if err != nil {
			t.Fatal(err)
		}
		used := [2]map[uint32]bool{{}, {}}
		var members []Candidate
		for i := range nodes {
			c := NewCandidate(MemberID(fmt.Sprint(i)), 1+uint32(rapid.IntRange(0, 4).Draw(t, "weight")))
			c.Operator, c.Jurisdiction = 1+uint32(i%operators), 1+uint32(rapid.IntRange(0, jurisdictions-1).Draw(t, "where"))
			used[0][c.Operator], used[1][c.Jurisdiction] = true, true
			members = append(members, c)
		}
		caps, _ := CapsFor(class, len(used[0]), len(used[1]))
		addr := blockstore.Address{byte(rapid.IntRange(0, 255).Draw(t, "addr"))}
		rank := Place(addr, members, nodes)
		order := caps.Spread(rank, members, int(class.N))
		if sorted := slices.Sorted(slices.Values(order)); len(slices.Compact(sorted)) != nodes {
			t.Fatalf("%d of %d members, or one twice: %v", len(order), nodes, order)
		}
		var free []Candidate // that a shard beyond a cap could have had
		counts := [2]map[uint32]int{{}, {}}
		for _, m := range order[:class.N] {
			counts[0][members[m].Operator]++
			counts[1][members[m].Jurisdiction]++
		}
		for _, m := range order[class.N:] {
			if counts[0][members[m].Operator] < caps.Operator && counts[1][members[m].Jurisdiction] < caps.Jurisdiction {
				free = append(free, members[m])
			}
		}
		for _, m := range order[:class.N] {
			c := members[m]
			if len(free) > 0 && (counts[0][c.Operator] > caps.Operator || counts[1][c.Jurisdiction] > caps.Jurisdiction) {
				t.Fatalf("caps %+v broken, %v, though members were free", caps, counts)
			}
		}
		if caps.Operator > class.Spare() && class.Spare() > 0 && len(used[0]) >= int(class.N) {
			t.Fatalf("class %v dies with one operator of %d", class, len(used[0]))
		}
	})
}

// TestJurisdictionMayGo: with three jurisdictions of which none has more than
// four of ten nodes, any of them may go.
func TestJurisdictionMayGo(t *testing.T) {
	class := blockstore.Class{K: 5, N: 8}
	var members []Candidate
	for i := range 10 {
		c := NewCandidate(MemberID(fmt.Sprint(i)), 20)
		c.Operator, c.Jurisdiction = uint32(i+1), uint32(i%3+1)
		members = append(members, c)
	}
	caps, tight := CapsFor(class, 10, 3)
	if tight {
		t.Error("three jurisdictions are said to be enough")
	}
	for i := range 2000 {
		addr, _ := blockOf(i, 20)
		counts := map[uint32]int{}
		for _, m := range caps.Spread(Place(addr, members, 10), members, 8)[:8] {
			counts[members[m].Jurisdiction]++
		}
		for j, n := range counts {
			if n > class.Spare() {
				t.Fatalf("jurisdiction %d has %d shards of a stripe", j, n)
			}
		}
	}
}

// TestFoldersAreNotSpread: members without operators are ranked as ever.
func TestFoldersAreNotSpread(t *testing.T) {
	caps, _ := CapsFor(blockstore.Class{K: 3, N: 5}, 0, 0)
	if order := []int{3, 1, 2, 0}; !slices.Equal(caps.Spread(order, make([]Candidate, 4), 2), order) {
		t.Error("reordered")
	}
}
