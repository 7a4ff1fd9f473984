package mount

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"bazil.org/fuse"
	"golang.org/x/sys/unix"
)

func extendedChildren() map[string]childFunc {
	return map[string]childFunc{"plainFS": childPlainFS}
}

// TestNotExtended: of a file system that is not Extended the kernel does what it
// can without it, each time anew.
func TestNotExtended(t *testing.T) { do(t, "plainFS", mountMem(t, Options{}).Dir()) }

func childPlainFS(args []string) error {
	var c checks
	a, b := filepath.Join(args[0], "a"), filepath.Join(args[0], "b")
	c.ok(os.WriteFile(a, []byte("some bytes"), 0o600), "write")
	for range 2 {
		c.fails(unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b+"2", unix.RENAME_NOREPLACE), syscall.EINVAL, "rename with a flag")
		_, err := unix.Open(args[0], unix.O_TMPFILE|unix.O_RDWR, 0o600)
		c.fails(err, syscall.EOPNOTSUPP, "O_TMPFILE")
		from, err := os.Open(a)
		if err != nil {
			return err
		}
		at, err := unix.Seek(int(from.Fd()), 3, unix.SEEK_HOLE)
		c.ok(err, "SEEK_HOLE")
		c.equal(at, 10, "the only hole is the end")
		to, err := os.Create(b)
		if err != nil {
			return err
		}
		n, err := unix.CopyFileRange(int(from.Fd()), new(int64), int(to.Fd()), nil, 100, 0)
		c.ok(err, "copy_file_range")
		c.equal(n, 10, "bytes copied")
		c.ok(from.Close(), "close")
		c.ok(to.Close(), "close")
	}
	return c.err()
}

// TestBodyOf: a request that holds no message has no body, and is no panic.
func TestBodyOf(t *testing.T) {
	if b, ok := bodyOf(&fuse.Header{}); ok {
		t.Errorf("the body of nothing is %d bytes", len(b))
	}
}

// TestShortBodies: what the kernel would never send is refused.
func TestShortBodies(t *testing.T) {
	s := &Server{}
	for n := range 24 {
		body := make([]byte, n)
		c := &call{s: s}
		if n < 16 {
			if err := s.rename2(c, body); err == nil {
				t.Errorf("rename2 of %d bytes", n)
			}
			if err := s.tmpfile(c, body); err == nil {
				t.Errorf("tmpfile of %d bytes", n)
			}
		}
		if err := s.lseek(c, body); err == nil {
			t.Errorf("lseek of %d bytes", n)
		}
		if err := s.copyRange(c, body, true); err == nil {
			t.Errorf("copyRange of %d bytes", n)
		}
	}
	for _, names := range []string{"", "a", "a\x00", "a\x00b", "a\x00b\x00c\x00", "a\x00b\x00c"} {
		if err := s.rename2(&call{s: s}, append(make([]byte, 16), names...)); err == nil {
			t.Errorf("rename2 with the names %q", names)
		}
	}
}
