package mount

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
	"testing"

	"pifs/blockstore"
	"pifs/fsnode"
)

func TestErrno(t *testing.T) {
	for _, c := range []struct {
		err  error
		want syscall.Errno
	}{
		{nil, 0},
		{syscall.ENOTEMPTY, syscall.ENOTEMPTY},
		{fmt.Errorf("remove x: %w", syscall.ENODATA), syscall.ENODATA},
		{fmt.Errorf("read: %w", context.Canceled), syscall.EINTR},
		{context.DeadlineExceeded, syscall.EIO},
		{fsnode.ErrWouldBlock, syscall.EIO},
		{fmt.Errorf("read: %w", blockstore.ErrLost), syscall.EIO},
		{fmt.Errorf("read: %w", errors.Join(blockstore.ErrCorrupt, syscall.ENOENT)), syscall.EIO},
		{blockstore.ErrFormat, syscall.EIO},
		{blockstore.ErrNotFound, syscall.EIO},
		{blockstore.ErrClosed, syscall.EIO},
		{blockstore.ErrTooLarge, syscall.EFBIG},
		{errors.New("anything"), syscall.EIO},
		{&fs.PathError{Op: "open", Path: "H/journal/7", Err: syscall.ENOENT}, syscall.EIO},
		{fmt.Errorf("append: %w", &fs.PathError{Op: "write", Path: "H/journal/7", Err: syscall.ENOSPC}), syscall.ENOSPC},
		{&os.LinkError{Op: "rename", Err: syscall.EDQUOT}, syscall.EDQUOT},
		{os.NewSyscallError("mmap", syscall.EACCES), syscall.EIO},
		{&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, syscall.EIO},
	} {
		if got := errnoOf(c.err); got != c.want {
			t.Errorf("%v: %v, want %v", c.err, got, c.want)
		}
	}
}
