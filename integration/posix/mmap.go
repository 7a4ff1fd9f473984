package posix

import (
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"

	"golang.org/x/sys/unix"
)

func mmapCases() []Case {
	return []Case{
		{"mmap/shared", mmapShared},
		{"mmap/private", mmapPrivate},
		{"mmap/truncated", mmapTruncated},
		{"mmap/errors", mmapErrors},
		{"mmap/unlinked", mmapUnlinked},
		{"mmap/exec", mmapExec},
		{"mmap/seek and copy", mmapSeekCopy},
	}
}

func (t *T) mmap(fd, size, prot, flags int) []byte {
	m, err := unix.Mmap(fd, 0, size, prot, flags)
	t.must("mmap", err)
	return m
}

func mmapShared(t *T) {
	t.file("f", strings.Repeat("0123456789", 2000), 0o644)
	fd := t.fd("f", unix.O_RDWR)
	m := t.mmap(fd, 20_000, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	t.note("mapped", brief(m[:20]), brief(m))
	copy(m[5000:], "through the mapping")
	t.pread(fd, 30, 4995)
	t.note("another process sees", brief([]byte(t.play("peek", "f"))))
	t.do("msync", unix.Msync(m, unix.MS_SYNC))
	t.do("msync async", unix.Msync(m, unix.MS_ASYNC))
	t.pwrite(fd, "through write", 7000)
	t.note("mapped", brief(m[6995:7015]))
	t.do("ftruncate up", unix.Ftruncate(fd, 30_000))
	t.do("munmap", unix.Munmap(m))
	t.do("fsync", unix.Fsync(fd))
	unix.Close(fd)
	t.note("another process sees", brief([]byte(t.play("peek", "f"))))
	t.content("f")
}

func mmapPrivate(t *T) {
	t.file("f", strings.Repeat("0123456789", 1000), 0o644)
	fd := t.fd("f", unix.O_RDONLY)
	m := t.mmap(fd, 10_000, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE)
	copy(m, "only here")
	t.note("mapped", brief(m[:20]))
	t.do("msync", unix.Msync(m, unix.MS_SYNC))
	t.do("munmap", unix.Munmap(m))
	unix.Close(fd)
	t.content("f")
}

// mmapTruncated: pages beyond the end raise SIGBUS, the rest of the last one
// reads as zeros and is not stored.
func mmapTruncated(t *T) {
	t.file("f", strings.Repeat("x", 20_000), 0o644)
	fd := t.fd("f", unix.O_RDWR)
	defer unix.Close(fd)
	m := t.mmap(fd, 20_000, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	t.note("before", fault(func() { _ = m[19_000] }))
	t.do("ftruncate", unix.Ftruncate(fd, 5000))
	t.note("inside", m[4999], m[5000])
	t.note("beyond", fault(func() { t.note("read", m[9000]) }))
	t.do("msync", unix.Msync(m[:8192], unix.MS_SYNC))
	t.do("ftruncate up", unix.Ftruncate(fd, 20_000))
	t.note("again", fault(func() { t.note("read", m[9000], m[6000]) }))
	t.do("munmap", unix.Munmap(m))
	t.content("f")
}

// fault runs f and tells whether it faulted.
func fault(f func()) (what string) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			what = "fault"
		}
	}()
	f()
	return "no fault"
}

func mmapErrors(t *T) {
	t.file("f", "0123456789", 0o644)
	try := func(what string, flags, prot, kind int) {
		fd := t.fd("f", flags)
		defer unix.Close(fd)
		m, err := unix.Mmap(fd, 0, 10, prot, kind)
		t.do(what, err)
		if err == nil {
			t.must("munmap", unix.Munmap(m))
		}
	}
	try("writable, of what is read only", unix.O_RDONLY, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	try("private, of what is read only", unix.O_RDONLY, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE)
	try("of what is write only", unix.O_WRONLY, unix.PROT_READ, unix.MAP_SHARED)
	try("of what appends", unix.O_RDWR|unix.O_APPEND, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	try("of O_DIRECT", unix.O_RDWR|unix.O_DIRECT, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	t.dir("d", 0o755)
	fd := t.fd("d", unix.O_RDONLY)
	_, err := unix.Mmap(fd, 0, 10, unix.PROT_READ, unix.MAP_SHARED)
	t.do("of a directory", err)
	unix.Close(fd)
}

func mmapUnlinked(t *T) {
	t.file("f", strings.Repeat("x", 20_000), 0o644)
	fd := t.fd("f", unix.O_RDWR)
	m := t.mmap(fd, 20_000, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	unix.Close(fd)
	t.do("unlink", unix.Unlink("f"))
	copy(m[10_000:], "written when it had no name")
	t.do("msync", unix.Msync(m, unix.MS_SYNC))
	t.note("mapped", brief(m[9_990:10_030]))
	t.do("munmap", unix.Munmap(m))
}

// mmapExec runs programs from the file system: one that is mapped with its
// libraries, and one that runs while its name is replaced.
func mmapExec(t *T) {
	program, err := os.ReadFile("/bin/cat")
	t.must("read cat", err)
	t.must("copy it", os.WriteFile("cat", program, 0o755))
	cmd := exec.Command("./cat")
	cmd.Stdin = strings.NewReader("through a program of the mount")
	out, err := cmd.Output()
	t.note("cat", fmt.Sprintf("%q", out), errName(err))
	t.must("copy it", os.WriteFile("new", []byte("#!/bin/sh\necho new\n"), 0o755))
	r, w, err := os.Pipe()
	t.must("make a pipe", err)
	running := exec.Command("./cat")
	running.Stdin = r
	var text strings.Builder
	running.Stdout = &text
	t.must("start", running.Start())
	t.do("replace a program that runs", unix.Rename("new", "cat"))
	_, err = w.WriteString("still the old one")
	t.must("write", err)
	w.Close()
	t.do("it ends", running.Wait())
	t.note("it said", text.String())
	r.Close()
	out, err = exec.Command("./cat").Output()
	t.note("cat", fmt.Sprintf("%q", out), errName(err))
}

// mmapSeekCopy: bytes that are in memory only, written through a mapping into a
// hole, are data to lseek and are copied.
func mmapSeekCopy(t *T) {
	t.file("f", "", 0o644)
	fd := t.fd("f", unix.O_RDWR)
	defer unix.Close(fd)
	t.must("truncate", unix.Ftruncate(fd, 8<<20))
	m := t.mmap(fd, 8<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	copy(m[4<<20:], "in a hole")
	at, err := unix.Seek(fd, 0, unix.SEEK_DATA)
	t.note("data", at, errName(err))
	copy(m[6<<20:], "in another")
	out := t.open("copy", unix.O_CREAT|unix.O_RDWR, 0o644)
	defer unix.Close(out)
	n, err := unix.CopyFileRange(fd, new(int64), out, new(int64), 8<<20, 0)
	t.note("copy", n, errName(err))
	t.pread(out, 20, 4<<20)
	t.pread(out, 20, 6<<20)
	copy(m[4<<20:], "IN")
	t.pread(out, 20, 4<<20)
	t.pread(fd, 20, 4<<20)
	t.do("munmap", unix.Munmap(m))
}
