// Package member says who belongs to a swarm, and keeps that durably.
//
//	genesis     what a swarm is: its name, founder, parameters; hashed, never changed
//	swarm id    the hash of the genesis
//	founder     the Ed25519 key that signs who belongs; not the identity of a node
//	entry       what a member says of itself: where it is, what it offers; signed by it
//	principal   a member of capacity zero: it uses the swarm and stores nothing
//	record      all entries of one epoch, under a header that the founder signed
//	epoch       the number of a record: one more with every change
//	change      what a record can be extended by: join, update, leave, remove
//	ticket      the founder's word that whoever has a one-time key may join
//	invitation  a string with all that a newcomer needs: genesis, scope secret,
//	            addresses, ticket and its key
//	register    the founder's own notes: which tickets were used, and who is gone
//	book        the files of all that in one folder, and the newest record
//	evidence    two headers by the founder that contradict each other
//
// Directory is what the rest of the swarm knows of this: the current record,
// a signal when there is a newer one, and a way to ask for a change. A Book is
// its first implementation: the founder's key alone extends the record, and
// members pass the newest one on (Gossip decides to whom).
//
// The founder is trusted with who belongs. Whoever has its key can shut
// members out, let anybody in, and tell different members different things,
// for which there is evidence afterwards; it cannot speak for a member, read
// anything, or alter what is stored. Whoever has a member's key can speak for
// that member until the founder removes it.
//
// Nothing here knows sockets, and time is an argument. The bytes are in
// FORMAT.md.
package member
