package posix

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

func xattrCases() []Case {
	return []Case{
		{"xattrs/flags", xattrFlags},
		{"xattrs/sizes", xattrSizes},
		{"xattrs/namespaces", xattrNamespaces},
		{"xattrs/kinds", xattrKinds},
		{"xattrs/many", xattrMany},
	}
}

func xattrFlags(t *T) {
	t.file("f", "", 0o644)
	set := func(what, name, value string, flags int) { t.do(what, unix.Setxattr("f", name, []byte(value), flags)) }
	set("replace of nothing", "user.a", "1", unix.XATTR_REPLACE)
	set("create", "user.a", "1", unix.XATTR_CREATE)
	set("create again", "user.a", "2", unix.XATTR_CREATE)
	set("replace", "user.a", "3", unix.XATTR_REPLACE)
	set("both", "user.a", "4", unix.XATTR_CREATE|unix.XATTR_REPLACE)
	set("unknown flag", "user.a", "4", 4)
	set("set", "user.a", "55", 0)
	set("empty value", "user.empty", "", 0)
	t.xattr("f", "user.a")
	t.xattr("f", "user.empty")
	t.xattr("f", "user.none")
	t.do("remove", unix.Removexattr("f", "user.a"))
	t.do("remove again", unix.Removexattr("f", "user.a"))
	t.do("of nothing", unix.Setxattr("none", "user.a", nil, 0))
	t.do("remove of an unknown namespace", unix.Removexattr("f", "none.x"))
	t.do("remove without a name", unix.Removexattr("f", "user."))
	_, err := unix.Getxattr("f", "user.", make([]byte, 10))
	t.do("get without a name", err)
	t.xattrs("f")
}

func (t *T) xattr(path, name string) {
	p := make([]byte, 70_000)
	n, err := unix.Lgetxattr(path, name, p)
	t.note("xattr "+name+" of "+path, errName(err), brief(p[:max(n, 0)]))
}

func (t *T) xattrs(path string) {
	p := make([]byte, 70_000)
	n, err := unix.Llistxattr(path, p)
	names := strings.Split(strings.TrimRight(string(p[:max(n, 0)]), "\x00"), "\x00")
	slices.Sort(names)
	t.note("xattrs of "+path, errName(err), names)
}

func xattrSizes(t *T) {
	t.file("f", "", 0o644)
	t.do("3000 bytes", unix.Setxattr("f", "user.a", make([]byte, 3000), 0))
	n, err := unix.Getxattr("f", "user.a", nil)
	t.note("size", n, errName(err))
	_, err = unix.Getxattr("f", "user.a", make([]byte, 2999))
	t.do("no room", err)
	t.do("65537 bytes", unix.Setxattr("f", "user.b", make([]byte, 65537), 0))
	t.do("name of 255 bytes", unix.Setxattr("f", "user."+strings.Repeat("n", 250), []byte("x"), 0))
	t.do("name of 256 bytes", unix.Setxattr("f", "user."+strings.Repeat("n", 251), []byte("x"), 0))
	t.do("no name", unix.Setxattr("f", "", []byte("x"), 0))
	t.do("no name after the namespace", unix.Setxattr("f", "user.", []byte("x"), 0))
	n, err = unix.Listxattr("f", nil)
	t.note("size of the list", n, errName(err))
	_, err = unix.Listxattr("f", make([]byte, 10))
	t.do("no room for the list", err)
}

func xattrNamespaces(t *T) {
	t.file("f", "", 0o644)
	for _, name := range []string{"user.a", "trusted.a", "security.a", "system.a", "other.a", "a", "User.a", "user.\xff\x01"} {
		t.do(fmt.Sprintf("set %q", name), unix.Setxattr("f", name, []byte("v"), 0))
		t.xattr("f", name)
	}
	t.do("file capability", unix.Setxattr("f", "security.capability", []byte(fileCapability), 0))
	t.xattr("f", "security.capability")
	t.do("bad file capability", unix.Setxattr("f", "security.capability", []byte("x"), 0))
	t.xattrs("f")
	t.as(1001, 1001, nil, func() { t.xattrs("f") })
}

// xattrKinds: user. attributes are for files and directories only.
func xattrKinds(t *T) {
	t.dir("d", 0o755)
	t.must("symlink", unix.Symlink("d", "l"))
	t.must("mkfifo", unix.Mkfifo("p", 0o644))
	t.must("mknod", unix.Mknod("c", unix.S_IFCHR|0o644, int(unix.Mkdev(1, 3))))
	for _, path := range []string{"d", "l", "p", "c"} {
		for _, name := range []string{"user.a", "trusted.a"} {
			t.do("set "+name+" of "+path, unix.Lsetxattr(path, name, []byte("v"), 0))
			t.xattr(path, name)
		}
		t.xattrs(path)
		t.do("remove trusted.a", unix.Lremovexattr(path, "trusted.a"))
	}
}

func xattrMany(t *T) {
	t.file("f", "", 0o644)
	for i := range 60 {
		if err := unix.Setxattr("f", fmt.Sprintf("user.%02d", i), []byte(fmt.Sprint("value ", i)), 0); err != nil {
			t.do("set", err)
		}
	}
	t.xattrs("f")
	for i := 0; i < 60; i += 2 {
		t.must("remove", unix.Removexattr("f", fmt.Sprintf("user.%02d", i)))
	}
	t.xattrs("f")
	t.must("link", unix.Link("f", "g"))
	t.xattr("g", "user.07")
	t.must("rename", unix.Rename("g", "h"))
	t.xattr("h", "user.07")
}
