package posix

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

func nameCases() []Case {
	return []Case{
		{"names/lengths", nameLengths},
		{"names/bytes", nameBytes},
		{"names/symlinks", nameSymlinks},
		{"names/loops", nameLoops},
		{"names/other file system", nameOther},
	}
}

func nameLengths(t *T) {
	long, longer := strings.Repeat("n", 255), strings.Repeat("n", 256)
	t.opens(long, unix.O_CREAT|unix.O_RDWR, 0o644)
	t.stat(long)
	t.opens(longer, unix.O_CREAT|unix.O_RDWR, 0o644)
	t.stat(longer)
	t.do("mkdir", unix.Mkdir(longer, 0o755))
	t.do("mknod", unix.Mknod(longer, unix.S_IFIFO|0o644, 0))
	t.do("symlink", unix.Symlink("x", longer))
	t.do("link", unix.Link(long, longer))
	t.do("rename", unix.Rename(long, longer))
	t.do("rename of it", unix.Rename(longer, "x"))
	t.do("unlink", unix.Unlink(longer))
	t.do("rmdir", unix.Rmdir(longer))
	t.do("below", unix.Access(longer+"/x", unix.F_OK))
	path := strings.Repeat("./", 2046)
	t.do("path of 4095 bytes", unix.Access(path+"./.", unix.F_OK))
	t.do("path of 4096 bytes", unix.Access(path+".//.", unix.F_OK))
	t.do("unlink", unix.Unlink(long))
}

// nameBytes makes a file of every byte that a name may have.
func nameBytes(t *T) {
	for b := 1; b < 256; b++ {
		name := string([]byte{'n', byte(b), byte(b)})
		if b == '/' {
			continue
		}
		if err := unix.Mkdir(name, 0o755); err != nil {
			t.do(fmt.Sprintf("mkdir %q", name), err)
		}
	}
	list, err := os.ReadDir(".")
	t.do("list", err)
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	slices.Sort(names)
	t.note("names", len(names), brief([]byte(strings.Join(names, "/"))))
	t.opens("  leading and trailing ", unix.O_CREAT|unix.O_RDWR, 0o644)
	t.opens("...", unix.O_CREAT|unix.O_RDWR, 0o644)
	t.stat("...")
}

func nameSymlinks(t *T) {
	for _, n := range []int{1, 60, 4094, 4095, 4096} {
		name := fmt.Sprintf("l%d", n)
		t.do(fmt.Sprintf("symlink of %d bytes", n), unix.Symlink(strings.Repeat("t", n), name))
		t.stat(name)
		p := make([]byte, 5000)
		m, err := unix.Readlink(name, p)
		t.note("readlink", m, errName(err), strings.Trim(string(p[:max(m, 0)]), "t") == "")
	}
	t.do("empty target", unix.Symlink("", "empty"))
	p := make([]byte, 3)
	m, err := unix.Readlink("l60", p)
	t.note("readlink of a part", m, errName(err))
	t.file("f", "", 0o644)
	_, err = unix.Readlink("f", p)
	t.do("readlink of a file", err)
	t.do("symlink over a file", unix.Symlink("x", "f"))
	t.do("chmod of a symlink", unix.Fchmodat(unix.AT_FDCWD, "l60", 0o600, unix.AT_SYMLINK_NOFOLLOW))
	t.do("lchown of a symlink", unix.Lchown("l60", 1001, 1002))
	t.stat("l60")
	t.must("symlink", unix.Symlink("f", "to f"))
	t.do("chmod through a symlink", unix.Chmod("to f", 0o640))
	t.do("chown through a symlink", unix.Chown("to f", 1003, 1004))
	t.stat("f")
	t.stat("to f")
	t.do("link of a symlink", unix.Linkat(unix.AT_FDCWD, "to f", unix.AT_FDCWD, "hard", 0))
	t.stat("hard")
	t.do("link through a symlink", unix.Linkat(unix.AT_FDCWD, "to f", unix.AT_FDCWD, "hard2", unix.AT_SYMLINK_FOLLOW))
	t.stat("hard2")
}

func nameLoops(t *T) {
	t.must("symlink", unix.Symlink("b", "a"))
	t.must("symlink", unix.Symlink("a", "b"))
	t.do("stat of a loop", unix.Access("a", unix.F_OK))
	t.do("mkdir below a loop", unix.Mkdir("a/x", 0o755))
	t.do("chmod of a loop", unix.Chmod("a", 0o755))
	t.file("end", "end", 0o644)
	last := "end"
	for i := range 41 {
		name := fmt.Sprintf("s%02d", i)
		t.must("symlink", unix.Symlink(last, name))
		last = name
	}
	t.do("forty symlinks", unix.Access("s39", unix.F_OK))
	t.do("forty one symlinks", unix.Access("s40", unix.F_OK))
}

func nameOther(t *T) {
	t.file("f", "", 0o644)
	t.do("rename to another file system", unix.Rename("f", "/proc/f"))
	t.do("link to another file system", unix.Link("f", "/dev/shm/f"))
	t.do("rename from another file system", unix.Rename("/proc/self", "g"))
}
