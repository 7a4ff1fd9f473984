package swarm

import (
	"slices"
	"testing"
)

// TestLikely: who gave its own shard is asked for another one last, and nobody is
// left out.
func TestLikely(t *testing.T) {
	some := []byte{1}
	for _, c := range []struct {
		shards  [][]byte
		members int
		want    []int
	}{
		{[][]byte{nil, some, nil, some}, 6, []int{0, 2, 4, 5, 1, 3}},
		{[][]byte{some, nil, some}, 2, []int{1, 0}},
		{[][]byte{nil, nil}, 3, []int{0, 1, 2}},
	} {
		if got := (&gathered{shards: c.shards}).likely(c.members); !slices.Equal(got, c.want) {
			t.Errorf("%v of %d members: %v, not %v", c.shards, c.members, got, c.want)
		}
	}
}
