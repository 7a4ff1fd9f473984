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

// Endangered counts the stripes that are to be repaired.
func (v *Survey) Endangered() (sum int) {
	for u, count := range v.ByUrgency {
		if Urgency(u).Due() {
			sum += count
		}
	}
	return sum
}

// Fate is how a stripe is, and what failure it would survive: any so many
// nodes, operators or jurisdictions at once, or −1 if fewer than k shards are
// proved as it is.
type Fate struct {
	Urgency                  Urgency
	Nodes, Operators, Places int16
}

// Fate judges a stripe of which shards are proved at the time now.
func (p Policy) Fate(c blockstore.Class, shards []Shard, nodes []Node, now int64) Fate {
	u, proved := p.Glance(c, shards, now)
	byNode, byOperator, byPlace := make(map[int]int), make(map[string]int), make(map[string]int)
	for _, s := range shards {
		if p.proved(s, now) {
			byNode[s.Holder]++
			byOperator[nodes[s.Holder].Operator]++
			byPlace[nodes[s.Holder].Jurisdiction]++
		}
	}
	spare := proved - int(c.K)
	return Fate{Urgency: u, Nodes: survived(byNode, spare), Operators: survived(byOperator, spare), Places: survived(byPlace, spare)}
}

// Add counts a stripe.
func (v *Survey) Add(addr blockstore.Address, f Fate) {
	v.ByUrgency[f.Urgency]++
	v.Stripes++
	if v.Stripes == 1 || int(f.Nodes) < v.Nodes {
		v.Nodes, v.Weakest = int(f.Nodes), addr
	}
	if v.Stripes == 1 {
		v.Operators, v.Places = int(f.Operators), int(f.Places)
		return
	}
	v.Operators, v.Places = min(v.Operators, int(f.Operators)), min(v.Places, int(f.Places))
}

// survived returns how many of the domains, whichever they are, may fail at
// once if no more than spare shards may be lost: as many of the largest as have
// no more together. It is −1 if spare is negative.
func survived[K comparable](shards map[K]int, spare int) int16 {
	if spare < 0 {
		return -1
	}
	sizes := make([]int, 0, len(shards))
	for _, n := range shards {
		sizes = append(sizes, n)
	}
	slices.Sort(sizes)
	count := int16(0)
	for _, n := range slices.Backward(sizes) {
		if spare -= n; spare < 0 {
			return count
		}
		count++
	}
	return count
}
