package posix

import (
	"math"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

func limitCases() []Case {
	return []Case{
		{"limits/RLIMIT_FSIZE", limitFileSize},
		{"limits/offsets", limitOffsets},
		{"limits/vectors", limitVectors},
	}
}

// limitFileSize: a write that the limit cuts is short, one beyond it fails
// with EFBIG and a signal.
func limitFileSize(t *T) {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, unix.SIGXFSZ)
	defer signal.Stop(signals)
	var was unix.Rlimit
	t.must("getrlimit", unix.Getrlimit(unix.RLIMIT_FSIZE, &was))
	t.must("setrlimit", unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 10_000, Max: was.Max}))
	defer func() { t.must("setrlimit", unix.Setrlimit(unix.RLIMIT_FSIZE, &was)) }()
	fd := t.open("f", unix.O_CREAT|unix.O_RDWR, 0o644)
	defer unix.Close(fd)
	n, err := unix.Pwrite(fd, make([]byte, 20_000), 0)
	t.note("write across the limit", n, errName(err))
	t.pwrite(fd, "x", 10_000)
	<-signals
	t.note("SIGXFSZ")
	t.do("truncate beyond the limit", unix.Ftruncate(fd, 10_001))
	<-signals
	t.note("SIGXFSZ")
	t.do("truncate to the limit", unix.Ftruncate(fd, 10_000))
	t.do("fallocate beyond the limit", unix.Fallocate(fd, 0, 0, 10_001))
	t.fstat(fd)
}

func limitOffsets(t *T) {
	t.file("f", "0123456789", 0o644)
	fd := t.fd("f", unix.O_RDWR)
	defer unix.Close(fd)
	t.pread(fd, 10, 10)
	t.pread(fd, 10, 1<<40)
	t.pread(fd, 10, -1)
	t.pread(fd, 0, 0)
	t.pwrite(fd, "", 1<<30)
	t.pwrite(fd, "x", -5)
	n, err := unix.Pread(fd, make([]byte, 10), math.MaxInt64-3)
	t.note("read at the largest offset", n, errName(err))
	t.fstat(fd)
}

func limitVectors(t *T) {
	fd := t.open("f", unix.O_CREAT|unix.O_RDWR, 0o644)
	defer unix.Close(fd)
	n, err := unix.Writev(fd, [][]byte{[]byte("one "), {}, []byte("two "), []byte("three")})
	t.note("writev", n, errName(err))
	n, err = unix.Pwritev(fd, [][]byte{[]byte("ONE"), make([]byte, 200_000)}, 100)
	t.note("pwritev", n, errName(err))
	a, b := make([]byte, 5), make([]byte, 200_000)
	n, err = unix.Preadv(fd, [][]byte{a, b}, 2)
	t.note("preadv", n, errName(err), brief(a), brief(b))
	n, err = unix.Pwritev2(fd, [][]byte{[]byte("appended")}, 0, 0x10) // RWF_APPEND
	t.note("pwritev2 append", n, errName(err))
	t.fstat(fd)
}
