package mount

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"syscall"

	"pifs/blockstore"
	"pifs/fsnode"
)

// errnoOf is the one table from errors to what an application sees. What it
// does not know is EIO.
func errnoOf(err error) syscall.Errno {
	var errno syscall.Errno
	switch {
	case err == nil:
		return 0
	case errors.Is(err, context.Canceled):
		return syscall.EINTR
	case errors.Is(err, context.DeadlineExceeded),
		errors.Is(err, fsnode.ErrWouldBlock), // after a call with wait=true
		errors.Is(err, blockstore.ErrLost),
		errors.Is(err, blockstore.ErrCorrupt),
		errors.Is(err, blockstore.ErrFormat),
		errors.Is(err, blockstore.ErrNotFound),
		errors.Is(err, blockstore.ErrClosed):
		return syscall.EIO
	case errors.Is(err, blockstore.ErrTooLarge):
		return syscall.EFBIG
	case !errors.As(err, &errno):
		return syscall.EIO
	case foreign(err):
		return ofBackend(errno)
	default:
		return errno
	}
}

// foreign reports whether err came from a call that the daemon itself made to
// its own files or peers: its errno does not speak of the application's file.
func foreign(err error) bool {
	var (
		path    *fs.PathError
		link    *os.LinkError
		sysCall *os.SyscallError
		network *net.OpError
	)
	return errors.As(err, &path) || errors.As(err, &link) || errors.As(err, &sysCall) || errors.As(err, &network)
}

// ofBackend keeps of a foreign errno only what an application can act upon.
func ofBackend(errno syscall.Errno) syscall.Errno {
	switch errno {
	case syscall.ENOSPC, syscall.EDQUOT:
		return errno
	default:
		return syscall.EIO
	}
}
