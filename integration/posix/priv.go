package posix

import (
	"fmt"

	"golang.org/x/sys/unix"
)

func privCases() []Case {
	return []Case{
		{"priv/write", privWrite},
		{"priv/truncate", privTruncate},
		{"priv/fallocate", privFallocate},
		{"priv/chown", privChown},
		{"priv/chmod", privChmod},
		{"priv/setgid directories", privDirectories},
		{"priv/mmap", privMmap},
	}
}

// fileCapability is a value of security.capability: version 2, effective,
// cap_net_raw permitted.
var fileCapability = "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// privModes are those between which something is lost or kept.
var privModes = []uint32{0o6777, 0o6767, 0o4755, 0o2755, 0o2745, 0o6666, 0o7711}

// each runs f, as root and as another, on a fresh file of every mode that root
// owns and all may write, and records what is left of the mode.
func (t *T) eachPriv(what string, f func(path string) error) {
	for i, mode := range privModes {
		for _, uid := range []int{0, 1001} {
			path := fmt.Sprintf("%s-%d-%d", what, i, uid)
			t.file(path, "some bytes", 0o600)
			t.must("setxattr", unix.Setxattr(path, "security.capability", []byte(fileCapability), 0))
			t.must("chown", unix.Chown(path, uid, uid))
			t.must("setxattr", unix.Setxattr(path, "security.capability", []byte(fileCapability), 0))
			t.must("chmod", unix.Chmod(path, mode))
			var err error
			if uid == 0 {
				err = f(path)
			} else {
				t.as(uid, uid, nil, func() { err = f(path) })
			}
			_, capErr := unix.Getxattr(path, "security.capability", make([]byte, 100))
			t.mode(fmt.Sprintf("%s by %d of %04o: %s, capability %s, mode", what, uid, mode, errName(err), errName(capErr)), path)
		}
	}
}

func privWrite(t *T) {
	t.eachPriv("write", func(path string) error {
		return withFile(path, func(fd int) error { _, err := unix.Pwrite(fd, []byte("x"), 0); return err })
	})
	t.eachPriv("write nothing", func(path string) error {
		return withFile(path, func(fd int) error { _, err := unix.Pwrite(fd, nil, 0); return err })
	})
	t.eachPriv("append", func(path string) error {
		return withFile(path, func(fd int) error { _, err := unix.Pwrite(fd, make([]byte, 200_000), 10); return err })
	})
}

func withFile(path string, f func(fd int) error) error {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return f(fd)
}

func privTruncate(t *T) {
	t.eachPriv("truncate", func(path string) error { return unix.Truncate(path, 3) })
	t.eachPriv("truncate to the same", func(path string) error { return unix.Truncate(path, 10) })
	t.eachPriv("O_TRUNC", func(path string) error {
		fd, err := unix.Open(path, unix.O_WRONLY|unix.O_TRUNC, 0)
		if err == nil {
			err = unix.Close(fd)
		}
		return err
	})
}

func privFallocate(t *T) {
	t.eachPriv("fallocate", func(path string) error {
		return withFile(path, func(fd int) error { return unix.Fallocate(fd, 0, 0, 100) })
	})
	t.eachPriv("punch", func(path string) error {
		return withFile(path, func(fd int) error {
			return unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, 5)
		})
	})
}

func privChown(t *T) {
	t.eachPriv("chown to the same", func(path string) error {
		var st unix.Stat_t
		if err := unix.Stat(path, &st); err != nil {
			return err
		}
		return unix.Chown(path, int(st.Uid), int(st.Gid))
	})
	t.file("f", "", 0o644)
	t.must("chown", unix.Chown("f", 1001, 1001))
	t.must("chmod", unix.Chmod("f", 0o6777))
	t.as(1001, 1001, nil, func() { t.do("chown of nothing", unix.Chown("f", -1, -1)) })
	t.stat("f")
	t.eachPriv("chown away", func(path string) error { return unix.Chown(path, 1002, -1) })
	t.eachPriv("chgrp away", func(path string) error { return unix.Chown(path, -1, 1002) })
	t.dir("d", 0o755)
	t.must("chmod", unix.Chmod("d", 0o7777))
	t.do("chown of a directory", unix.Chown("d", 1001, 1001))
	t.stat("d")
	t.as(1001, 1001, []uint32{2000}, func() { t.do("chgrp of a directory", unix.Chown("d", -1, 2000)) })
	t.stat("d")
}

// privChmod: g+s is refused, silently, to who is not in the group.
func privChmod(t *T) {
	for _, gid := range []int{1001, 2000, 3000} {
		file, dir := fmt.Sprintf("f%d", gid), fmt.Sprintf("d%d", gid)
		t.file(file, "", 0o600)
		t.dir(dir, 0o700)
		for _, p := range []string{file, dir} {
			t.must("chown", unix.Chown(p, 1001, gid))
			t.as(1001, 1001, []uint32{2000}, func() { t.do("chmod "+p, unix.Chmod(p, 0o7777)) })
			t.stat(p)
			t.as(1002, 1002, nil, func() { t.do("chmod another's "+p, unix.Chmod(p, 0o777)) })
		}
	}
	t.as(1001, 1001, nil, func() { t.do("sticky on a file", unix.Chmod("f1001", 0o1644)) })
	t.stat("f1001")
}

func privDirectories(t *T) {
	t.dir("d", 0o777)
	t.must("chown", unix.Chown("d", 0, 2000))
	t.must("chmod", unix.Chmod("d", 0o2777))
	t.as(1001, 1001, nil, func() {
		t.opens("d/f", unix.O_CREAT|unix.O_WRONLY, 0o644)
		t.opens("d/x", unix.O_CREAT|unix.O_WRONLY, 0o2775)
		t.do("mkdir", unix.Mkdir("d/sub", 0o755))
		t.do("mkfifo", unix.Mkfifo("d/p", 0o644))
		t.do("symlink", unix.Symlink("f", "d/l"))
		t.do("mknod g+s", unix.Mknod("d/n", unix.S_IFREG|0o2775, 0))
	})
	t.as(1001, 1001, []uint32{2000}, func() { t.opens("d/member", unix.O_CREAT|unix.O_WRONLY, 0o2775) })
	for _, name := range []string{"f", "x", "sub", "p", "l", "n", "member"} {
		t.stat("d/" + name)
	}
	t.opens("d/sub/below", unix.O_CREAT|unix.O_WRONLY, 0o644)
	t.stat("d/sub/below")
	t.do("mkdir", unix.Mkdir("d/sub/subsub", 0o700))
	t.stat("d/sub/subsub")
	t.dir("plain", 0o755)
	t.must("rename", unix.Rename("plain", "d/plain"))
	t.stat("d/plain")
}

func privMmap(t *T) {
	t.file("f", "0123456789", 0o600)
	t.must("chown", unix.Chown("f", 1001, 1001))
	t.must("chmod", unix.Chmod("f", 0o6777))
	t.as(1001, 1001, nil, func() {
		t.do("write through a mapping", withFile("f", func(fd int) error {
			m, err := unix.Mmap(fd, 0, 10, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
			if err != nil {
				return err
			}
			m[0] = 'X'
			if err := unix.Msync(m, unix.MS_SYNC); err != nil {
				return err
			}
			return unix.Munmap(m)
		}))
	})
	t.content("f")
	t.mode("mode", "f")
}
