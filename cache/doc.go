// Package cache stands between a volume and the swarm: it keeps what was
// written until the swarm has it, and what was read so that it need not be
// fetched again.
//
//	fresh       bytes that were written to a file and are not blocks yet
//	journal     the sealed log on disk that fresh bytes go to on fsync
//	index       SQLite table from a block's address to its descriptor; what is
//	            in it has been stored, so that nothing is stored twice
//	memory tier plaintext of blocks that were read lately, within a limit
//	disk tier   sealed blocks that were costly to get, within a limit
//	pinned      a block that too few stores accepted: its bytes are kept here,
//	            in the outbox, and are never evicted
//	owed        a block that is safe but has fewer than n shards
//	outbox      the pinned blocks; a worker keeps offering them, and the owed
//	            ones, to the stores until their stripes are full
//	round       one Sync: shards first, then pinned blocks, then the index
//
// The order of a round is what makes the index trustworthy: a row on disk
// never names a block whose shards, or whose pinned bytes, might be lost by a
// crash. A crash may lose rows of blocks that were never synced; storing these
// again is harmless.
//
// The cache is trusted with plaintext in memory only. On disk it holds sealed
// blocks, addresses and shard ids, all of which the stores see as well:
// whoever reads its folder learns which blocks this home uses and not what is
// in them; whoever writes to it can make blocks unavailable, and cannot change
// what a reader gets, since every block is checked against its reference.
package cache
