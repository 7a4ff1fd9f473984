// Package decide has the swarm's decisions: whether a stripe is to be repaired,
// by whom, to where and after which others; which class new stripes get; when
// a round of proofs commits, challenges and judges; what failure the placement
// of all stripes would survive.
//
//	proved     a shard whose holder passed a proof over it not long ago
//	margin     proved shards of a stripe beyond the k that rebuild it
//	plan       what to do about a stripe: how urgent, and which shard goes where
//	bad        a shard that is missing, not proved, wrong, or beyond a cap
//	cap        how many shards of a stripe one operator or jurisdiction may hold
//	turn       whose task a stripe is: the first live holder in rendezvous order
//	rung       a class and the number of domains that it takes
//
// All of it is pure: arguments in, decisions out. Time is an argument, always
// Unix seconds unless said otherwise. There is no clock, socket, goroutine or
// random number here, so that integration/simulate runs the same decisions
// through years in seconds.
package decide
