package decide

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"pifs/blockstore"
)

// TestSurveyAgainstEveryFailure kills every set of nodes, operators and
// jurisdictions of a small swarm, and counts what is left of every stripe.
func TestSurveyAgainstEveryFailure(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		class := rapid.SampledFrom([]blockstore.Class{{K: 1, N: 1}, {K: 1, N: 2}, {K: 2, N: 3}, {K: 3, N: 5}, {K: 5, N: 8}}).Draw(t, "class")
		members := rapid.IntRange(1, 10).Draw(t, "members")
		var nodes []Node
		for range members {
			nodes = append(nodes, Node{Operator: fmt.Sprint(rapid.IntRange(0, 5).Draw(t, "operator")),
				Jurisdiction: fmt.Sprint(rapid.IntRange(0, 3).Draw(t, "jurisdiction")), Live: true})
		}
		policy := Policy{MaxAge: 100}
		var stripes [][]Shard
		var v Survey
		for i := range rapid.IntRange(1, 4).Draw(t, "stripes") {
			var shards []Shard
			for range class.N {
				shards = append(shards, Shard{Holder: rapid.IntRange(0, members-1).Draw(t, "holder"), Proved: now - rapid.SampledFrom([]int64{0, 0, 0, 101}).Draw(t, "age")})
			}
			stripes = append(stripes, shards)
			v.Add(blockstore.Address{byte(i)}, policy.Fate(class, shards, nodes, now))
		}
		if v.Stripes != len(stripes) {
			t.Fatalf("%d stripes seen of %d", v.Stripes, len(stripes))
		}
		byNode := func(m int) string { return fmt.Sprint(m) }
		byOperator := func(m int) string { return nodes[m].Operator }
		byPlace := func(m int) string { return nodes[m].Jurisdiction }
		for _, c := range []struct {
			what   string
			got    int
			domain func(int) string
		}{{"nodes", v.Nodes, byNode}, {"operators", v.Operators, byOperator}, {"jurisdictions", v.Places, byPlace}} {
			if want := bruteForce(stripes, int(class.K), members, c.domain); c.got != want {
				t.Fatalf("any %d %s, want %d", c.got, c.what, want)
			}
		}
	})
}

// bruteForce returns the largest x such that no set of x domains costs a stripe.
func bruteForce(stripes [][]Shard, k, members int, domain func(int) string) int {
	index := make(map[string]int)
	for m := range members {
		if _, ok := index[domain(m)]; !ok {
			index[domain(m)] = len(index)
		}
	}
	least := len(index) + 1 // the smallest set of domains that costs something
	for set := range 1 << len(index) {
		for _, shards := range stripes {
			left, size := 0, 0
			for _, s := range shards {
				if now-s.Proved <= 100 && set&(1<<index[domain(s.Holder)]) == 0 {
					left++
				}
			}
			for b := range len(index) {
				size += set >> b & 1
			}
			if left < k {
				least = min(least, size)
			}
		}
	}
	return least - 1
}
