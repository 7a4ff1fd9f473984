package posix

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

func openCases() []Case {
	return []Case{
		{"open/flags", openFlags},
		{"open/directories", openDirectories},
		{"open/links", openLinks},
		{"open/path", openPath},
		{"open/truncate", openTruncate},
		{"open/append", openAppend},
		{"open/append by several processes", openAppendMany},
		{"open/direct", openDirect},
		{"open/sync", openSync},
		{"open/busy program", openBusyProgram},
	}
}

func openFlags(t *T) {
	t.opens("none", unix.O_RDONLY, 0)
	t.opens("new", unix.O_CREAT|unix.O_RDONLY, 0o640)
	t.stat("new")
	t.opens("new", unix.O_CREAT|unix.O_EXCL|unix.O_RDWR, 0o600)
	t.opens("new", unix.O_CREAT|unix.O_RDWR, 0o600)
	t.stat("new")
	t.opens("readonly", unix.O_CREAT|unix.O_WRONLY, 0o000)
	t.opens("none/new", unix.O_CREAT|unix.O_RDWR, 0o600)
	t.opens("new/below", unix.O_RDONLY, 0)
	t.opens("new/below", unix.O_CREAT|unix.O_RDONLY, 0o600)
	t.opens("new/", unix.O_RDONLY, 0)
	t.opens("other/", unix.O_CREAT|unix.O_RDWR, 0o600)
	t.opens("", unix.O_RDONLY, 0)
	fd := t.open("new", unix.O_RDONLY, 0)
	t.write(fd, "no")
	t.do("ftruncate of what is read only", unix.Ftruncate(fd, 1))
	unix.Close(fd)
	fd = t.open("new", unix.O_WRONLY, 0)
	t.pread(fd, 1, 0)
	t.pwrite(fd, "xyz", -1)
	unix.Close(fd)
	t.opens("special bits", unix.O_CREAT|unix.O_WRONLY, 0o7777)
	t.stat("special bits")
}

func openDirectories(t *T) {
	t.dir("d", 0o755)
	for _, flags := range []int{
		unix.O_RDONLY, unix.O_WRONLY, unix.O_RDWR, unix.O_RDONLY | unix.O_DIRECTORY, unix.O_CREAT | unix.O_RDONLY,
		unix.O_CREAT | unix.O_EXCL | unix.O_RDONLY, unix.O_RDONLY | unix.O_TRUNC, unix.O_CREAT | unix.O_DIRECTORY | unix.O_RDONLY,
		unix.O_APPEND | unix.O_RDONLY,
	} {
		t.opens("d", flags, 0o600)
	}
	t.file("f", "", 0o644)
	t.opens("f", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	fd := t.fd("d", unix.O_RDONLY)
	defer unix.Close(fd)
	_, err := unix.Read(fd, make([]byte, 10))
	t.do("read of a directory", err)
	_, err = unix.Pread(fd, make([]byte, 10), 0)
	t.do("pread of a directory", err)
	t.do("ftruncate of a directory", unix.Ftruncate(fd, 0))
	t.do("truncate of a directory", unix.Truncate("d", 0))
	t.do("fsync of a directory", unix.Fsync(fd))
	t.do("fdatasync of a directory", unix.Fdatasync(fd))
	t.do("fallocate of a directory", unix.Fallocate(fd, 0, 0, 10))
}

func openLinks(t *T) {
	t.file("f", "file", 0o644)
	t.must("symlink", unix.Symlink("f", "to f"))
	t.must("symlink", unix.Symlink("new", "to new"))
	t.must("symlink", unix.Symlink("loop", "loop"))
	t.opens("to f", unix.O_RDONLY, 0)
	t.opens("to f", unix.O_RDONLY|unix.O_NOFOLLOW, 0)
	t.opens("to f", unix.O_CREAT|unix.O_EXCL|unix.O_RDWR, 0o600)
	t.opens("to f", unix.O_DIRECTORY|unix.O_RDONLY, 0)
	t.opens("to new", unix.O_RDONLY, 0)
	t.opens("to new", unix.O_CREAT|unix.O_EXCL|unix.O_RDWR, 0o600)
	t.opens("to new", unix.O_CREAT|unix.O_RDWR|unix.O_NOFOLLOW, 0o600)
	t.opens("to new", unix.O_CREAT|unix.O_RDWR, 0o600)
	t.stat("new")
	t.opens("loop", unix.O_RDONLY, 0)
	t.opens("loop", unix.O_RDONLY|unix.O_NOFOLLOW, 0)
	t.opens("loop/below", unix.O_RDONLY, 0)
}

func openPath(t *T) {
	t.file("f", "file", 0o644)
	t.must("symlink", unix.Symlink("f", "l"))
	fd := t.open("f", unix.O_PATH, 0)
	_, err := unix.Read(fd, make([]byte, 1))
	t.do("read of O_PATH", err)
	t.do("fchmod of O_PATH", unix.Fchmod(fd, 0o600))
	t.fstat(fd)
	again := t.open(fmt.Sprintf("/proc/self/fd/%d", fd), unix.O_RDONLY, 0)
	t.trace = t.trace[:len(t.trace)-1] // it has a number in it
	t.pread(again, 10, 0)
	unix.Close(again)
	unix.Close(fd)
	fd = t.open("l", unix.O_PATH|unix.O_NOFOLLOW, 0)
	t.fstat(fd)
	p := make([]byte, 100)
	n, err := unix.Readlinkat(fd, "", p)
	t.note("readlink of O_PATH", errName(err), string(p[:max(n, 0)]))
	unix.Close(fd)
}

func openTruncate(t *T) {
	t.file("f", "some bytes", 0o644)
	t.opens("f", unix.O_WRONLY|unix.O_TRUNC, 0)
	t.stat("f")
	t.file("g", strings.Repeat("x", 100_000), 0o644)
	reader := t.fd("g", unix.O_RDONLY)
	t.pread(reader, 4, 90_000)
	t.opens("g", unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC, 0)
	t.pread(reader, 4, 0)
	t.fstat(reader)
	unix.Close(reader)
	t.file("ro", "bytes", 0o444)
	t.as(1001, 1001, nil, func() { t.opens("ro", unix.O_RDONLY|unix.O_TRUNC, 0) })
	t.stat("ro")
	t.opens("ro", unix.O_RDONLY|unix.O_TRUNC, 0)
	t.stat("ro")
}

func openAppend(t *T) {
	t.file("f", "begin ", 0o644)
	a, b := t.fd("f", unix.O_WRONLY|unix.O_APPEND), t.fd("f", unix.O_RDWR)
	t.write(a, "one ")
	t.write(b, "BEGIN ")
	t.write(a, "two ")
	t.pwrite(a, "three ", 0) // Linux appends it
	t.content("f")
	off, err := unix.Seek(a, 0, 1)
	t.note("offset", off, errName(err))
	t.do("ftruncate", unix.Ftruncate(a, 3))
	t.write(a, "end")
	t.content("f")
	unix.Close(a)
	unix.Close(b)
}

// openAppendMany: four processes append lines at once, and none is lost, torn
// or in another's place.
func openAppendMany(t *T) {
	t.file("f", "", 0o644)
	const count = 500
	var cmds []*exec.Cmd
	for _, tag := range []string{"a", "b", "c", "d"} {
		cmd := role("append", "f", tag, fmt.Sprint(count))
		t.must("start", cmd.Start())
		cmds = append(cmds, cmd)
	}
	for _, cmd := range cmds {
		t.do("appender", cmd.Wait())
	}
	raw, err := os.ReadFile("f")
	t.do("read", err)
	lines := slices.Collect(strings.Lines(string(raw)))
	inOrder := map[byte]int{}
	bad := 0
	for _, l := range lines {
		var tag, rest string
		var i int
		n, _ := fmt.Sscanf(l, "%s %d %s", &tag, &i, &rest) // rest is empty for some
		if n < 2 || len(tag) != 1 || inOrder[tag[0]] != i || rest != strings.Repeat(tag, i%90) {
			bad++
			continue
		}
		inOrder[tag[0]]++
	}
	t.note("lines", len(lines), "bad", bad)
}

func openDirect(t *T) {
	fd := t.open("f", unix.O_CREAT|unix.O_RDWR|unix.O_DIRECT, 0o644)
	p := aligned(8192)
	for i := range p {
		p[i] = byte(i / 512)
	}
	n, err := unix.Pwrite(fd, p, 4096)
	t.note("write", n, errName(err))
	q := aligned(16384)
	n, err = unix.Pread(fd, q, 0)
	t.note("read", n, errName(err), brief(q[:max(n, 0)]))
	plain := t.fd("f", unix.O_RDWR)
	t.pwrite(plain, "cached", 4096)
	n, err = unix.Pread(fd, q[:4096], 4096)
	t.note("read what was written to the page cache", n, errName(err), brief(q[:16]))
	n, err = unix.Pwrite(fd, p[4096:], 4096)
	t.note("write around the page cache", n, errName(err))
	t.pread(plain, 16, 4096)
	t.fstat(fd)
	unix.Close(plain)
	unix.Close(fd)
}

// aligned returns n bytes at an address that O_DIRECT takes.
func aligned(n int) []byte {
	p := make([]byte, n+4096)
	skip := -int(uintptr(unsafe.Pointer(&p[0]))) & 4095
	return p[skip : skip+n]
}

func openSync(t *T) {
	for _, flags := range []int{unix.O_SYNC, unix.O_DSYNC} {
		fd := t.open("f", unix.O_CREAT|unix.O_RDWR|flags, 0o644)
		t.write(fd, "synchronous")
		t.do("fsync", unix.Fsync(fd))
		t.do("fdatasync", unix.Fdatasync(fd))
		t.do("sync_file_range", unix.SyncFileRange(fd, 0, 0, 7))
		t.do("syncfs", unix.Syncfs(fd))
		unix.Close(fd)
	}
	t.content("f")
}

// openBusyProgram: a program that runs can not be written, and one that is
// written can not be run.
func openBusyProgram(t *T) {
	program, err := os.ReadFile("/bin/sleep")
	t.must("read sleep", err)
	t.must("copy it", os.WriteFile("sleep", program, 0o755))
	run := exec.Command("./sleep", "1000")
	t.do("exec", run.Start())
	t.opens("sleep", unix.O_WRONLY, 0)
	t.opens("sleep", unix.O_RDWR|unix.O_TRUNC, 0)
	t.do("truncate", unix.Truncate("sleep", 0))
	t.opens("sleep", unix.O_RDONLY, 0)
	t.do("unlink of a program that runs", unix.Unlink("sleep"))
	t.must("end it", run.Process.Kill())
	_ = run.Wait() // it was killed
	t.must("copy it", os.WriteFile("sleep", program, 0o755))
	fd := t.open("sleep", unix.O_WRONLY, 0)
	t.do("exec of what is open for writing", exec.Command("./sleep", "0").Run())
	unix.Close(fd)
	t.do("exec", exec.Command("./sleep", "0").Run())
	t.must("chmod", unix.Chmod("sleep", 0o644))
	t.do("exec without x", exec.Command("./sleep", "0").Run())
	t.must("write", os.WriteFile("script", []byte("#!/bin/sh\necho script $1\n"), 0o755))
	out, err := exec.Command("./script", "runs").Output()
	t.note("script", string(out), errName(err))
}
