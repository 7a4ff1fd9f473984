package decide

import (
	"slices"

	"pifs/blockstore"
)

// Survey finds out what failure a set of stripes would survive as they stand,
// without repair: the least over all stripes. The zero Survey
// has seen none, and says nothing.
type Survey struct {
	Stripes   int
	ByUrgency [Critical + 1]int
	Nodes     int                // any so many nodes may fail at once; −1 if fewer than k shards of a stripe are proved
	Operators int                // or any so many operators
	Places    int                // or any so many jurisdictions
	Weakest   blockstore.Address // a stripe of which Nodes is true
}

// Add counts a stripe, of which shards are proved at the time now.
func (v *Survey) Add(p Policy, addr blockstore.Address, c blockstore.Class, shards []Shard, nodes []Node, now int64) {
	u, proved := p.Glance(c, shards, now)
	v.ByUrgency[u]++
	byNode, byOperator, byPlace := make(map[int]int), make(map[string]int), make(map[string]int)
	for _, s := range shards {
		if p.proved(s, now) {
			byNode[s.Holder]++
			byOperator[nodes[s.Holder].Operator]++
			byPlace[nodes[s.Holder].Jurisdiction]++
		}
	}
	spare := proved - int(c.K)
	byNodes, byOperators, byPlaces := survived(byNode, spare), survived(byOperator, spare), survived(byPlace, spare)
	if v.Stripes++; v.Stripes == 1 {
		v.Nodes, v.Operators, v.Places, v.Weakest = byNodes, byOperators, byPlaces, addr
		return
	}
	if byNodes < v.Nodes {
		v.Nodes, v.Weakest = byNodes, addr
	}
	v.Operators, v.Places = min(v.Operators, byOperators), min(v.Places, byPlaces)
}

// survived returns how many of the domains, whichever they are, may fail at
// once if no more than spare shards may be lost: as many of the largest as have
// no more together. It is −1 if spare is negative.
func survived[K comparable](shards map[K]int, spare int) int {
	if spare < 0 {
		return -1
	}
	sizes := make([]int, 0, len(shards))
	for _, n := range shards {
		sizes = append(sizes, n)
	}
	slices.Sort(sizes)
	count := 0
	for _, n := range slices.Backward(sizes) {
		if spare -= n; spare < 0 {
			return count
		}
		count++
	}
	return count
}
