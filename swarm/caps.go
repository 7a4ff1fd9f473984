package swarm

import "pifs/blockstore"

// Caps bound how many shards of one stripe one operator, and one jurisdiction,
// may hold: what goes at one moment with either.
type Caps struct {
	Operator     int // 0: no bound
	Jurisdiction int // 0: no bound
}

// CapsFor returns the caps of a class in a swarm of so many operators and
// jurisdictions. An operator holds 3 of 34 shards, fewer of fewer, and never so
// many that a stripe is lost with it; a jurisdiction a quarter. Where there are
// too few of them for that the shards are spread evenly, which is the best there
// is: tight says whether it is enough.
func CapsFor(c blockstore.Class, operators, jurisdictions int) (caps Caps, tight bool) {
	n, spare := int(c.N), c.Spare()
	tight = true
	bound := func(want, groups int) int {
		if groups == 0 {
			return 0
		}
		if want*groups < n {
			want, tight = (n+groups-1)/groups, false
		}
		return want
	}
	caps.Operator = bound(max(1, min((3*n+17)/34, spare)), operators)
	caps.Jurisdiction = bound(max(1, n/4), jurisdictions)
	return caps, tight
}

// Spread reorders members, as Place ranks them, so that the first n keep the
// caps: each place goes to the next that may have it. If there are too few of
// those, the caps of jurisdictions are widened one by one, and then those of
// operators. The others follow as they were ranked. Members without an operator,
// or jurisdiction, are of one of their own each.
func (caps Caps) Spread(order []int, members []Candidate, n int) []int {
	if caps == (Caps{}) || n >= len(order) {
		return order
	}
	out := make([]int, 0, len(order))
	taken := make([]bool, len(members))
	operators, jurisdictions := map[uint32]int{}, map[uint32]int{}
	may := func(group uint32, counts map[uint32]int, cap int) bool {
		return group == 0 || cap == 0 || counts[group] < cap
	}
	for len(out) < n {
		before := len(out)
		for _, m := range order {
			c := members[m]
			if len(out) == n || taken[m] || !may(c.Operator, operators, caps.Operator) || !may(c.Jurisdiction, jurisdictions, caps.Jurisdiction) {
				continue
			}
			taken[m] = true
			operators[c.Operator]++
			jurisdictions[c.Jurisdiction]++
			out = append(out, m)
		}
		switch {
		case len(out) > before:
		case caps.Jurisdiction > 0 && caps.Jurisdiction < n:
			caps.Jurisdiction++
		default:
			caps.Jurisdiction = 0
			caps.Operator++
		}
	}
	for _, m := range order {
		if !taken[m] {
			out = append(out, m)
		}
	}
	return out
}
