// Package repair has a node look after the stripes of which it holds a shard:
// it finds out who holds the others, and rebuilds what package decide says is
// to be rebuilt.
//
//	view      the members as this node knows them: who answers, and when each last passed a proof
//	pass      a look at every stripe that the node knows, once a round
//	locate    to ask members which shards of some stripes they hold
//	turn      the stripe is this node's task: of its live holders it is the first in rendezvous order
//	watch     a look although it is not the node's turn, in case that whose turn it is does nothing
//
// It needs no key: a descriptor is enough to verify every shard that comes in
// and goes out. A member that says it holds a shard is believed as long as it
// passes proofs over what it says it holds, and until it is asked to serve it.
// Memory is bounded by the page of stripes of a pass, the queue, and one
// stripe for each worker; bandwidth by the budget.
package repair
