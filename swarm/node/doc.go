// Package node keeps shards for the members of a swarm, on this machine's disks.
// It knows no sockets: package peer serves it.
//
//	shard      bytes under their hash; in a pack store
//	stripe     the descriptor that came with a shard: who checks or repairs needs it
//	principal  a member for whom shards are kept
//	claim      a principal's word that it wants a shard kept: by putting it, or by
//	           showing that it has it; several may claim one
//	receipt    our signed word that claimed shards are on the disk
//	keep-set   a principal's list of all that it wants kept, as a Bloom filter
//	lease      how long a claim holds without a keep-set that renews it
//	trash      shards that nobody claims any more, until they are deleted
//
// A shard goes only when every principal that ever claimed it gave it up, or let
// two keep-sets in a row leave it out and the lease and the grace run out; then
// it lies in the trash. Each deletion is in the journal.
//
// A principal is trusted with its own claims. Whoever has its key can give them
// up, and cannot touch a shard that somebody else claims.
package node
