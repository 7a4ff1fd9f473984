package mount

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func nameChildren() map[string]childFunc {
	return map[string]childFunc{
		"names":  childNames,
		"rename": childRename,
		"links":  childLinks,
		"nodes":  childNodes,
		"sticky": childSticky,
	}
}

func TestNames(t *testing.T) { do(t, "names", mountMem(t, Options{}).Dir()) }

func childNames(args []string) error {
	var c checks
	in := func(name string) string { return filepath.Join(args[0], name) }
	_, err := os.Stat(in("a"))
	c.fails(err, syscall.ENOENT, "stat of nothing")
	_, err = os.Stat(in("a"))
	c.fails(err, syscall.ENOENT, "stat of nothing, remembered")
	c.ok(os.WriteFile(in("a"), nil, 0o644), "create what was remembered as absent")
	_, err = os.Stat(in("a"))
	c.ok(err, "stat")
	_, err = os.OpenFile(in("a"), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o644)
	c.fails(err, syscall.EEXIST, "O_EXCL")
	c.fails(os.Mkdir(in("a"), 0o755), syscall.EEXIST, "mkdir over a file")
	_, err = os.Stat(in("a/b"))
	c.fails(err, syscall.ENOTDIR, "a file is no directory")
	c.ok(os.Mkdir(in("d"), 0o755), "mkdir")
	c.ok(os.WriteFile(in("d/f"), nil, 0o644), "create below")
	c.fails(syscall.Rmdir(in("d")), syscall.ENOTEMPTY, "rmdir of a full directory")
	c.fails(syscall.Rmdir(in("a")), syscall.ENOTDIR, "rmdir of a file")
	c.fails(syscall.Unlink(in("d")), syscall.EISDIR, "unlink of a directory")
	c.ok(os.Remove(in("d/f")), "unlink")
	c.ok(syscall.Rmdir(in("d")), "rmdir")
	_, err = os.Stat(in("d"))
	c.fails(err, syscall.ENOENT, "stat of a removed directory")

	long := strings.Repeat("n", 255)
	c.ok(os.WriteFile(in(long), nil, 0o644), "create a name of 255 bytes")
	for what, err := range map[string]error{
		"create": os.WriteFile(in(long+"n"), nil, 0o644), "mkdir": os.Mkdir(in(long+"n"), 0o755),
		"symlink": os.Symlink("x", in(long+"n")), "link": os.Link(in(long), in(long+"n")),
		"rename": os.Rename(in(long), in(long+"n")), "unlink": syscall.Unlink(in(long + "n")),
	} {
		c.fails(err, syscall.ENAMETOOLONG, what+" of a name of 256 bytes")
	}
	return c.err()
}

func TestRename(t *testing.T) { do(t, "rename", mountMem(t, Options{}).Dir()) }

func childRename(args []string) error {
	var c checks
	in := func(name string) string { return filepath.Join(args[0], name) }
	content := func(name, want string) {
		got, err := os.ReadFile(in(name))
		c.ok(err, name)
		c.equal(string(got), want, name)
	}
	c.ok(os.WriteFile(in("a"), []byte("A"), 0o644), "write a")
	c.ok(os.WriteFile(in("b"), []byte("B"), 0o644), "write b")
	old, err := os.Open(in("b"))
	if err != nil {
		return err
	}
	c.ok(os.Rename(in("a"), in("b")), "rename over a file")
	content("b", "A")
	b := make([]byte, 1)
	_, err = old.ReadAt(b, 0)
	c.ok(err, "read what was replaced")
	c.equal(string(b), "B", "read what was replaced")
	c.ok(old.Close(), "close")
	_, err = os.Stat(in("a"))
	c.fails(err, syscall.ENOENT, "the old name")

	c.ok(os.MkdirAll(in("d/e"), 0o755), "mkdir")
	c.ok(os.WriteFile(in("d/e/f"), []byte("F"), 0o644), "write f")
	c.ok(os.Mkdir(in("empty"), 0o755), "mkdir empty")
	c.fails(os.Rename(in("d"), in("d/e/d")), syscall.EINVAL, "rename below itself")
	c.fails(syscall.Rename(in("empty"), in("d")), syscall.ENOTEMPTY, "rename over a full directory")
	c.fails(syscall.Rename(in("b"), in("empty")), syscall.EISDIR, "rename a file over a directory")
	c.fails(syscall.Rename(in("empty"), in("b")), syscall.ENOTDIR, "rename a directory over a file")
	c.ok(syscall.Rename(in("d/e"), in("empty")), "rename over an empty directory")
	content("empty/f", "F")
	up, err := os.ReadDir(in("empty") + "/..")
	c.ok(err, "list ..")
	c.equal(len(up), 3, "what is beside a directory that was moved")
	st := func(name string) uint64 {
		var s syscall.Stat_t
		c.ok(syscall.Stat(in(name), &s), name)
		return uint64(s.Nlink)
	}
	c.equal(st("d"), 2, "links of the directory that lost one")
	c.equal(st("."), 4, "links of the root")
	return c.err()
}

func TestLinks(t *testing.T) { do(t, "links", mountMem(t, Options{}).Dir()) }

func childLinks(args []string) error {
	var c checks
	in := func(name string) string { return filepath.Join(args[0], name) }
	stat := func(name string) (s syscall.Stat_t) {
		c.ok(syscall.Lstat(in(name), &s), "stat "+name)
		return s
	}
	c.ok(os.WriteFile(in("a"), []byte("one"), 0o644), "write")
	c.ok(os.Link(in("a"), in("b")), "link")
	c.equal(stat("a").Ino, stat("b").Ino, "inode of two names")
	c.equal(stat("a").Nlink, 2, "links")
	c.ok(os.WriteFile(in("b"), []byte("two, longer"), 0o644), "write through the other name")
	c.equal(stat("a").Size, 11, "size through the first name")
	c.fails(os.Link(in("a"), in("b")), syscall.EEXIST, "link to a taken name")
	c.fails(os.Link(args[0], in("c")), syscall.EPERM, "link a directory")
	c.ok(os.Remove(in("a")), "unlink the first name")
	c.equal(stat("b").Nlink, 1, "links after unlink")

	target := strings.Repeat("t/", 2000)
	c.ok(os.Symlink(target, in("s")), "symlink")
	for range 2 {
		got, err := os.Readlink(in("s"))
		c.ok(err, "readlink")
		c.equal(got, target, "readlink")
	}
	c.equal(stat("s").Size, len(target), "size of a symlink")
	c.ok(os.Remove(in("s")), "remove the symlink")
	c.ok(os.Symlink("b", in("s")), "make it anew")
	got, err := os.ReadFile(in("s"))
	c.ok(err, "read through the symlink")
	c.equal(string(got), "two, longer", "read through the symlink")
	return c.err()
}

func TestNodes(t *testing.T) { do(t, "nodes", mountMem(t, Options{}).Dir()) }

func childNodes(args []string) error {
	var c checks
	in := func(name string) string { return filepath.Join(args[0], name) }
	for name, n := range map[string]struct{ mode, dev int }{
		"fifo":   {unix.S_IFIFO | 0o640, 0},
		"socket": {unix.S_IFSOCK | 0o640, 0},
		"char":   {unix.S_IFCHR | 0o640, int(unix.Mkdev(1, 3))},
		"block":  {unix.S_IFBLK | 0o640, int(unix.Mkdev(259, 70000))},
		"plain":  {unix.S_IFREG | 0o640, 0},
	} {
		c.ok(unix.Mknod(in(name), uint32(n.mode), n.dev), name)
		var st unix.Stat_t
		c.ok(unix.Lstat(in(name), &st), name)
		c.equal([]any{st.Mode, st.Rdev}, []any{n.mode, n.dev}, "mode and device of "+name)
	}
	f, err := os.OpenFile(in("char"), os.O_WRONLY, 0)
	c.ok(err, "open /dev/null's twin")
	if err == nil {
		_, err = f.WriteString("gone")
		c.ok(err, "write to it")
		c.ok(f.Close(), "close it")
	}
	return c.err()
}

// TestSticky: in a directory with the sticky bit only the owners of file and
// directory remove and rename. The kernel enforces it because stat shows it.
func TestSticky(t *testing.T) {
	m := mountMem(t, Options{})
	do(t, "sticky", m.Dir(), "prepare", "0")
	do(t, "sticky", m.Dir(), "other", "1002")
	do(t, "sticky", m.Dir(), "owner", "1001")
}

func childSticky(args []string) error {
	var c checks
	dir := filepath.Join(args[0], "tmp")
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	var uid int
	switch args[1] {
	case "prepare":
		c.ok(os.Mkdir(dir, 0o777), "mkdir")
		c.ok(os.Chmod(dir, 0o777|os.ModeSticky), "chmod")
		st, err := os.Stat(dir)
		if err != nil {
			return err
		}
		c.equal(st.Mode(), os.ModeDir|os.ModeSticky|0o777, "mode")
		c.ok(os.WriteFile(a, nil, 0o666), "write")
		c.ok(os.Chown(a, 1001, 1001), "chown")
		return c.err()
	case "other":
		uid = 1002
		c.ok(become(uid), "become another")
		c.fails(syscall.Unlink(a), syscall.EPERM, "unlink another's file")
		c.fails(os.Rename(a, b), syscall.EPERM, "rename another's file")
		c.ok(os.WriteFile(b, nil, 0o600), "make a file")
		c.fails(os.Rename(b, a), syscall.EPERM, "rename over another's file")
	case "owner":
		uid = 1001
		c.ok(become(uid), "become the owner")
		c.fails(syscall.Unlink(b), syscall.EPERM, "unlink another's file")
		c.ok(syscall.Unlink(a), "unlink one's own file")
	}
	return c.err()
}
