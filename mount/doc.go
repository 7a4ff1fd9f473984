// Package mount serves one FUSE mount from a file system.
//
//	kernel ──▶ reader ──▶ handler ──▶ FS ──▶ reply
//	             │           │ would block
//	             │           ▼
//	             │        lane: a queue and a few workers ──▶ FS ──▶ reply
//	             ▼
//	          INTERRUPT, FORGET, locks: answered from the server's own tables
//
// Terms:
//
//	request   what the kernel asks, known by a number that never comes again
//	call      a request while it is served; it is answered exactly once
//	reader    a goroutine that reads requests and answers them from memory
//	lane      a queue of calls that wait for a disk, a node or memory, with a
//	          bounded number of workers; one for reading, one for writing, one
//	          for what waits for the kernel
//	watchdog  answers EIO for a call that outlives the deadline, and says so
//
// Requests are read and parsed by bazil.org/fuse, but for a few that it does not
// know (see extended.go). Replies are written by this
// package straight to the library's device (see device.go): the library's own
// encoder drops the sticky bit, mangles times outside 1678–2262 and copies
// every read into a fresh buffer.
//
// A panic in a handler is logged with its request and its stack, and ends the
// process.
//
// Trust: the kernel is trusted with permissions (default_permissions is always
// set) and with the order of operations on one inode. Processes that use the
// mount are not trusted: names, sizes and offsets are checked or bounded here.
package mount
