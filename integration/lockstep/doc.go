// Package lockstep carries out file system calls on two directories at once
// and tells what came of each, so that a mount can be compared with a
// directory that is known to be right.
//
// Terms:
//
//	actor    a process with a user, a umask and open files of its own
//	side     one of the two directories, and what an actor has open there
//	step     one call of one actor, on both sides
//	slot     the number that an open file has in steps
//	outcome  what a step did on one side: what the call returned and how
//	         the files it names look before and after, without what may
//	         differ between two file systems that are both right
package lockstep
