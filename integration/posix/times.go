package posix

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

func timeCases() []Case {
	return []Case{
		{"times/files", timesFiles},
		{"times/directories", timesDirectories},
		{"times/names", timesNames},
		{"times/atime", timesAtime},
		{"times/values", timesValues},
		{"times/utimensat", timesUtimensat},
	}
}

// marks are times that no clock gives.
var marks = []unix.Timespec{{Sec: 1111, Nsec: 11}, {Sec: 2222, Nsec: 22}}

// moved records which of the three times of paths f moved. Before f, atime and
// mtime are set to marks; for ctime, which can not be set, the clock of the
// file system has to advance first.
func (t *T) moved(what string, f func() error, paths ...string) {
	before := make([]unix.Stat_t, len(paths))
	for i, p := range paths {
		t.must("utimensat "+p, unix.UtimesNanoAt(unix.AT_FDCWD, p, marks, unix.AT_SYMLINK_NOFOLLOW))
		t.must("stat "+p, unix.Lstat(p, &before[i]))
	}
	t.tick()
	err := f()
	for i, p := range paths {
		var st unix.Stat_t
		t.must("stat "+p, unix.Lstat(p, &st))
		var moved []string
		for _, m := range []struct {
			name string
			a, b unix.Timespec
		}{{"atime", before[i].Atim, st.Atim}, {"mtime", before[i].Mtim, st.Mtim}, {"ctime", before[i].Ctim, st.Ctim}} {
			if m.a != m.b {
				moved = append(moved, m.name)
			}
		}
		t.note(fmt.Sprintf("%s (%s) moves of %s", what, errName(err), p), strings.Join(moved, " "))
	}
}

// tick returns when the clock that stamps files has advanced.
func (t *T) tick() {
	const path = "clock"
	stamp := func() unix.Timespec {
		fd, err := unix.Open(path, unix.O_CREAT|unix.O_WRONLY|unix.O_TRUNC|unix.O_CLOEXEC, 0o600)
		t.must("touch the clock", err)
		defer unix.Close(fd)
		_, err = unix.Write(fd, []byte("t"))
		t.must("touch the clock", err)
		var st unix.Stat_t
		t.must("read the clock", unix.Fstat(fd, &st))
		return st.Mtim
	}
	first := stamp()
	t.wait("the clock ticks", func() bool { now := stamp(); return now.Nano() > first.Nano()+12e6 })
	t.must("remove the clock", unix.Unlink(path))
}

func timesFiles(t *T) {
	t.file("f", strings.Repeat("x", 20_000), 0o666)
	fd := t.fd("f", unix.O_RDWR)
	defer unix.Close(fd)
	p := make([]byte, 10)
	for _, c := range []struct {
		what string
		do   func() error
	}{
		{"write", func() error { _, err := unix.Pwrite(fd, p, 0); return err }},
		{"write of nothing", func() error { _, err := unix.Pwrite(fd, nil, 0); return err }},
		{"truncate", func() error { return unix.Truncate("f", 100) }},
		{"truncate to the same", func() error { return unix.Truncate("f", 100) }},
		{"ftruncate", func() error { return unix.Ftruncate(fd, 200) }},
		{"ftruncate to the same", func() error { return unix.Ftruncate(fd, 200) }},
		{"chmod", func() error { return unix.Chmod("f", 0o644) }},
		{"chmod to the same", func() error { return unix.Chmod("f", 0o644) }},
		{"chown", func() error { return unix.Chown("f", 3, 4) }},
		{"chown of nothing", func() error { return unix.Chown("f", -1, -1) }},
		{"setxattr", func() error { return unix.Setxattr("f", "user.a", p, 0) }},
		{"removexattr", func() error { return unix.Removexattr("f", "user.a") }},
		{"fallocate", func() error { return unix.Fallocate(fd, 0, 0, 300) }},
		{"fallocate of what is there", func() error { return unix.Fallocate(fd, 0, 0, 300) }},
		{"punch", func() error { return unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, 10) }},
		{"zero", func() error { return unix.Fallocate(fd, unix.FALLOC_FL_ZERO_RANGE, 0, 10) }},
		{"link", func() error { return unix.Link("f", "g") }},
		{"rename", func() error { return unix.Rename("g", "h") }},
		{"unlink", func() error { return unix.Unlink("h") }},
		{"stat", func() error { var st unix.Stat_t; return unix.Stat("f", &st) }},
		{"fsync", func() error { return unix.Fsync(fd) }},
		{"open", func() error { return openClose("f", unix.O_RDWR) }},
		{"O_CREAT of what exists", func() error { return openClose("f", unix.O_RDWR|unix.O_CREAT) }},
		{"O_TRUNC", func() error { return openClose("f", unix.O_RDWR|unix.O_TRUNC) }},
		{"O_TRUNC of an empty file", func() error { return openClose("f", unix.O_RDWR|unix.O_TRUNC) }},
	} {
		t.moved(c.what, c.do, "f")
	}
}

func openClose(path string, flags int) error {
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

func timesDirectories(t *T) {
	t.dir("d", 0o755)
	t.dir("e", 0o755)
	t.file("d/file", "", 0o644)
	for _, c := range []struct {
		what string
		do   func() error
	}{
		{"create", func() error { return openClose("d/f", unix.O_CREAT|unix.O_WRONLY) }},
		{"O_CREAT of what exists", func() error { return openClose("d/f", unix.O_CREAT|unix.O_WRONLY) }},
		{"write below", func() error {
			return withFile("d/f", func(fd int) error { _, err := unix.Write(fd, []byte("x")); return err })
		}},
		{"chmod below", func() error { return unix.Chmod("d/f", 0o600) }},
		{"mkdir", func() error { return unix.Mkdir("d/sub", 0o755) }},
		{"mkdir of what exists", func() error { return unix.Mkdir("d/sub", 0o755) }},
		{"mknod", func() error { return unix.Mkfifo("d/p", 0o644) }},
		{"symlink", func() error { return unix.Symlink("x", "d/l") }},
		{"link", func() error { return unix.Link("d/f", "d/g") }},
		{"rename within", func() error { return unix.Rename("d/g", "d/h") }},
		{"rename onto itself", func() error { return unix.Rename("d/h", "d/h") }},
		{"rename onto its other name", func() error { return unix.Rename("d/h", "d/f") }},
		{"rename away", func() error { return unix.Rename("d/h", "e/h") }},
		{"rename over", func() error { return unix.Rename("d/file", "e/h") }},
		{"rename of a directory", func() error { return unix.Rename("d/sub", "e/sub") }},
		{"unlink", func() error { return unix.Unlink("d/f") }},
		{"unlink of nothing", func() error { return unix.Unlink("d/f") }},
		{"rmdir", func() error { return unix.Rmdir("e/sub") }},
		{"chmod", func() error { return unix.Chmod("d", 0o700) }},
		{"chown", func() error { return unix.Chown("d", 3, 4) }},
	} {
		t.moved(c.what, c.do, "d", "e")
	}
}

// timesNames: what a change of names does to what has the name.
func timesNames(t *T) {
	t.dir("a", 0o755)
	t.dir("a/d", 0o755)
	t.dir("b", 0o755)
	t.must("symlink", unix.Symlink("x", "a/l"))
	t.file("a/f", "", 0o644)
	t.must("link", unix.Link("a/f", "a/g"))
	t.file("a/over", "", 0o644)
	t.must("link", unix.Link("a/over", "b/over"))
	t.moved("rename of a directory", func() error { return unix.Rename("a/d", "a/e") }, "a")
	t.moved("rename of a directory to another parent", func() error { return unix.Rename("a/e", "b/e") }, "a", "b")
	t.moved("unlink of one name", func() error { return unix.Unlink("a/g") }, "a/f")
	t.moved("rename over a file that has another name", func() error { return unix.Rename("a/f", "a/over") }, "b/over")
	t.moved("utimensat of a symlink", func() error { return unix.UtimesNanoAt(unix.AT_FDCWD, "a/l", marks, unix.AT_SYMLINK_NOFOLLOW) }, "a/l")
	t.moved("lchown of a symlink", func() error { return unix.Lchown("a/l", 1, 1) }, "a/l")
	t.must("stat", unix.Access("b/e", unix.F_OK))
}

// timesAtime: reading moves atime if it is older than mtime or ctime, as the
// mount option relatime says.
func timesAtime(t *T) {
	t.file("f", strings.Repeat("x", 20_000), 0o644)
	t.dir("d", 0o755)
	t.file("d/f", "", 0o644)
	t.must("symlink", unix.Symlink("d", "l"))
	t.moved("read", func() error { return readOnce("f", unix.O_RDONLY) }, "f")
	t.moved("read of what is newer", func() error { return readOnce("f", unix.O_RDONLY) }, "f")
	t.moved("read by mmap", func() error { return readMapped("f") }, "f")
	t.moved("readdir", func() error {
		fd, err := unix.Open("d", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		_, err = unix.ReadDirent(fd, make([]byte, 1000))
		return err
	}, "d")
	t.moved("search", func() error { return unix.Access("d/f", unix.F_OK) }, "d")
	t.moved("read with O_NOATIME", func() error { return readOnce("f", unix.O_RDONLY|unix.O_NOATIME) }, "f")
	t.moved("readlink", func() error { _, err := unix.Readlink("l", make([]byte, 10)); return err }, "l")
	t.as(1001, 1001, nil, func() { t.opens("f", unix.O_RDONLY|unix.O_NOATIME, 0) })
}

func readOnce(path string, flags int) error {
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.Read(fd, make([]byte, 10))
	return err
}

func readMapped(path string) error {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	m, err := unix.Mmap(fd, 0, 4096, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	if m[0] == 0 {
		return fmt.Errorf("read %d", m[0])
	}
	return unix.Munmap(m)
}

// timesValues are those that ext4 can keep: 34 bits of seconds from 1901 on.
func timesValues(t *T) {
	t.file("f", "", 0o644)
	for _, ts := range []unix.Timespec{
		{Sec: 0, Nsec: 0}, {Sec: 0, Nsec: 1}, {Sec: 1, Nsec: 999_999_999}, {Sec: -1, Nsec: 0}, {Sec: -1, Nsec: 999_999_999},
		{Sec: -1 << 31, Nsec: 0}, {Sec: 1<<31 - 1, Nsec: 7}, {Sec: 1 << 31, Nsec: 9}, {Sec: 1 << 32, Nsec: 0}, {Sec: 1<<33 + 17, Nsec: 3},
		{Sec: 5, Nsec: 1_000_000_000}, {Sec: 5, Nsec: -1},
	} {
		err := unix.UtimesNanoAt(unix.AT_FDCWD, "f", []unix.Timespec{ts, ts}, 0)
		var st unix.Stat_t
		t.must("stat", unix.Stat("f", &st))
		t.note(fmt.Sprintf("set %d.%09d", ts.Sec, ts.Nsec), errName(err), st.Atim, st.Mtim)
	}
}

func timesUtimensat(t *T) {
	t.file("f", "", 0o644)
	omit, now := unix.Timespec{Nsec: unix.UTIME_OMIT}, unix.Timespec{Nsec: unix.UTIME_NOW}
	set := func(a, m unix.Timespec) func() error {
		return func() error { return unix.UtimesNanoAt(unix.AT_FDCWD, "f", []unix.Timespec{a, m}, 0) }
	}
	t.moved("both omitted", set(omit, omit), "f")
	t.moved("atime omitted", set(omit, now), "f")
	t.moved("mtime omitted", set(now, omit), "f")
	t.moved("both now", set(now, now), "f")
	t.moved("both the same as before", set(marks[0], marks[1]), "f")
	t.moved("null", func() error { return unix.UtimesNanoAt(unix.AT_FDCWD, "f", nil, 0) }, "f")
	fd := t.fd("f", unix.O_RDONLY)
	t.moved("futimes", func() error { return unix.Futimes(fd, []unix.Timeval{{Sec: 1}, {Sec: 2}}) }, "f")
	unix.Close(fd)
	t.do("of nothing", unix.UtimesNanoAt(unix.AT_FDCWD, "none", marks, 0))
}
