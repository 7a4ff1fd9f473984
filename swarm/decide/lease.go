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

// Steady is what a node takes the time for. It never goes back, and never runs
// ahead of time itself but for what a start adds, so that no clock that jumps,
// however far and often, makes a lease run out early. The zero Steady has not
// begun.
type Steady struct {
	Now  int64 // Unix seconds, or less: what a node was away for counts at most MaxAway each time
	Wall int64 // the latest time that the clock ever showed
}

// MaxAway is the most, in seconds, that a node believes to have been away for.
const MaxAway = 24 * 3600

// Start takes the time up again when a node starts and its clock shows wall. A
// clock that flaps counts once.
func (s Steady) Start(wall int64) Steady {
	if s.Wall == 0 {
		return Steady{Now: wall, Wall: wall}
	}
	s.Now += min(max(wall-s.Wall, 0), MaxAway)
	return Steady{Now: s.Now, Wall: max(s.Wall, wall)}
}

// Advance lets seconds pass that were measured by a clock that nobody sets, after
// which the other one shows wall.
func (s Steady) Advance(seconds, wall int64) Steady {
	return Steady{Now: s.Now + max(seconds, 0), Wall: max(s.Wall, wall)}
}
