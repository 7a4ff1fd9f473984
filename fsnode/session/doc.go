// Package session is the memory of a mount that outlives the daemon: a memfd
// that another process keeps open, so that a new daemon can go on exactly
// where one that was killed stopped. It does not outlive the machine, and what
// is durable does not depend on it.
//
//	log      the operations that were acknowledged, as records; a ring
//	head     the position after the newest record; the log is valid up to it
//	tail     the position before which nothing is needed any more
//	barrier  a change that is not in the log ended here: a log can be replayed
//	         only upon a state that contains it
//	slot     the last request that one goroutine of a daemon has applied, and
//	         the inode that came of it: each slot belongs to one goroutine of
//	         one daemon, which answers a request before it applies the next
//	table    a few bytes that are replaced as a whole: the locks
//
// A record counts once head was moved behind it, by one aligned store: whatever
// instruction a SIGKILL hits, what is left is the log up to some operation.
//
// Trust: the memory holds plaintext, as the daemon does. It has no name, and
// whoever may read the daemon's memory may read it.
package session
