package posix

import (
	"fmt"

	"golang.org/x/sys/unix"
)

func unlinkedCases() []Case {
	return []Case{
		{"unlinked/file", unlinkedFile},
		{"unlinked/link again", unlinkedLink},
		{"unlinked/directory", unlinkedDirectory},
		{"unlinked/replaced", unlinkedReplaced},
	}
}

func unlinkedFile(t *T) {
	for _, size := range []int{10, 300_000} {
		t.file("f", string(make([]byte, size)), 0o644)
		fd := t.fd("f", unix.O_RDWR)
		t.do("unlink", unix.Unlink("f"))
		t.stat("f")
		t.fstat(fd)
		t.pwrite(fd, "still here", 5)
		t.pread(fd, 20, 0)
		t.do("ftruncate", unix.Ftruncate(fd, 400_000))
		t.pwrite(fd, "end", 399_997)
		t.pread(fd, 10, 399_990)
		t.do("fchmod", unix.Fchmod(fd, 0o600))
		t.do("fchown", unix.Fchown(fd, 5, 6))
		t.do("futimens", unix.Futimes(fd, []unix.Timeval{{Sec: 1}, {Sec: 2}}))
		t.do("fsetxattr", unix.Fsetxattr(fd, "user.x", []byte("y"), 0))
		t.do("fsync", unix.Fsync(fd))
		t.do("fallocate", unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, 8))
		t.pread(fd, 20, 0)
		t.fstat(fd)
		t.file("f", "another", 0o644)
		t.pread(fd, 10, 399_990)
		t.content("f")
		again, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", fd), unix.O_RDONLY, 0)
		t.do("open by descriptor", err)
		t.pread(again, 3, 399_997)
		unix.Close(again)
		unix.Close(fd)
		t.must("unlink", unix.Unlink("f"))
	}
}

func unlinkedLink(t *T) {
	t.file("f", "bytes", 0o644)
	fd := t.fd("f", unix.O_RDWR)
	path := fmt.Sprintf("/proc/self/fd/%d", fd)
	t.do("linkat of a file that has a name", unix.Linkat(unix.AT_FDCWD, path, unix.AT_FDCWD, "g", unix.AT_SYMLINK_FOLLOW))
	t.fstat(fd)
	t.must("unlink", unix.Unlink("f"))
	t.must("unlink", unix.Unlink("g"))
	t.do("linkat of one that has none", unix.Linkat(unix.AT_FDCWD, path, unix.AT_FDCWD, "g", unix.AT_SYMLINK_FOLLOW))
	t.fstat(fd)
	unix.Close(fd)
}

func unlinkedDirectory(t *T) {
	t.dir("d", 0o755)
	fd := t.fd("d", unix.O_RDONLY|unix.O_DIRECTORY)
	t.must("chdir", unix.Chdir("d"))
	t.do("rmdir of the working directory", unix.Rmdir("../d"))
	t.fstat(fd)
	t.do("mkdir", unix.Mkdir("e", 0o755))
	t.do("mkdirat", unix.Mkdirat(fd, "e", 0o755))
	t.opens("f", unix.O_CREAT|unix.O_RDWR, 0o644)
	t.do("symlink", unix.Symlink("x", "l"))
	t.do("mknod", unix.Mknod("p", unix.S_IFIFO|0o644, 0))
	t.stat(".")
	t.stat("..")
	n, err := unix.ReadDirent(fd, make([]byte, 4096))
	t.note("getdents is empty", errName(err), n == 0)
	_, err = unix.Getcwd(make([]byte, 4096))
	t.do("getcwd", err)
	t.do("fchmod", unix.Fchmod(fd, 0o700))
	unix.Close(fd)
}

// unlinkedReplaced renames over a file that is open.
func unlinkedReplaced(t *T) {
	t.file("old", "the old one", 0o644)
	t.file("new", "the new one", 0o600)
	old, fresh := t.fd("old", unix.O_RDWR), t.fd("new", unix.O_RDWR)
	t.do("rename over an open file", unix.Rename("new", "old"))
	t.fstat(old)
	t.fstat(fresh)
	t.pread(old, 20, 0)
	t.pwrite(old, "written later", 0)
	t.content("old")
	t.pwrite(fresh, "THE", 0)
	t.content("old")
	unix.Close(old)
	unix.Close(fresh)
	t.dir("a", 0o755)
	t.dir("b", 0o755)
	b := t.fd("b", unix.O_RDONLY)
	t.do("rename over an open directory", unix.Rename("a", "b"))
	t.fstat(b)
	t.do("mkdirat in it", unix.Mkdirat(b, "x", 0o755))
	unix.Close(b)
}
