// Package swarmtest has what tests of a swarm are made of: honest nodes, and
// those that are not.
//
//	shelf     an honest node that holds its shards in memory
//	intruder  somebody who opens streams and sends what no member would
//	liar      a member that answers requests as it likes
//
// The adversaries speak libp2p without the limits of package peer, so what they
// do is bounded by nobody but their victim.
package swarmtest
