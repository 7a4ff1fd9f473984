package posix

import (
	"crypto/sha256"
	"fmt"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// open records what came of an open, and returns the descriptor or -1.
func (t *T) open(path string, flags int, mode uint32) int {
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, mode)
	t.do(fmt.Sprintf("open %.40q %s", path, flagNames(flags)), err)
	if err != nil {
		return -1
	}
	return fd
}

// opens is open of what is closed again at once.
func (t *T) opens(path string, flags int, mode uint32) {
	if fd := t.open(path, flags, mode); fd >= 0 {
		unix.Close(fd)
	}
}

// fd returns a descriptor of a path that must open.
func (t *T) fd(path string, flags int) int {
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0o644)
	t.must("open "+path, err)
	return fd
}

// file makes a file.
func (t *T) file(path, content string, mode uint32) {
	fd, err := unix.Open(path, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	t.must("create "+path, err)
	defer unix.Close(fd)
	if content != "" {
		_, err = unix.Write(fd, []byte(content))
		t.must("write "+path, err)
	}
	t.must("chmod "+path, unix.Fchmod(fd, mode))
}

func (t *T) dir(path string, mode uint32) {
	t.must("mkdir "+path, unix.Mkdir(path, 0o700))
	t.must("chmod "+path, unix.Chmod(path, mode))
}

// write records what came of a write.
func (t *T) write(fd int, text string) {
	n, err := unix.Write(fd, []byte(text))
	t.note(fmt.Sprintf("write %.20q", text), n, errName(err))
}

func (t *T) pwrite(fd int, text string, off int64) {
	n, err := unix.Pwrite(fd, []byte(text), off)
	t.note(fmt.Sprintf("pwrite %.20q at %d", text, off), n, errName(err))
}

// pread records bytes as they were read.
func (t *T) pread(fd, size int, off int64) {
	p := make([]byte, size)
	n, err := unix.Pread(fd, p, off)
	t.note(fmt.Sprintf("pread %d at %d", size, off), errName(err), brief(p[:max(n, 0)]))
}

// brief shows short contents, and the hash of long ones.
func brief(p []byte) string {
	if len(p) <= 64 {
		return fmt.Sprintf("%q", p)
	}
	return fmt.Sprintf("%d bytes %x", len(p), sha256.Sum256(p))
}

// content records a file's bytes, up to 4 MiB of them.
func (t *T) content(path string) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.do("read "+path, err)
		return
	}
	defer unix.Close(fd)
	p := make([]byte, 4<<20)
	at := 0
	for at < len(p) {
		n, err := unix.Read(fd, p[at:])
		if n <= 0 || err != nil {
			if err != nil {
				t.do("read "+path, err)
			}
			break
		}
		at += n
	}
	t.note("content of "+path, brief(p[:at]))
}

// stat records what does not change by itself.
func (t *T) stat(path string) {
	var st unix.Stat_t
	err := unix.Lstat(path, &st)
	if err != nil {
		t.do(fmt.Sprintf("stat %.40q", path), err)
		return
	}
	t.note(fmt.Sprintf("stat %.40q", path), statLine(&st))
}

func (t *T) fstat(fd int) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		t.do("fstat", err)
		return
	}
	t.note("fstat", statLine(&st))
}

func statLine(st *unix.Stat_t) string {
	size := fmt.Sprint(st.Size)
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		size = "-"
	}
	return fmt.Sprintf("%06o nlink %d owner %d:%d size %s rdev %#x", st.Mode, st.Nlink, st.Uid, st.Gid, size, st.Rdev)
}

// mode records type and permission bits.
func (t *T) mode(what, path string) {
	var st unix.Stat_t
	err := unix.Lstat(path, &st)
	t.note(what, errName(err), fmt.Sprintf("%06o", st.Mode))
}

// as runs f on a thread with other credentials, as a process of that user
// would: without capabilities unless uid is 0.
func (t *T) as(uid, gid int, groups []uint32, f func()) {
	done := make(chan any)
	go func() {
		defer func() { done <- recover() }()
		runtime.LockOSThread() // and never unlocked: the thread ends here
		if err := become(uid, gid, groups); err != nil {
			panic(err)
		}
		f()
	}()
	if p := <-done; p != nil {
		panic(p)
	}
}

func become(uid, gid int, groups []uint32) error {
	var list unsafe.Pointer
	if len(groups) > 0 {
		list = unsafe.Pointer(&groups[0])
	}
	if _, _, e := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(groups)), uintptr(list), 0); e != 0 {
		return e
	}
	if _, _, e := unix.RawSyscall(unix.SYS_SETRESGID, uintptr(gid), uintptr(gid), uintptr(gid)); e != 0 {
		return e
	}
	if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)); e != 0 {
		return e
	}
	return nil
}

// wait polls until ok, and gives up after a while that no machine needs.
func (t *T) wait(what string, ok func() bool) {
	end := time.Now().Add(30 * time.Second)
	for !ok() {
		if time.Now().After(end) {
			t.note("not within 30 s", what)
			panic(errStop)
		}
		time.Sleep(time.Millisecond)
	}
}

// flagNames shows the flags of open(2).
func flagNames(flags int) string {
	names := []string{"RDONLY", "WRONLY", "RDWR", "ACCMODE"}[flags&unix.O_ACCMODE]
	for _, f := range []struct {
		bits int
		name string
	}{
		{unix.O_CREAT, "CREAT"}, {unix.O_EXCL, "EXCL"}, {unix.O_TRUNC, "TRUNC"}, {unix.O_APPEND, "APPEND"},
		{unix.O_DIRECT, "DIRECT"}, {unix.O_SYNC, "SYNC"}, {unix.O_DSYNC, "DSYNC"}, {unix.O_NOFOLLOW, "NOFOLLOW"},
		{unix.O_DIRECTORY, "DIRECTORY"}, {unix.O_PATH, "PATH"}, {unix.O_NOATIME, "NOATIME"},
		{unix.O_TMPFILE &^ unix.O_DIRECTORY, "TMPFILE"}, {unix.O_NONBLOCK, "NONBLOCK"},
	} {
		if flags&f.bits == f.bits {
			names += "|" + f.name
		}
	}
	return names
}
