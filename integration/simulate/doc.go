// Command simulate runs the decisions of a swarm, unchanged, through years of
// virtual time: placement of package swarm; repair, turns, queues, budgets and
// rounds of package swarm/decide. One thread, one seed, one outcome.
//
//	node     a member with an operator and a jurisdiction; it lives for an exponential time, is
//	         away now and then, and may lie: delete a part of its shards and answer on
//	stripe   stands for a bundle of stripes with one fate; its bytes are the swarm's divided by their number
//	round    nodes prove what they hold; a share of answers is lost; who deleted a part α is caught
//	         with probability 1−(1−α)^q
//	dark     a jurisdiction whose nodes do not answer for a while, or that is gone for good
//	lost     a stripe of which fewer than k shards exist; a new one takes its place
//
// The figures are compared with a Markov model of one stripe (model.go).
package main
