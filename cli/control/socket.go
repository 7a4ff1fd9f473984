package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// maxSocketPath is what fits into sockaddr_un with its terminating zero.
const maxSocketPath = 107

// short calls fn with a name of path that fits into a socket address: path
// itself, or one through the open folder for homes that lie deep.
func short(path string, fn func(string) error) error {
	if len(path) <= maxSocketPath {
		return fn(path)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return fn(fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)))
}

func listenUnix(path string) (lis *net.UnixListener, err error) {
	err = short(path, func(p string) error {
		lis, err = net.ListenUnix("unix", &net.UnixAddr{Name: p, Net: "unix"})
		return err
	})
	return lis, err
}

func dialUnix(ctx context.Context, path string) (c net.Conn, err error) {
	var d net.Dialer
	err = short(path, func(p string) error {
		c, err = d.DialContext(ctx, "unix", p)
		return err
	})
	return c, err
}

// ownerOnly drops connections of other users: root's excepted, a home has
// one owner.
type ownerOnly struct{ *net.UnixListener }

var _ net.Listener = (*ownerOnly)(nil)

// Accept returns the next connection of the owner or of root.
func (l *ownerOnly) Accept() (net.Conn, error) {
	for {
		c, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		uid, err := peerUID(c)
		if err == nil && (uid == os.Geteuid() || uid == 0) {
			return c, nil
		}
		c.Close()
	}
}

func peerUID(c *net.UnixConn) (int, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, fmt.Errorf("read peer credentials: %w", err)
	}
	var cred *unix.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err := errors.Join(err, credErr); err != nil {
		return 0, fmt.Errorf("read peer credentials: %w", err)
	}
	return int(cred.Uid), nil
}
