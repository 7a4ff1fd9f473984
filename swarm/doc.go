// Package swarm decides which stores hold the shards of a stripe, and puts,
// gets, checks and repairs them.
//
//	member      a store with an identity; here a folder, elsewhere a machine
//	member id   the peer id of the member's Ed25519 identity
//	placement   the members of a stripe in order, computed from its address:
//	            shard i belongs to the i-th; never looked up, never recorded
//	home        the member that a shard belongs to
//	spare       a member after the n-th: it takes a shard whose home cannot
//	quorum      shards on distinct members that make a stripe count as safe
//	reachable   a member that answers; its folder may be on a disk that is away
//	head        a signed record of a volume's tree: one entry of its history
//	chain       the heads of a volume on this machine, each naming the one before
//
// Members are local folders at this stage. They stand behind the same
// blockstore.Store interface that remote machines will.
//
// A member is trusted with keeping bytes and with nothing else: every shard is
// checked against its id and every block against its address. Whoever controls
// a member can withhold the shards it holds, and cannot alter a block, read
// one, or make a lost shard pass for a held one when it is read.
//
// The bytes of identities and chains are in FORMAT.md.
package swarm
