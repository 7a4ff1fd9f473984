package integration

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The jobs below use a mount while its daemon is killed again and again. They
// end when stdin does. Anything but what a disk would have answered is an
// error.

func takeoverJobs() map[string]func(args []string) error {
	return map[string]func([]string) error{
		"rewrite":  func(a []string) error { return rewrite(a[0]) },
		"juggle":   func(a []string) error { return juggle(a[0]) },
		"reread":   func(a []string) error { return reread(a[0], number(a[1]), number(a[2])) },
		"walk":     func(a []string) error { return walk(a[0], int(number(a[1]))) },
		"nameless": func(a []string) error { return nameless(a[0]) },
		"mapping":  func(a []string) error { return mapping(a[0]) },
		"add":      func(a []string) error { return add(a[0]) },
		"guard":    func(a []string) error { return guard(a[0]) },
		"intrude":  func(a []string) error { return intrude(a[0]) },
	}
}

// stopping returns a function that reports whether stdin has ended.
func stopping() func() bool {
	done := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(done)
	}()
	return func() bool {
		select {
		case <-done:
			return true
		default:
			return false
		}
	}
}

// persist does an operation again that met EIO: the kernel answers that for a
// request which it was handing to a thread that was killed just then, if it
// moved the page away that it was to write to. Such a request was not applied,
// so that doing it again is right. The long form takes no such excuse.
func persist(op func() error) error {
	strict := os.Getenv(killsVariable) != ""
	for n := 0; ; n++ {
		if err := op(); !errors.Is(err, unix.EIO) || n == 5 || strict {
			return err
		}
	}
}

// aligned returns a buffer that O_DIRECT takes.
func aligned(n int) []byte {
	b := make([]byte, n+4096)
	skip := 4096 - int(uintptr(unsafe.Pointer(&b[0]))%4096)
	return b[skip:][:n]
}

// direct reads at off past the kernel's cache.
func direct(path string, off int64, n int) (b []byte, err error) {
	err = persist(func() error {
		b, err = directOnce(path, off, n)
		return err
	})
	return b, err
}

func directOnce(path string, off int64, n int) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECT, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := aligned(n)
	got, err := f.ReadAt(b, off)
	if err == io.EOF {
		err = nil
	}
	return b[:got], err
}

const (
	pieceSize = 64 << 10
	pieces    = 64
)

// piece returns bytes that say which piece they are, in which version.
func piece(i int, version uint64) []byte {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], uint64(i))
	binary.LittleEndian.PutUint64(key[8:], version)
	b := make([]byte, pieceSize)
	rand.NewChaCha8(key).Read(b)
	return b
}

// rewrite appends to one file and writes pieces of another anywhere, reads them
// back from the daemon, and prints the sums of both.
func rewrite(dir string) error {
	stop := stopping()
	log, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	data := filepath.Join(dir, "data")
	f, err := os.Create(data)
	if err != nil {
		return err
	}
	want, lines := make([]byte, pieces*pieceSize), sha256.New()
	for n := uint64(0); !stop(); n++ {
		line := fmt.Sprintf("line %d of an append-only file\n", n)
		lines.Write([]byte(line))
		if err := persist(func() error { _, err := log.WriteString(line); return err }); err != nil {
			return err
		}
		i := rand.IntN(pieces)
		copy(want[i*pieceSize:], piece(i, n))
		if err := persist(func() error { _, err := f.WriteAt(want[i*pieceSize:][:pieceSize], int64(i*pieceSize)); return err }); err != nil {
			return err
		}
		if n%17 == 0 {
			if err := persist(f.Sync); err != nil {
				return err
			}
		}
		got, err := direct(data, int64(i*pieceSize), pieceSize)
		if err != nil || !bytes.Equal(got, want[i*pieceSize:][:pieceSize]) {
			return fmt.Errorf("piece %d after write %d differs (%w)", i, n, err)
		}
	}
	fmt.Printf("%x\n", lines.Sum(nil))
	size, err := f.Seek(0, io.SeekEnd)
	fmt.Printf("%x\n", sha256.Sum256(want[:size]))
	_ = errors.Join(log.Close(), f.Close()) // all was written and checked
	return err
}

// juggle makes, renames, links and removes names. Each of these would fail if
// it were done twice.
func juggle(dir string) error {
	stop := stopping()
	at := func(kind string, n int) string { return filepath.Join(dir, kind+strconv.Itoa(n)) }
	for n := 0; !stop() || n%50 != 0; n++ {
		var f *os.File
		err := errors.Join(
			persist(func() (err error) {
				f, err = os.OpenFile(at("new", n), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
				return err
			}),
			persist(func() error { _, err := f.WriteAt([]byte(strconv.Itoa(n)), 0); return err }),
			persist(func() error { return os.Link(at("new", n), at("link", n)) }),
			persist(func() error { return os.Rename(at("new", n), at("file", n)) }),
			persist(func() error { return os.Mkdir(at("dir", n), 0o755) }),
			persist(func() error { return os.Symlink(strconv.Itoa(n), at("dir", n)+"/symlink") }),
			persist(func() error { return os.Rename(at("dir", n)+"/symlink", at("symlink", n)) }),
			persist(func() error { return unix.Rmdir(at("dir", n)) }),
			persist(func() error { return unix.Unlink(at("link", n)) }))
		_ = f.Close() // what it may report was retried
		if err != nil {
			return fmt.Errorf("round %d: %w", n, err)
		}
		if n < 50 {
			continue
		}
		var b []byte
		err = persist(func() (err error) { b, err = os.ReadFile(at("file", n-50)); return err })
		if err != nil || string(b) != strconv.Itoa(n-50) {
			return fmt.Errorf("file %d holds %q (%w)", n-50, b, err)
		}
		if err := errors.Join(persist(func() error { return unix.Unlink(at("file", n-50)) }), persist(func() error { return unix.Unlink(at("symlink", n-50)) })); err != nil {
			return err
		}
	}
	return nil
}

// reread compares random places of a file with what was written to it.
func reread(path string, seed, size int64) error {
	want, err := io.ReadAll(stream(seed, size))
	if err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	b := make([]byte, 100<<10)
	for stop := stopping(); !stop(); {
		off := rand.Int64N(size-int64(len(b))) &^ 4095
		if err := persist(func() error { _, err := f.ReadAt(b, off); return err }); err != nil || !bytes.Equal(b, want[off:][:len(b)]) {
			return fmt.Errorf("read at %d differs (%w)", off, err)
		}
		got, err := direct(path, off, 96<<10)
		if err != nil || !bytes.Equal(got, want[off:][:len(got)]) || len(got) != 96<<10 {
			return fmt.Errorf("direct read at %d: %d bytes differ (%w)", off, len(got), err)
		}
	}
	return nil
}

// walk lists a folder with n entries of createMany among names that come and go.
func walk(dir string, n int) error {
	for stop := stopping(); !stop(); {
		var names []string
		err := persist(func() error {
			f, err := os.Open(dir)
			if err != nil {
				return err
			}
			defer f.Close()
			names, err = f.Readdirnames(-1)
			return err
		})
		if err != nil {
			return err
		}
		names = slices.DeleteFunc(names, func(s string) bool { return len(s) != len("entry-0000000") })
		slices.Sort(names)
		if len(slices.Compact(names)) != n {
			return fmt.Errorf("%d names, want %d", len(names), n)
		}
	}
	return nil
}

// nameless keeps using a file that has no name any more.
func nameless(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil {
		return err
	}
	again := fmt.Sprintf("/proc/self/fd/%d", f.Fd())
	fmt.Println("ready")
	for n, stop := uint64(0), stopping(); !stop(); n++ {
		b := piece(0, n)
		if err := persist(func() error { _, err := f.WriteAt(b, 0); return err }); err != nil {
			return err
		}
		got, err := direct(again, 0, pieceSize)
		if err != nil || !bytes.Equal(got, b) {
			return fmt.Errorf("the file without a name differs after %d writes (%w)", n, err)
		}
	}
	return f.Close()
}

// mapping writes through a shared mapping and prints the sum of what it wrote.
func mapping(path string) error {
	const size = 1 << 20
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		return err
	}
	m, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	for n, stop := uint64(0), stopping(); !stop(); n++ {
		i := rand.IntN(size / pieceSize)
		copy(m[i*pieceSize:], piece(i, n))
		if n%8 != 0 {
			continue
		}
		if err := syncMapping(m); err != nil {
			return err
		}
	}
	fmt.Printf("%x\n", sha256.Sum256(m))
	return errors.Join(syncMapping(m), unix.Munmap(m))
}

// syncMapping has everything written that was written to a mapping.
func syncMapping(m []byte) error {
	return persist(func() error {
		err := unix.Msync(m, unix.MS_SYNC)
		if err != nil {
			copy(m, bytes.Clone(m)) // the kernel gave up on some page: all are dirty again
		}
		return err
	})
}

// add adds to one number under a lock of flock, to another under one of fcntl,
// and so on, and prints how often. Two of these must not lose an addition.
func add(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	lock := unix.Flock_t{Type: unix.F_WRLCK, Start: 10, Len: 20}
	unlock := unix.Flock_t{Type: unix.F_UNLCK, Start: 10, Len: 20}
	added := 0
	for stop := stopping(); !stop(); added++ {
		if err := persist(func() error { return unix.Flock(int(f.Fd()), unix.LOCK_EX) }); err != nil {
			return fmt.Errorf("flock: %w", err)
		}
		if err := errors.Join(addOne(path+".flock"), persist(func() error { return unix.Flock(int(f.Fd()), unix.LOCK_UN) })); err != nil {
			return err
		}
		if err := persist(func() error { return unix.FcntlFlock(f.Fd(), unix.F_SETLKW, &lock) }); err != nil {
			return fmt.Errorf("fcntl lock: %w", err)
		}
		if err := errors.Join(addOne(path+".fcntl"), persist(func() error { return unix.FcntlFlock(f.Fd(), unix.F_SETLK, &unlock) })); err != nil {
			return err
		}
	}
	fmt.Println(added)
	return nil
}

func addOne(path string) error {
	var f *os.File
	err := persist(func() (err error) { f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644); return err })
	if err != nil {
		return err
	}
	defer f.Close()
	b := make([]byte, 20)
	var n int
	err = persist(func() error { n, err = f.ReadAt(b, 0); return err })
	if err != nil && err != io.EOF {
		return err
	}
	v, _ := strconv.Atoi(string(b[:n])) // nothing yet is 0
	return persist(func() error { _, err := f.WriteAt([]byte(strconv.Itoa(v+1)), 0); return err })
}

// guard holds a lock of fcntl and one of flock all the time; intrude tries to
// get them all the time, and must not.
func guard(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	lock := unix.Flock_t{Type: unix.F_WRLCK, Start: 100, Len: 50}
	if err := errors.Join(unix.FcntlFlock(f.Fd(), unix.F_SETLK, &lock), unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)); err != nil {
		return err
	}
	fmt.Println("ready")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func intrude(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	for stop := stopping(); !stop(); {
		lock := unix.Flock_t{Type: unix.F_WRLCK, Start: 149, Len: 1}
		if err := persist(func() error { return unix.FcntlFlock(f.Fd(), unix.F_SETLK, &lock) }); !errors.Is(err, unix.EAGAIN) {
			return fmt.Errorf("fcntl lock of another process: %w", err)
		}
		if err := persist(func() error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) }); !errors.Is(err, unix.EWOULDBLOCK) {
			return fmt.Errorf("flock of another process: %w", err)
		}
	}
	return nil
}
