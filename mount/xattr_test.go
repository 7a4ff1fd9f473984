package mount

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func xattrChildren() map[string]childFunc {
	return map[string]childFunc{"xattr": childXattr}
}

func TestXattr(t *testing.T) { do(t, "xattr", mountMem(t, Options{}).Dir()) }

func childXattr(args []string) error {
	var c checks
	p := filepath.Join(args[0], "f")
	c.ok(os.WriteFile(p, nil, 0o600), "write")
	_, err := unix.Getxattr(p, "user.a", nil)
	c.fails(err, syscall.ENODATA, "get what is not there")
	c.ok(unix.Setxattr(p, "user.a", []byte("value"), 0), "set")
	c.ok(unix.Setxattr(p, "user.empty", nil, 0), "set nothing")
	n, err := unix.Getxattr(p, "user.a", nil)
	c.ok(err, "probe")
	c.equal(n, 5, "probe")
	_, err = unix.Getxattr(p, "user.a", make([]byte, 4))
	c.fails(err, syscall.ERANGE, "too little room")
	buf := make([]byte, 100)
	n, err = unix.Getxattr(p, "user.a", buf)
	c.ok(err, "get")
	c.equal(string(buf[:n]), "value", "get")
	n, err = unix.Getxattr(p, "user.empty", buf)
	c.ok(err, "get nothing")
	c.equal(n, 0, "get nothing")
	n, err = unix.Listxattr(p, nil)
	c.ok(err, "probe the list")
	c.equal(n, 18, "probe the list")
	_, err = unix.Listxattr(p, make([]byte, 17))
	c.fails(err, syscall.ERANGE, "too little room for the list")
	n, err = unix.Listxattr(p, buf)
	c.ok(err, "list")
	c.equal(string(buf[:n]), "user.a\x00user.empty\x00", "list")
	c.fails(unix.Setxattr(p, "user.a", nil, unix.XATTR_CREATE), syscall.EEXIST, "XATTR_CREATE")
	c.fails(unix.Setxattr(p, "user.b", nil, unix.XATTR_REPLACE), syscall.ENODATA, "XATTR_REPLACE")
	c.ok(unix.Removexattr(p, "user.a"), "remove")
	c.fails(unix.Removexattr(p, "user.a"), syscall.ENODATA, "remove again")
	big := bytes.Repeat([]byte("b"), 64<<10)
	c.ok(unix.Setxattr(p, "user.big", big, 0), "set 64 KiB")
	got := make([]byte, len(big))
	n, err = unix.Getxattr(p, "user.big", got)
	c.ok(err, "get 64 KiB")
	c.equal(bytes.Equal(got[:n], big), true, "get 64 KiB")
	c.fails(unix.Setxattr(p, "user.bigger", append(big, 'b'), 0), syscall.E2BIG, "set more")
	c.ok(unix.Setxattr(p, "security.test", []byte("s"), 0), "set in security")
	c.ok(unix.Setxattr(p, "trusted.test", []byte("t"), 0), "set in trusted")
	acl := []byte("\x02\x00\x00\x00\x01\x00\x06\x00\xff\xff\xff\xff\x04\x00\x04\x00\xff\xff\xff\xff\x20\x00\x04\x00\xff\xff\xff\xff")
	c.fails(unix.Setxattr(p, "system.posix_acl_access", acl, 0), syscall.EOPNOTSUPP, "set an ACL")
	n, err = unix.Getxattr(p, "user.pifs.anything", buf)
	c.ok(err, "get what is computed")
	c.equal(string(buf[:n]), "computed", "get what is computed")
	return c.err()
}
