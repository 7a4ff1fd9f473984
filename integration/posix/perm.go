package posix

import (
	"fmt"

	"golang.org/x/sys/unix"
)

func permCases() []Case {
	return []Case{
		{"perm/classes", permClasses},
		{"perm/directories", permDirectories},
		{"perm/owner only", permOwner},
		{"perm/times", permTimes},
		{"perm/umask", permUmask},
		{"perm/xattrs", permXattrs},
	}
}

// permClasses tries reading, writing and executing as owner, as one of the
// group, by a supplementary group, as another and as root, for many modes.
func permClasses(t *T) {
	t.dir("d", 0o755)
	users := []struct {
		name     string
		uid, gid int
		groups   []uint32
	}{{"owner", 1001, 1001, nil}, {"group", 1002, 2000, nil}, {"supplementary", 1003, 1003, []uint32{7, 2000, 8}}, {"other", 1004, 1004, []uint32{7}}, {"root", 0, 0, nil}}
	for _, mode := range []uint32{0o000, 0o700, 0o070, 0o007, 0o640, 0o604, 0o444, 0o222, 0o111, 0o351} {
		path := fmt.Sprintf("d/%03o", mode)
		t.file(path, "x", mode)
		t.must("chown", unix.Chown(path, 1001, 2000))
		for _, u := range users {
			t.as(u.uid, u.gid, u.groups, func() {
				var line []string
				for _, want := range []uint32{unix.R_OK, unix.W_OK, unix.X_OK} {
					line = append(line, errName(unix.Faccessat(unix.AT_FDCWD, path, want, 0)))
				}
				for _, flags := range []int{unix.O_RDONLY, unix.O_WRONLY, unix.O_RDWR} {
					fd, err := unix.Open(path, flags, 0)
					if err == nil {
						unix.Close(fd)
					}
					line = append(line, errName(err))
				}
				line = append(line, errName(unix.Truncate(path, 1)))
				t.note(fmt.Sprintf("%03o for %s", mode, u.name), line)
			})
		}
	}
}

func permDirectories(t *T) {
	for _, mode := range []uint32{0o000, 0o100, 0o200, 0o300, 0o400, 0o500, 0o600, 0o700} {
		d := fmt.Sprintf("d%03o", mode)
		t.dir(d, 0o755)
		t.file(d+"/f", "f", 0o644)
		t.file(d+"/g", "g", 0o644)
		t.must("chown", unix.Chown(d, 1001, 1001))
		t.must("chmod", unix.Chmod(d, mode))
		t.as(1001, 1001, nil, func() {
			t.stat(d + "/f")
			t.opens(d+"/f", unix.O_RDONLY, 0)
			t.opens(d+"/none", unix.O_RDONLY, 0)
			t.opens(d+"/new", unix.O_CREAT|unix.O_WRONLY, 0o644)
			t.opens(d+"/f", unix.O_CREAT|unix.O_WRONLY, 0o644)
			t.do("unlink", unix.Unlink(d+"/f"))
			t.do("rename", unix.Rename(d+"/g", d+"/h"))
			t.do("mkdir", unix.Mkdir(d+"/sub", 0o755))
			t.do("mkdir of what exists", unix.Mkdir(d+"/h", 0o755))
			t.do("link", unix.Link(d+"/new", d+"/l"))
			t.do("symlink", unix.Symlink("x", d+"/s"))
			t.opens(d, unix.O_RDONLY|unix.O_DIRECTORY, 0)
			t.do("chdir", unix.Access(d+"/.", unix.X_OK))
		})
	}
}

func permOwner(t *T) {
	t.file("f", "", 0o666)
	t.must("chown", unix.Chown("f", 1001, 1001))
	t.as(1002, 1002, nil, func() {
		t.do("chmod another's", unix.Chmod("f", 0o777))
		t.do("chown another's", unix.Chown("f", 1002, -1))
		t.do("chgrp another's", unix.Chown("f", -1, 1002))
		t.do("chown to what it is", unix.Chown("f", 1001, 1001))
	})
	t.as(1001, 1001, []uint32{2000}, func() {
		t.do("chmod", unix.Chmod("f", 0o640))
		t.do("give away", unix.Chown("f", 1002, -1))
		t.do("chown to self", unix.Chown("f", 1001, -1))
		t.do("chgrp to a group of mine", unix.Chown("f", -1, 2000))
		t.do("chgrp to another", unix.Chown("f", -1, 3000))
		t.do("mknod of a device", unix.Mknod("c", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
	})
	t.stat("f")
}

func permTimes(t *T) {
	past := []unix.Timespec{{Sec: 1000}, {Sec: 2000}}
	now := []unix.Timespec{{Nsec: unix.UTIME_NOW}, {Nsec: unix.UTIME_NOW}}
	one := []unix.Timespec{{Nsec: unix.UTIME_NOW}, {Nsec: unix.UTIME_OMIT}}
	none := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, {Nsec: unix.UTIME_OMIT}}
	for _, mode := range []uint32{0o666, 0o644, 0o000} {
		path := fmt.Sprintf("f%03o", mode)
		t.file(path, "", mode)
		t.must("chown", unix.Chown(path, 1001, 1001))
		for _, uid := range []int{1001, 1002} {
			t.as(uid, uid, nil, func() {
				t.do(fmt.Sprintf("past by %d of %03o", uid, mode), unix.UtimesNanoAt(unix.AT_FDCWD, path, past, 0))
				t.do("now", unix.UtimesNanoAt(unix.AT_FDCWD, path, now, 0))
				t.do("null", unix.UtimesNanoAt(unix.AT_FDCWD, path, nil, 0))
				t.do("one now", unix.UtimesNanoAt(unix.AT_FDCWD, path, one, 0))
				t.do("none", unix.UtimesNanoAt(unix.AT_FDCWD, path, none, 0))
			})
		}
	}
}

func permUmask(t *T) {
	for _, mask := range []int{0, 0o022, 0o077, 0o777} {
		unix.Umask(mask)
		name := func(kind string) string { return fmt.Sprintf("%s-%03o", kind, mask) }
		t.opens(name("f"), unix.O_CREAT|unix.O_RDWR, 0o6777)
		t.do("mkdir", unix.Mkdir(name("d"), 0o7777))
		t.do("mkfifo", unix.Mknod(name("p"), unix.S_IFIFO|0o777, 0))
		t.do("symlink", unix.Symlink("x", name("l")))
		for _, kind := range []string{"f", "d", "p", "l"} {
			t.stat(name(kind))
		}
	}
	unix.Umask(0o022)
}

func permXattrs(t *T) {
	t.file("f", "", 0o644)
	t.must("setxattr", unix.Setxattr("f", "user.a", []byte("1"), 0))
	t.must("setxattr", unix.Setxattr("f", "trusted.a", []byte("2"), 0))
	t.as(1001, 1001, nil, func() {
		p := make([]byte, 100)
		_, err := unix.Getxattr("f", "user.a", p)
		t.do("read user.", err)
		_, err = unix.Getxattr("f", "trusted.a", p)
		t.do("read trusted.", err)
		t.do("set user.", unix.Setxattr("f", "user.b", []byte("1"), 0))
		t.do("set trusted.", unix.Setxattr("f", "trusted.b", []byte("1"), 0))
		t.do("set security.", unix.Setxattr("f", "security.capability", []byte(fileCapability), 0))
		t.do("remove user.", unix.Removexattr("f", "user.a"))
		n, err := unix.Listxattr("f", p)
		t.note("list", errName(err), fmt.Sprintf("%q", p[:max(n, 0)]))
	})
	t.dir("sticky", 0o777)
	t.must("chmod", unix.Chmod("sticky", 0o1777))
	t.as(1001, 1001, nil, func() { t.do("user. on another's sticky directory", unix.Setxattr("sticky", "user.a", []byte("1"), 0)) })
}
