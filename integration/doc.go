// Package integration tests the built program as its users meet it: real
// mounts, real daemons, real kill -9, real disks that are full.
//
//	drive     a home with a mount, thrown away after the test
//	child     a process that does I/O on a mount: the test itself never does,
//	          since a daemon that hangs would hang it too
//	job       what a child that is this test binary does, by name
//	campaign  many deaths of one drive's daemon, under the load of writers
//	diary     what a writer notes outside of the mount: steps begun and ended
//	judge     the child that compares what a death left with all that the
//	          diaries allow
//
// Every child has a deadline. A mount or daemon that is left at the end fails
// the run.
package integration
