package posix

import (
	"fmt"

	"golang.org/x/sys/unix"
)

func linkCases() []Case {
	return []Case{
		{"links/files", linkFiles},
		{"links/many", linkMany},
		{"links/directories", linkDirectories},
		{"links/protected", linkProtected},
	}
}

func linkFiles(t *T) {
	t.file("f", "one file", 0o644)
	t.dir("d", 0o755)
	t.do("link", unix.Link("f", "g"))
	t.do("link elsewhere", unix.Link("g", "d/h"))
	t.do("link over a file", unix.Link("f", "g"))
	t.do("link over a directory", unix.Link("f", "d"))
	t.do("link of nothing", unix.Link("none", "x"))
	t.do("link into nothing", unix.Link("f", "none/x"))
	t.do("link below a file", unix.Link("f", "g/x"))
	t.do("link of a directory", unix.Link("d", "e"))
	t.stat("f")
	t.must("chmod", unix.Chmod("d/h", 0o600))
	t.stat("g")
	fd := t.fd("g", unix.O_RDWR)
	t.do("unlink", unix.Unlink("f"))
	t.do("unlink", unix.Unlink("g"))
	t.fstat(fd)
	t.pwrite(fd, "through", 0)
	t.content("d/h")
	unix.Close(fd)
	t.must("mkfifo", unix.Mkfifo("p", 0o644))
	t.do("link of a fifo", unix.Link("p", "q"))
	t.stat("q")
}

// linkMany gives one file many names.
func linkMany(t *T) {
	t.file("f", "", 0o644)
	t.dir("d", 0o755)
	for n := range 1000 {
		if err := unix.Link("f", fmt.Sprintf("d/%d", n)); err != nil {
			t.do("link", err)
		}
	}
	t.stat("f")
	t.do("unlink", unix.Unlink("d/7"))
	t.do("unlink", unix.Unlink("f"))
	t.stat("d/999")
}

func linkDirectories(t *T) {
	t.dir("d", 0o755)
	t.stat("d")
	t.dir("d/a", 0o755)
	t.dir("d/b", 0o755)
	t.file("d/f", "", 0o644)
	t.stat("d")
	t.do("rmdir of a full directory", unix.Rmdir("d"))
	t.do("unlink of a directory", unix.Unlink("d/a"))
	t.do("rmdir of a file", unix.Rmdir("d/f"))
	t.must("rmdir", unix.Rmdir("d/a"))
	t.stat("d")
	t.stat("d/b/..")
}

// linkProtected: what a user may link who does not own it depends on the
// machine, but not on the file system.
func linkProtected(t *T) {
	t.dir("d", 0o777)
	t.file("d/readable", "", 0o644)
	t.file("d/writable", "", 0o666)
	t.file("d/setuid", "", 0o666)
	t.must("chmod", unix.Chmod("d/setuid", 0o4755))
	t.as(1001, 1001, nil, func() {
		for _, name := range []string{"readable", "writable", "setuid"} {
			t.do("link another's "+name, unix.Link("d/"+name, "d/of-"+name))
		}
	})
}
