package mount

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"sync"

	"bazil.org/fuse"
	"golang.org/x/sys/unix"
)

// device is where replies are written. It holds a descriptor of its own, so
// that a late reply can not reach another file after the connection closed.
type device struct {
	mu     sync.RWMutex // held for reading while fd is used
	fd     int
	closed bool
}

// deviceOf finds the connection's /dev/fuse. The library keeps it private;
// its version is pinned, and every test of this package would fail if a later
// one kept it elsewhere.
func deviceOf(conn *fuse.Conn) (*device, error) {
	field := reflect.ValueOf(conn).Elem().FieldByName("dev")
	if !field.IsValid() || field.Type() != reflect.TypeFor[*os.File]() || field.IsNil() {
		return nil, errors.New("find the fuse device: the library keeps it elsewhere")
	}
	file := (*os.File)(field.UnsafePointer())
	fd, err := dupOf(int(file.Fd()))
	if err != nil {
		return nil, err
	}
	return &device{fd: fd}, nil
}

func dupOf(fd int) (int, error) {
	fd, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("duplicate the fuse device: %w", err)
	}
	return fd, nil
}

// dup returns another descriptor of the device.
func (d *device) dup() (int, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.closed {
		return 0, os.ErrClosed
	}
	return dupOf(d.fd)
}

// write sends one reply, made of head and data. ENOENT means that nobody waits
// for it any more.
func (d *device) write(head, data []byte) error {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.closed {
		return os.ErrClosed
	}
	for {
		var err error
		if len(data) == 0 {
			_, err = unix.Write(d.fd, head)
		} else {
			_, err = unix.Writev(d.fd, [][]byte{head, data})
		}
		if err != unix.EINTR {
			return err
		}
	}
}

func (d *device) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	d.closed = true
	return unix.Close(d.fd)
}

// recycle gives a request's buffer back to the library's pool. A forget is the
// request that is answered by just that.
func recycle(req fuse.Request) {
	f := fuse.ForgetRequest{Header: *req.Hdr()}
	f.Respond()
}
