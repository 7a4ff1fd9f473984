// Package fsnode is the file tree: inodes, directories and file contents of
// one volume, answered from memory, written behind into SQLite, and committed
// to a Merkle tree of blocks.
//
//	inode     a file, directory, symlink, device, fifo or socket, by number
//	dirent    a name in a directory; its cookie is a keyed hash of the name
//	record    what SQLite keeps of an inode, sealed
//	fresh     bytes that were written and are not in blocks yet
//	extent    a run of a file's bytes that one block holds
//	flush     turns fresh bytes into blocks: chunk, seal, stripe
//	save      makes memory's state durable in SQLite and the journal
//	commit    makes the state at one moment a head: trees, manifest, signature
//	touched   the names whose entry in the Merkle tree is older than memory
//	companion what the Merkle tree leaves out because it is particular to one
//	          volume: inode numbers, ctime, atime
//
// One mutex guards memory; nothing that waits for a disk or a node is done
// under it but point reads of SQLite. A save takes the state under the mutex
// at one moment and writes it in one transaction, after the bytes that it
// names are durable: so what a crash leaves is a prefix of the operations.
package fsnode
