package posix

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Uncarried returns the cases in which a file system behind FUSE can not do what
// one in the kernel does: nothing asks it, or what it is told does not tell.
func Uncarried() []Case {
	return []Case{
		{"uncarried/acl", uncarriedACL},
		{"uncarried/clone", uncarriedClone},
		{"uncarried/fallocate", uncarriedFallocate},
		{"uncarried/flags", uncarriedFlags},
		{"uncarried/birth", uncarriedBirth},
		{"uncarried/chown", uncarriedChown},
		{"uncarried/locks", uncarriedLocks},
		{"uncarried/atime", uncarriedAtime},
		{"uncarried/epoll", uncarriedEpoll},
		{"uncarried/nowait", uncarriedNoWait},
		{"uncarried/setgid", uncarriedSetgid},
	}
}

// uncarriedACL: lists that nobody would enforce are refused, not stored.
func uncarriedACL(t *T) {
	t.dir("d", 0o755)
	acl := []byte("\x02\x00\x00\x00\x01\x00\x06\x00\xff\xff\xff\xff\x04\x00\x04\x00\xff\xff\xff\xff\x20\x00\x04\x00\xff\xff\xff\xff")
	for _, name := range []string{"system.posix_acl_access", "system.posix_acl_default"} {
		t.do("set "+name, unix.Setxattr("d", name, acl, 0))
		_, err := unix.Getxattr("d", name, make([]byte, 100))
		t.do("get "+name, err)
	}
	t.xattrs("d")
}

func uncarriedClone(t *T) {
	t.file("f", "bytes", 0o644)
	t.file("g", "", 0o644)
	from, to := t.fd("f", unix.O_RDONLY), t.fd("g", unix.O_RDWR)
	t.do("FICLONE", unix.IoctlFileClone(to, from))
	unix.Close(from)
	unix.Close(to)
}

func uncarriedFallocate(t *T) {
	t.file("f", string(make([]byte, 65536)), 0o644)
	fd := t.fd("f", unix.O_RDWR)
	t.do("collapse", unix.Fallocate(fd, unix.FALLOC_FL_COLLAPSE_RANGE, 0, 4096))
	t.do("insert", unix.Fallocate(fd, unix.FALLOC_FL_INSERT_RANGE, 0, 4096))
	unix.Close(fd)
}

// uncarriedFlags: there is no chattr.
func uncarriedFlags(t *T) {
	t.file("f", "", 0o644)
	fd := t.fd("f", unix.O_RDWR)
	_, err := unix.IoctlGetInt(fd, unix.FS_IOC_GETFLAGS)
	t.do("lsattr", err)
	unix.Close(fd)
}

func uncarriedBirth(t *T) {
	t.file("f", "", 0o644)
	var st unix.Statx_t
	t.must("statx", unix.Statx(unix.AT_FDCWD, "f", 0, unix.STATX_ALL, &st))
	t.note("has a birth time", st.Mask&unix.STATX_BTIME != 0)
}

// uncarriedChown: chown(path, -1, -1) clears setuid on a disk. Root's looks as
// the end of a capability does.
func uncarriedChown(t *T) {
	t.file("f", "", 0o644)
	t.must("chmod", unix.Chmod("f", 0o4755))
	t.do("chown of nothing by root", unix.Chown("f", -1, -1))
	t.stat("f")
}

// uncarriedLocks: whose lock it is that is in the way, F_GETLK tells for those of
// open file descriptions too, which belong to no process.
func uncarriedLocks(t *T) {
	a, b := t.lockers()
	defer a.end()
	defer b.end()
	t.ask(a, "a", "ofd w 0 10")
	t.ask(b, "b", "get w 0 100")
}

// uncarriedAtime: what is read through a descriptor that can write as well does
// not count if the kernel has it cached.
func uncarriedAtime(t *T) {
	t.file("f", fmt.Sprintf("%20000d", 0), 0o644)
	t.moved("cached read through O_RDWR", func() error { return readOnce("f", unix.O_RDWR) }, "f")
	t.moved("opening to read", func() error { return openClose("f", unix.O_RDONLY) }, "f")
}

// uncarriedEpoll: a file can be watched, and is always ready; on a disk that is
// EPERM.
func uncarriedEpoll(t *T) {
	t.file("f", "", 0o644)
	fd := t.fd("f", unix.O_RDWR)
	defer unix.Close(fd)
	watch, err := unix.EpollCreate1(0)
	t.must("create an epoll", err)
	defer unix.Close(watch)
	t.do("watch a file", unix.EpollCtl(watch, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN}))
}

// uncarriedNoWait: no read is promised not to wait.
func uncarriedNoWait(t *T) {
	t.file("f", "bytes", 0o644)
	fd := t.fd("f", unix.O_RDONLY)
	defer unix.Close(fd)
	_, err := unix.Preadv2(fd, [][]byte{make([]byte, 5)}, 0, unix.RWF_NOWAIT)
	t.do("RWF_NOWAIT", err)
}

// uncarriedSetgid: setgid without the right to execute goes on a disk if the
// writer is not in the group. The kernel does not say whether it is.
func uncarriedSetgid(t *T) {
	t.file("f", "bytes", 0o644)
	t.must("chmod", unix.Chmod("f", 0o2666))
	t.as(1001, 1001, nil, func() {
		fd := t.fd("f", unix.O_WRONLY)
		defer unix.Close(fd)
		_, err := unix.Write(fd, []byte("more"))
		t.do("write by another user", err)
	})
	t.stat("f")
}
