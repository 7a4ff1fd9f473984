package decide

// Lease has the periods by which shards that nobody wants any more are deleted,
// in seconds.
type Lease struct {
	Lease int64 // how long a claim holds without being renewed
	Grace int64 // how much longer the shard stays
	Trash int64 // how long it can be brought back then
}

// Claimed is what a node knows of one principal's claim to one shard.
type Claimed struct {
	At   int64     // when it was put, claimed or last renewed
	Sets []KeepSet // the two latest of the principal, or fewer
}

// KeepSet is a keep-set as far as one shard is concerned.
type KeepSet struct {
	Made  int64 // by the principal's clock
	Came  int64 // by the node's
	Names bool  // the shard
}

// Expired reports whether a claim has ended at a time: two keep-sets in a row,
// both of which came after the claim, leave the shard out, and lease and grace
// have run out since. A principal that says nothing loses nothing: whether it
// is gone for good is for those to say who take it out of the swarm.
func (p Lease) Expired(c Claimed, now int64) bool {
	if len(c.Sets) < 2 || now < c.At+p.Lease+p.Grace {
		return false
	}
	for _, s := range c.Sets {
		if s.Names || min(s.Made, s.Came) <= c.At {
			return false
		}
	}
	return true
}

// Advance returns what a node takes the time for, which goes on from what it
// took it for before: a clock that jumps ahead, or back, moves it by at most
// step, so that nothing runs out in a moment.
func Advance(before, clock, step int64) int64 {
	if before == 0 {
		return clock
	}
	return min(max(before, clock), before+step)
}
