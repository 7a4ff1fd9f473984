// Package proof shows that a node still has the shards that it was given, to
// anybody.
//
//	inventory    all shards of a node with their sizes, sorted by id
//	sum tree     a Merkle tree over an inventory: which way a shard lies is told by
//	             the bits of its id, so that none counts twice; nodes also count leaves
//	leaf         1 KiB of a shard: what a challenge asks for
//	root         what commits a node to its inventory, before the beacon is known
//	beacon       a value that nobody knew when the root was given
//	challenge    leaves all over the inventory, each chosen by the one before
//	answer       these leaves, with the paths from them to their shards' ids, and
//	             from the shards to the root
//
// A leaf is chosen uniformly over bytes, so that a node which lost the part α
// of what it holds fails a challenge of q leaves with probability 1−(1−α)^q.
// That each depends on the bytes of the one before keeps an answer from being
// prepared, or fetched all at once. What is shown is that the bytes could be had
// when they were asked for, not where they lie.
//
// All of it is pure. A verifier needs the root and the beacon, and trusts nobody.
package proof
