// Package home keeps the folder that holds everything πFS knows on a machine.
//
//	H/config.json    stores, ladder, cache size: what the home was created with
//	H/keys/keyring   the secret keys, in the clear (0600) or under a passphrase
//	H/keys/keyring.copy, H/config.json.copy
//	                 second copies, from which a damaged file is put right
//	H/keys/moved     names the file that holds the keyring instead
//	H/keys/genesis   the secret of the swarm scope, to copy to other homes
//	H/stores/0…4     shard stores, unless others were named
//	H/cache          block cache
//	H/volumes/NAME   a volume's metadata, journal and heads
//	H/node           identity, configuration and shards of the node of this home
//	H/swarm          what the home knows of its swarm: package member
//	H/log            what the daemon says
//	H/daemon.sock    where it listens
//	H/lock           held by the one process that uses the home
//
// A home belongs to one user and has mode 0700. The keyring is trusted with
// everything: whoever reads it can read and sign for every volume of the
// home. Whoever reads the rest of a home sees sizes and times of blocks, the
// names of volumes, and nothing of what is in them.
package home
