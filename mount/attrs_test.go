package mount

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func attrChildren() map[string]childFunc {
	return map[string]childFunc{
		"modes": childModes,
		"priv":  childPriv,
		"times": childTimes,
		"umask": childUmask,
	}
}

func modeOf(c *checks, path string) string {
	var st unix.Stat_t
	c.ok(unix.Lstat(path, &st), "stat")
	return fmt.Sprintf("%06o", st.Mode)
}

// TestModes sets all sixteen combinations of the special bits and sees them
// again, also after the kernel had to ask.
func TestModes(t *testing.T) {
	m := mountMem(t, Options{})
	do(t, "modes", m.Dir())
}

func childModes(args []string) error {
	var c checks
	f, d := filepath.Join(args[0], "f"), filepath.Join(args[0], "d")
	c.ok(os.WriteFile(f, nil, 0o600), "write")
	c.ok(os.Mkdir(d, 0o700), "mkdir")
	for special := range uint32(8) {
		for _, perm := range []uint32{0, 0o754, 0o777} {
			mode := special<<9 | perm
			c.ok(unix.Chmod(f, mode), "chmod")
			c.equal(modeOf(&c, f), fmt.Sprintf("%06o", unix.S_IFREG|mode), "mode of the file")
			c.ok(unix.Chmod(d, mode), "chmod")
			c.equal(modeOf(&c, d), fmt.Sprintf("%06o", unix.S_IFDIR|mode), "mode of the directory")
		}
	}
	c.ok(os.Chown(f, 12, 34), "chown")
	c.ok(os.Chown(f, -1, 56), "chgrp")
	var st unix.Stat_t
	c.ok(unix.Stat(f, &st), "stat")
	c.equal([]any{st.Uid, st.Gid}, []any{12, 56}, "owner")
	return c.err()
}

// TestPriv: writing, truncating and giving away clear setuid and setgid.
func TestPriv(t *testing.T) {
	m := mountMem(t, Options{})
	do(t, "priv", m.Dir())
}

func childPriv(args []string) error {
	var c checks
	p := filepath.Join(args[0], "f")
	c.ok(os.WriteFile(p, []byte("x"), 0o777), "write")
	c.ok(unix.Chmod(p, 0o6777), "chmod")
	c.ok(os.Chown(p, 1001, 1001), "chown")
	c.equal(modeOf(&c, p), "100777", "mode after chown")
	c.ok(unix.Chmod(p, 0o6777), "chmod")
	c.ok(become(1002), "become another")
	f, err := os.OpenFile(p, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString("y")
	c.ok(err, "write")
	c.equal(modeOf(&c, p), "100777", "mode after another's write")
	c.fails(unix.Chmod(p, 0o4777), syscall.EPERM, "chmod another's file")
	c.fails(os.Chown(p, 1002, 1002), syscall.EPERM, "take another's file")
	c.fails(os.WriteFile(filepath.Join(args[0], "new"), nil, 0o600), syscall.EACCES, "create in root's directory")
	return c.err()
}

// TestTimes sets times from before 1970 to beyond what 64 bits of nanoseconds
// can hold, to the nanosecond.
func TestTimes(t *testing.T) { do(t, "times", mountMem(t, Options{}).Dir()) }

func childTimes(args []string) error {
	var c checks
	p := filepath.Join(args[0], "f")
	c.ok(os.WriteFile(p, nil, 0o600), "write")
	var st unix.Stat_t
	for _, want := range []unix.Timespec{
		{Sec: 0, Nsec: 1}, {Sec: 1700000000, Nsec: 999999999}, {Sec: -1, Nsec: 500000000}, {Sec: -1, Nsec: 0},
		{Sec: -12345678901, Nsec: 123456789}, {Sec: 253402300799, Nsec: 7}, {Sec: math.MaxInt32 + 1, Nsec: 3},
	} {
		c.ok(unix.UtimesNanoAt(unix.AT_FDCWD, p, []unix.Timespec{{Sec: 5, Nsec: 6}, want}, 0), "utimensat")
		c.ok(unix.Stat(p, &st), "stat")
		c.equal([]any{st.Mtim, st.Atim}, []any{want, unix.Timespec{Sec: 5, Nsec: 6}}, "times")
	}
	before := time.Now().Add(-time.Second)
	c.ok(unix.UtimesNanoAt(unix.AT_FDCWD, p, []unix.Timespec{{Nsec: unix.UTIME_OMIT}, {Nsec: unix.UTIME_NOW}}, 0), "now")
	c.ok(unix.Stat(p, &st), "stat")
	c.equal(time.Unix(st.Mtim.Unix()).After(before), true, "mtime is now")
	c.equal(st.Atim, unix.Timespec{Sec: 5, Nsec: 6}, "atime is left alone")
	ctim := st.Ctim
	c.ok(os.Chmod(p, 0o644), "chmod")
	c.ok(unix.Stat(p, &st), "stat")
	c.equal(st.Ctim.Nano() > ctim.Nano(), true, "ctime moves with a chmod")
	f, err := os.OpenFile(p, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	c.ok(unix.Futimes(int(f.Fd()), []unix.Timeval{{Sec: 7}, {Sec: 8}}), "futimes")
	c.ok(unix.Fstat(int(f.Fd()), &st), "fstat")
	c.equal(st.Mtim.Sec, 8, "mtime through a descriptor")
	c.ok(f.Close(), "close")
	return c.err()
}

func TestUmask(t *testing.T) { do(t, "umask", mountMem(t, Options{}).Dir()) }

func childUmask(args []string) error {
	var c checks
	in := func(name string) string { return filepath.Join(args[0], name) }
	syscall.Umask(0o027)
	c.ok(os.WriteFile(in("f"), nil, 0o666), "create")
	c.equal(modeOf(&c, in("f")), "100640", "file")
	c.ok(os.Mkdir(in("d"), 0o777), "mkdir")
	c.equal(modeOf(&c, in("d")), "040750", "directory")
	c.ok(unix.Mknod(in("p"), unix.S_IFIFO|0o666, 0), "mkfifo")
	c.equal(modeOf(&c, in("p")), "010640", "fifo")
	c.ok(os.Chown(in("d"), 0, 77), "chgrp")
	c.ok(unix.Chmod(in("d"), 0o2775), "chmod g+s")
	c.ok(os.WriteFile(in("d/f"), nil, 0o666), "create below")
	c.ok(os.Mkdir(in("d/e"), 0o777), "mkdir below")
	c.equal(modeOf(&c, in("d/e")), "042750", "a directory inherits setgid")
	var st unix.Stat_t
	c.ok(unix.Stat(in("d/f"), &st), "stat")
	c.equal(st.Gid, 77, "a file inherits the group")
	return c.err()
}
