package mount

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func fileChildren() map[string]childFunc {
	return map[string]childFunc{
		"content":   childContent,
		"append":    childAppend,
		"truncate":  childTruncate,
		"fallocate": childFallocate,
		"orphan":    childOrphan,
		"mmap":      childMmap,
		"refused":   childRefused,
	}
}

func TestContent(t *testing.T) {
	m := mountMem(t, Options{})
	do(t, "content", m.Dir())
	eventually(t, "everything that was opened is released", func() bool {
		m.fs.mu.Lock()
		defer m.fs.mu.Unlock()
		for _, n := range m.fs.nodes {
			if n.opens != 0 || n.writers != 0 {
				return false
			}
		}
		return true
	})
}

func childContent(args []string) error {
	var c checks
	p := filepath.Join(args[0], "a")
	data := make([]byte, 640<<10+17)
	for i := range data {
		data[i] = byte(i * i >> 7)
	}
	c.ok(os.WriteFile(p, data, 0o644), "write")
	got, err := os.ReadFile(p)
	c.ok(err, "read")
	c.equal(bytes.Equal(got, data), true, "what was written is read")

	f, err := os.OpenFile(p, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteAt([]byte("hole"), 1<<20)
	c.ok(err, "write beyond the end")
	hole := make([]byte, 16)
	_, err = f.ReadAt(hole, 700<<10)
	c.ok(err, "read the hole")
	c.equal(hole, make([]byte, 16), "a hole reads as zeros")
	_, err = f.ReadAt(hole, 2<<20)
	c.equal(err, io.EOF, "read beyond the end")
	c.ok(f.Sync(), "fsync")
	c.ok(unix.Fdatasync(int(f.Fd())), "fdatasync")
	d, err := os.Open(args[0])
	c.ok(err, "open the directory")
	c.ok(d.Sync(), "fsync the directory")
	c.ok(d.Close(), "close the directory")
	var st syscall.Statfs_t
	c.ok(syscall.Statfs(args[0], &st), "statfs")
	c.equal([]any{st.Blocks * uint64(st.Bsize), st.Bfree * uint64(st.Bsize), st.Files, st.Ffree, st.Namelen},
		[]any{1 << 40, 1 << 39, 1 << 30, 1 << 29, 255}, "statfs")
	return c.err()
}

// TestAppend has processes append to one file at once: no record is lost or
// torn.
func TestAppend(t *testing.T) {
	m := mountMem(t, Options{})
	const writers, records = 4, 200
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() { do(t, "append", m.Dir(), fmt.Sprint(w), fmt.Sprint(records)) })
	}
	wg.Wait()
	m.fs.mu.Lock()
	defer m.fs.mu.Unlock()
	for _, n := range m.fs.nodes {
		if n.name != "log" {
			continue
		}
		lines := strings.Split(strings.TrimSpace(string(n.data)), "\n")
		seen := make(map[string]bool)
		for _, l := range lines {
			seen[l] = true
		}
		if len(lines) != writers*records || len(seen) != len(lines) {
			t.Errorf("%d lines, %d different ones, want %d", len(lines), len(seen), writers*records)
		}
		return
	}
	t.Error("no log was written")
}

func childAppend(args []string) error {
	var n int
	if _, err := fmt.Sscan(args[2], &n); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(args[0], "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	for i := range n {
		if _, err := fmt.Fprintf(f, "writer %s record %d %s\n", args[1], i, strings.Repeat("x", i)); err != nil {
			return err
		}
	}
	return f.Close()
}

func TestTruncate(t *testing.T) { do(t, "truncate", mountMem(t, Options{}).Dir()) }

func childTruncate(args []string) error {
	var c checks
	p := filepath.Join(args[0], "a")
	size := func(what string, want int64) {
		st, err := os.Stat(p)
		if err != nil {
			c.ok(err, what)
			return
		}
		c.equal(st.Size(), want, what)
	}
	c.ok(os.WriteFile(p, []byte("0123456789"), 0o644), "write")
	c.ok(os.Truncate(p, 4), "truncate")
	size("truncate", 4)
	c.ok(os.Truncate(p, 8), "extend")
	got, err := os.ReadFile(p)
	c.ok(err, "read")
	c.equal(string(got), "0123\x00\x00\x00\x00", "after shrinking and growing")

	f, err := os.OpenFile(p, os.O_RDWR|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	size("O_TRUNC", 0)
	_, err = f.WriteString("abc")
	c.ok(err, "write after O_TRUNC")
	c.ok(f.Truncate(2), "ftruncate")
	size("ftruncate", 2)
	c.ok(f.Close(), "close")
	c.ok(os.WriteFile(p, []byte("z"), 0o644), "replace the content")
	size("replace the content", 1)
	return c.err()
}

func TestFallocate(t *testing.T) { do(t, "fallocate", mountMem(t, Options{}).Dir()) }

func childFallocate(args []string) error {
	var c checks
	f, err := os.Create(filepath.Join(args[0], "a"))
	if err != nil {
		return err
	}
	defer f.Close()
	fd := int(f.Fd())
	read := func() string {
		b := make([]byte, 64)
		n, _ := f.ReadAt(b, 0)
		return strings.ReplaceAll(string(b[:n]), "\x00", ".")
	}
	_, err = f.WriteString("0123456789")
	c.ok(err, "write")
	c.ok(unix.Fallocate(fd, unix.FALLOC_FL_KEEP_SIZE, 0, 20), "KEEP_SIZE")
	c.equal(read(), "0123456789", "KEEP_SIZE")
	c.ok(unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 2, 3), "PUNCH_HOLE")
	c.equal(read(), "01...56789", "PUNCH_HOLE")
	c.ok(unix.Fallocate(fd, unix.FALLOC_FL_ZERO_RANGE, 8, 4), "ZERO_RANGE")
	c.equal(read(), "01...567....", "ZERO_RANGE")
	c.ok(unix.Fallocate(fd, 0, 0, 14), "allocate")
	c.equal(read(), "01...567......", "allocate")
	c.fails(unix.Fallocate(fd, unix.FALLOC_FL_COLLAPSE_RANGE, 0, 4096), syscall.EOPNOTSUPP, "COLLAPSE_RANGE")
	return c.err()
}

// TestOrphan: a file that is unlinked or replaced while open lives on.
func TestOrphan(t *testing.T) {
	m := mountMem(t, Options{})
	do(t, "orphan", m.Dir())
	eventually(t, "only the root is left", func() bool {
		m.fs.mu.Lock()
		defer m.fs.mu.Unlock()
		return len(m.fs.nodes) == 1
	})
}

func childOrphan(args []string) error {
	var c checks
	p := filepath.Join(args[0], "a")
	f, err := os.Create(p)
	if err != nil {
		return err
	}
	c.ok(os.Remove(p), "unlink")
	_, err = f.WriteString("still here")
	c.ok(err, "write to the orphan")
	b := make([]byte, 10)
	_, err = f.ReadAt(b, 0)
	c.ok(err, "read the orphan")
	c.equal(string(b), "still here", "read the orphan")
	st, err := f.Stat()
	if err != nil {
		return err
	}
	c.equal(st.Sys().(*syscall.Stat_t).Nlink, 0, "links of the orphan")
	_, err = os.Stat(p)
	c.fails(err, syscall.ENOENT, "stat")
	c.ok(f.Close(), "close")
	return c.err()
}

func TestMmap(t *testing.T) { do(t, "mmap", mountMem(t, Options{}).Dir()) }

func childMmap(args []string) error {
	var c checks
	p := filepath.Join(args[0], "a")
	c.ok(os.WriteFile(p, bytes.Repeat([]byte("a"), 64<<10), 0o644), "write")
	f, err := os.OpenFile(p, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	mem, err := unix.Mmap(int(f.Fd()), 0, 64<<10, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	c.equal(mem[100], 'a', "read through a mapping")
	mem[100] = 'b'
	c.ok(unix.Msync(mem, unix.MS_SYNC), "msync")
	c.ok(unix.Munmap(mem), "munmap")
	c.ok(f.Close(), "close")
	got, err := os.ReadFile(p)
	c.ok(err, "read")
	c.equal(string(got[99:102]), "aba", "written through a mapping")
	return c.err()
}

// TestRefused: what the protocol in use can not carry is refused with the errno
// after which programs do without.
func TestRefused(t *testing.T) { do(t, "refused", mountMem(t, Options{}).Dir()) }

func childRefused(args []string) error {
	var c checks
	a, b := filepath.Join(args[0], "a"), filepath.Join(args[0], "b")
	c.ok(os.WriteFile(a, []byte("0123456789"), 0o644), "write")
	c.fails(unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_NOREPLACE), syscall.EINVAL, "RENAME_NOREPLACE")
	_, err := unix.Open(args[0], unix.O_TMPFILE|unix.O_RDWR, 0o600)
	c.fails(err, syscall.EOPNOTSUPP, "O_TMPFILE")
	in, err := os.Open(a)
	if err != nil {
		return err
	}
	defer in.Close()
	_, err = unix.IoctlGetInt(int(in.Fd()), unix.TIOCGPGRP)
	c.fails(err, syscall.ENOTTY, "ioctl")
	at, err := in.Seek(0, unix.SEEK_DATA)
	c.ok(err, "SEEK_DATA")
	c.equal(at, 0, "SEEK_DATA")
	at, err = in.Seek(0, unix.SEEK_HOLE)
	c.ok(err, "SEEK_HOLE")
	c.equal(at, 10, "SEEK_HOLE finds only the end")
	out, err := os.Create(b)
	if err != nil {
		return err
	}
	n, err := unix.CopyFileRange(int(in.Fd()), nil, int(out.Fd()), nil, 10, 0)
	if err == nil && n == 10 || errors.Is(err, syscall.EOPNOTSUPP) {
		err = nil
	}
	c.ok(err, "copy_file_range is emulated or refused")
	c.ok(out.Close(), "close")
	ready, err := unix.Poll([]unix.PollFd{{Fd: int32(in.Fd()), Events: unix.POLLIN}}, 1000)
	c.ok(err, "poll")
	c.equal(ready, 1, "a file is always ready")
	return c.err()
}
