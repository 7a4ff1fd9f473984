// Package hold lets mounts outlive the daemon that serves them. A small
// process, the holder, is the daemon's parent:
//
//	pifs mount ──starts──▶ holder ──starts──▶ daemon
//	                          ▲                  │
//	                          └──── socket ──────┘  keep, drop, serving, end
//
//	item    descriptors with a name and a note that only daemons understand:
//	        the lock of the home, and for each mount /dev/fuse and its session
//	link    the daemon's end of the socket
//
// When a daemon dies that has mounts, the holder starts the program again and
// hands it the items. As long as nobody answers, the kernel lets the callers
// wait. When daemons keep dying the holder gives up, and closes everything:
// the callers then see an error rather than wait for ever.
//
// Trust: the holder is trusted with what the daemon is; it has its passphrase,
// and the memory of its sessions.
package hold
