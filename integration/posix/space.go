package posix

import (
	"fmt"
	"math"
	"strings"

	"golang.org/x/sys/unix"
)

func spaceCases() []Case {
	return []Case{
		{"space/truncate", spaceTruncate},
		{"space/holes", spaceHoles},
		{"space/fallocate", spaceFallocate},
		{"space/fallocate errors", spaceFallocateErrors},
		{"space/far", spaceFar},
		{"space/seek", spaceSeek},
		{"space/copy", spaceCopy},
		{"space/copy_file_range", spaceCopyRange},
		{"space/copies are independent", spaceCopies},
		{"space/tmpfile", spaceTmpfile},
	}
}

// hollow records whether a file takes room, and whether that is about as much
// as its bytes.
func (t *T) hollow(what, path string) {
	var st unix.Stat_t
	t.must("stat", unix.Stat(path, &st))
	t.note("room of "+what, "some", st.Blocks > 0, "less than its size", st.Blocks*512 < st.Size)
}

func spaceTruncate(t *T) {
	for _, size := range []int{100, 5000, 9000, 300_000} {
		name := fmt.Sprint("f", size)
		t.file(name, strings.Repeat("x", size), 0o644)
		for _, to := range []int64{int64(size) / 2, 0, 50, 8192, 8193, 1 << 20, 4095, 4097} {
			t.do(fmt.Sprint("truncate to ", to), unix.Truncate(name, to))
			t.content(name)
		}
	}
	t.do("truncate to less than nothing", unix.Truncate("f100", -1))
	t.do("truncate of nothing", unix.Truncate("none", 1))
	t.must("mkfifo", unix.Mkfifo("p", 0o644))
	t.do("truncate of a fifo", unix.Truncate("p", 1))
}

func spaceHoles(t *T) {
	fd := t.open("f", unix.O_CREAT|unix.O_RDWR, 0o644)
	defer unix.Close(fd)
	t.must("truncate", unix.Ftruncate(fd, 10<<20))
	t.hollow("an empty file of 10 MiB", "f")
	t.pwrite(fd, "middle", 5<<20)
	t.must("fsync", unix.Fsync(fd))
	t.hollow("one with bytes in the middle", "f")
	t.pread(fd, 20, 5<<20-10)
	t.pread(fd, 20, 10<<20-10)
	big := make([]byte, 2<<20)
	for i := range big {
		big[i] = byte(i*7 + i>>11)
	}
	_, err := unix.Pwrite(fd, big, 1<<20)
	t.do("write", err)
	t.do("punch", unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 1<<20+100, 1<<20))
	t.content("f")
	t.do("punch all", unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, 20<<20))
	t.must("fsync", unix.Fsync(fd))
	t.fstat(fd)
	var st unix.Stat_t
	t.must("fstat", unix.Fstat(fd, &st))
	t.note("room after all was punched", st.Blocks)
}

func spaceFallocate(t *T) {
	for _, c := range []struct {
		what string
		mode uint32
	}{
		{"allocate", 0}, {"keep", unix.FALLOC_FL_KEEP_SIZE}, {"punch", unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE},
		{"zero", unix.FALLOC_FL_ZERO_RANGE}, {"zero keep", unix.FALLOC_FL_ZERO_RANGE | unix.FALLOC_FL_KEEP_SIZE},
	} {
		for _, size := range []int{10, 20_000} {
			name := fmt.Sprint(c.what, size)
			t.file(name, strings.Repeat("x", size), 0o644)
			fd := t.fd(name, unix.O_RDWR)
			t.do(name+" inside", unix.Fallocate(fd, c.mode, 3, 4))
			t.content(name)
			t.do(name+" across the end", unix.Fallocate(fd, c.mode, int64(size)-2, 100))
			t.content(name)
			t.do(name+" beyond the end", unix.Fallocate(fd, c.mode, 50_000, 1000))
			t.content(name)
			unix.Close(fd)
		}
	}
}

func spaceFallocateErrors(t *T) {
	t.file("f", strings.Repeat("x", 20_000), 0o644)
	fd := t.fd("f", unix.O_RDWR)
	t.do("punch without keep", unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE, 0, 10))
	t.do("punch and zero", unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_ZERO_RANGE|unix.FALLOC_FL_KEEP_SIZE, 0, 10))
	t.do("unknown mode", unix.Fallocate(fd, 1<<20, 0, 10))
	t.do("no length", unix.Fallocate(fd, 0, 0, 0))
	t.do("negative length", unix.Fallocate(fd, 0, 0, -1))
	t.do("negative offset", unix.Fallocate(fd, 0, -1, 10))
	t.do("too far", unix.Fallocate(fd, 0, math.MaxInt64-5, 10))
	unix.Close(fd)
	fd = t.fd("f", unix.O_RDONLY)
	t.do("read only", unix.Fallocate(fd, 0, 0, 10))
	unix.Close(fd)
	r, w := t.pipe()
	t.do("of a pipe", unix.Fallocate(w, 0, 0, 10))
	unix.Close(r)
	unix.Close(w)
}

func (t *T) pipe() (int, int) {
	var p [2]int
	t.must("make a pipe", unix.Pipe2(p[:], unix.O_CLOEXEC))
	return p[0], p[1]
}

// spaceFar works near the largest offset of ext4, 16 TiB.
func spaceFar(t *T) {
	fd := t.open("f", unix.O_CREAT|unix.O_RDWR, 0o644)
	defer unix.Close(fd)
	for _, off := range []int64{5 << 30, 4<<40 + 7, 15 << 40} {
		t.pwrite(fd, "far", off)
		t.pread(fd, 10, off-5)
		t.fstat(fd)
		t.hollow("it", "f")
	}
	off, err := unix.Seek(fd, 1<<43, 0)
	t.note("seek", off, errName(err))
	t.do("truncate back", unix.Ftruncate(fd, 5<<30+1))
	t.pread(fd, 10, 5<<30-1)
	_, err = unix.Pwrite(fd, []byte("xy"), math.MaxInt64-1)
	t.do("write across the largest offset", err)
	t.do("truncate to 4 TiB", unix.Ftruncate(fd, 4<<40))
	t.pread(fd, 4, 4<<40-2)
	t.fstat(fd)
}

func spaceSeek(t *T) {
	fd := t.open("f", unix.O_CREAT|unix.O_RDWR, 0o644)
	defer unix.Close(fd)
	seek := func(what string, off int64, whence int) {
		at, err := unix.Seek(fd, off, whence)
		t.note(what, at, errName(err))
	}
	seek("data of an empty file", 0, unix.SEEK_DATA)
	seek("hole of an empty file", 0, unix.SEEK_HOLE)
	t.must("truncate", unix.Ftruncate(fd, 4<<20))
	seek("data of a hole", 0, unix.SEEK_DATA)
	seek("hole of a hole", 5, unix.SEEK_HOLE)
	full := make([]byte, 1<<20)
	for i := range full {
		full[i] = byte(i>>8) | 1
	}
	_, err := unix.Pwrite(fd, full, 1<<20)
	t.must("write", err)
	for range 2 { // before and after it is stored
		seek("data", 0, unix.SEEK_DATA)
		seek("data inside", 1<<20+5, unix.SEEK_DATA)
		seek("hole", 0, unix.SEEK_HOLE)
		seek("hole after data", 1<<20, unix.SEEK_HOLE)
		seek("data after all data", 3<<20, unix.SEEK_DATA)
		seek("hole after all data", 3<<20, unix.SEEK_HOLE)
		seek("data at the end", 4<<20, unix.SEEK_DATA)
		seek("hole at the end", 4<<20, unix.SEEK_HOLE)
		seek("data beyond", 5<<20, unix.SEEK_DATA)
		seek("hole before the beginning", -1, unix.SEEK_HOLE)
		t.must("fsync", unix.Fsync(fd))
	}
	seek("set", 10, 0)
	seek("cur", -5, 1)
	seek("before the beginning", -50, 1)
	seek("end", -1, 2)
	seek("bad whence", 0, 99)
}

func spaceCopy(t *T) {
	t.file("from", strings.Repeat("0123456789", 30_000), 0o644)
	in, out := t.fd("from", unix.O_RDONLY), t.open("to", unix.O_CREAT|unix.O_RDWR, 0o644)
	off := int64(5)
	n, err := unix.Sendfile(out, in, &off, 200_000)
	t.note("sendfile", n, off, errName(err))
	t.content("to")
	r, w := t.pipe()
	m, err := unix.Splice(in, nil, w, nil, 30_000, 0)
	t.note("splice out of a file", m, errName(err))
	k, err := unix.Splice(r, nil, out, nil, 30_000, 0)
	t.note("splice into a file", k, errName(err))
	t.content("to")
	for _, fd := range []int{in, out, r, w} {
		unix.Close(fd)
	}
}

func spaceCopyRange(t *T) {
	t.file("from", strings.Repeat("0123456789", 100_000), 0o644)
	in, out := t.fd("from", unix.O_RDONLY), t.open("to", unix.O_CREAT|unix.O_RDWR, 0o644)
	defer unix.Close(in)
	defer unix.Close(out)
	copyRange := func(what string, from, to int, a, b int64, n int) {
		done, err := unix.CopyFileRange(from, &a, to, &b, n, 0)
		t.note(what, done, a, b, errName(err))
	}
	copyRange("all", in, out, 0, 0, 2_000_000)
	t.content("to")
	copyRange("a part into the middle", in, out, 7, 500_000, 1000)
	t.content("to")
	copyRange("beyond the end", in, out, 999_990, 2_000_000, 1000)
	t.content("to")
	copyRange("from beyond the end", in, out, 5_000_000, 0, 10)
	copyRange("overlapping", out, out, 0, 10, 1000)
	copyRange("within one file", out, out, 0, 1_500_000, 1000)
	copyRange("into what is read only", in, in, 0, 1_500_000, 10)
	copyRange("from what is write only", t.fd("to", unix.O_WRONLY), out, 0, 1_500_000, 10)
	copyRange("into what appends", in, t.fd("to", unix.O_WRONLY|unix.O_APPEND), 0, 0, 10)
	t.content("to")
	t.stat("to")
	t.dir("d", 0o755)
	copyRange("of a directory", t.fd("d", unix.O_RDONLY), out, 0, 0, 10)
}

// spaceCopies copies whole files, and then changes one of the two.
func spaceCopies(t *T) {
	for _, size := range []int{0, 100, 20_000, 3 << 20} {
		from, to := fmt.Sprint("from", size), fmt.Sprint("to", size)
		content := make([]byte, size)
		for i := range content {
			content[i] = byte(i*i>>7) + byte(i>>13)
		}
		t.file(from, string(content), 0o644)
		in, out := t.fd(from, unix.O_RDWR), t.open(to, unix.O_CREAT|unix.O_EXCL|unix.O_RDWR, 0o600)
		n, err := unix.CopyFileRange(in, nil, out, nil, 1<<30, 0)
		t.note("copy", n, errName(err))
		n, err = unix.CopyFileRange(in, nil, out, nil, 1<<30, 0)
		t.note("at the end", n, errName(err))
		t.pwrite(in, "only in the first", int64(size/2))
		t.pwrite(out, "ONLY IN THE SECOND", int64(size/3))
		t.do("truncate", unix.Ftruncate(in, int64(size/2+3)))
		t.content(from)
		t.content(to)
		t.do("fsync", unix.Fsync(out))
		t.stat(from)
		t.stat(to)
		unix.Close(in)
		unix.Close(out)
	}
}

func spaceTmpfile(t *T) {
	t.dir("d", 0o755)
	fd, err := unix.Open("d", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o640)
	if !t.do("O_TMPFILE", err) {
		return
	}
	t.fstat(fd)
	t.write(fd, "nobody sees it")
	t.do("rmdir of its directory", unix.Rmdir("d"))
	t.do("give it a name", unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), unix.AT_FDCWD, "named", unix.AT_SYMLINK_FOLLOW))
	t.stat("named")
	t.content("named")
	unix.Close(fd)
	t.dir("e", 0o755)
	fd, err = unix.Open("e", unix.O_TMPFILE|unix.O_RDWR|unix.O_EXCL|unix.O_CLOEXEC, 0o640)
	t.do("O_TMPFILE|O_EXCL", err)
	t.do("give it a name", unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), unix.AT_FDCWD, "never", unix.AT_SYMLINK_FOLLOW))
	unix.Close(fd)
	_, err = unix.Open("e", unix.O_TMPFILE|unix.O_RDONLY|unix.O_CLOEXEC, 0o640)
	t.do("O_TMPFILE to read", err)
	t.must("chmod", unix.Chmod("e", 0o755))
	t.as(1001, 1001, nil, func() {
		_, err := unix.Open("e", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o640)
		t.do("O_TMPFILE where I may not write", err)
	})
	_, err = unix.Open("named", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o640)
	t.do("O_TMPFILE below a file", err)
}
