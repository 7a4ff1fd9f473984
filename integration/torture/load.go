package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	loadEnv  = "PIFS_TORTURE_LOAD" // a folder: this process is the load on it
	slots    = 24                  // files of a load
	contents = 40                  // that they may have, so that what is stored stays bounded
)

// worker is a process that works on a folder of the mount. It knows what its
// files should hold.
type worker struct {
	dir  string
	rng  *rand.Rand
	held [slots]int // number of the content, -1: none
}

// runLoad repeats all operations for count cycles, or until stdin is closed
// if that is 0. A cycle begins at most every pace.
func runLoad(ctx context.Context, dir string, count int, pace time.Duration) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if count == 0 {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin) // its end is the message
			cancel()
		}()
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	w := &worker{dir: dir, rng: rand.New(rand.NewPCG(uint64(os.Getpid()), 1))}
	for i := range w.held {
		w.held[i] = -1
	}
	tick := time.NewTicker(max(pace, time.Microsecond))
	defer tick.Stop()
	for n := 1; (count == 0 || n <= count) && ctx.Err() == nil; n++ {
		if err := w.cycle(); err != nil {
			return fmt.Errorf("cycle %d: %w", n, err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	return os.RemoveAll(dir)
}

// content returns the bytes with a number: some inline, some of one chunk, some
// of several.
func content(n int) []byte {
	size := []int{100, 3000, 8 << 10, 40 << 10, 300 << 10, 1 << 20, 2<<20 + 7}[n%7]
	var key [32]byte
	key[0] = byte(n)
	b := make([]byte, size)
	_, _ = rand.NewChaCha8(key).Read(b) // it cannot fail
	return b
}

func (w *worker) path(slot int) string { return filepath.Join(w.dir, "file-"+strconv.Itoa(slot)) }

// cycle does each operation once, on slots drawn at random.
func (w *worker) cycle() error {
	for _, op := range []func(slot int) error{
		w.write, w.read, w.list, w.rename, w.mapped, w.locks, w.attributes, w.links, w.unlinked, w.remove,
	} {
		if err := op(w.rng.IntN(slots)); err != nil {
			return err
		}
	}
	return nil
}

func (w *worker) write(slot int) error {
	n := w.rng.IntN(contents)
	w.held[slot] = n
	f, err := os.Create(w.path(slot))
	if err != nil {
		return err
	}
	_, err = f.Write(content(n))
	if w.rng.IntN(8) == 0 {
		err = errors.Join(err, f.Sync())
	}
	return errors.Join(err, f.Close())
}

func (w *worker) read(slot int) error {
	have, err := os.ReadFile(w.path(slot))
	if w.held[slot] < 0 {
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		return fmt.Errorf("read %s, which was removed: %w", w.path(slot), err)
	}
	if err == nil && !bytes.Equal(have, content(w.held[slot])) {
		return fmt.Errorf("%s does not hold what was written: content %d", w.path(slot), w.held[slot])
	}
	return err
}

// list compares the folder with what should be in it.
func (w *worker) list(int) error {
	ents, err := os.ReadDir(w.dir)
	want := 0
	for _, n := range w.held {
		if n >= 0 {
			want++
		}
	}
	if err == nil && len(ents) != want {
		return fmt.Errorf("%s lists %d names, want %d", w.dir, len(ents), want)
	}
	return err
}

// rename moves a file over another one that is open.
func (w *worker) rename(slot int) error {
	to := (slot + 1) % slots
	if w.held[slot] < 0 || w.held[to] < 0 {
		return nil
	}
	old, err := os.Open(w.path(to))
	if err != nil {
		return err
	}
	err = os.Rename(w.path(slot), w.path(to))
	w.held[slot], w.held[to] = -1, w.held[slot]
	return errors.Join(err, old.Close())
}

// mapped writes a new file through a mapping.
func (w *worker) mapped(slot int) error {
	n := w.rng.IntN(contents)
	want := content(n)
	f, err := os.Create(w.path(slot))
	if err != nil {
		return err
	}
	defer f.Close()
	w.held[slot] = n
	if err := f.Truncate(int64(len(want))); err != nil {
		return err
	}
	m, err := unix.Mmap(int(f.Fd()), 0, len(want), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("map %s: %w", f.Name(), err)
	}
	copy(m, want)
	return errors.Join(unix.Msync(m, unix.MS_SYNC), unix.Munmap(m))
}

// locks takes and drops a lock of each kind; closing drops the last.
func (w *worker) locks(slot int) error {
	if w.held[slot] < 0 {
		return nil
	}
	f, err := os.OpenFile(w.path(slot), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	record := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart, Len: 10}
	return errors.Join(
		unix.Flock(int(f.Fd()), unix.LOCK_EX), unix.Flock(int(f.Fd()), unix.LOCK_UN),
		unix.FcntlFlock(f.Fd(), unix.F_SETLKW, &record), f.Close())
}

func (w *worker) attributes(slot int) error {
	if w.held[slot] < 0 {
		return nil
	}
	path := w.path(slot)
	var buf [64]byte
	err := errors.Join(unix.Setxattr(path, "user.soak", []byte("value"), 0), os.Chmod(path, 0o600), os.Chtimes(path, time.Now(), time.Now()))
	n, getErr := unix.Getxattr(path, "user.soak", buf[:])
	if getErr == nil && string(buf[:n]) != "value" {
		getErr = fmt.Errorf("attribute of %s reads %q", path, buf[:n])
	}
	return errors.Join(err, getErr, unix.Removexattr(path, "user.soak"))
}

// links makes and removes a folder with both kinds of links in it.
func (w *worker) links(slot int) error {
	if w.held[slot] < 0 {
		return nil
	}
	dir := filepath.Join(w.dir, "folder")
	return errors.Join(
		os.Mkdir(dir, 0o755), os.Link(w.path(slot), dir+"/hard"), os.Symlink("../nowhere", dir+"/soft"), os.RemoveAll(dir))
}

// unlinked goes on using a file that has no name any more.
func (w *worker) unlinked(slot int) error {
	f, err := os.CreateTemp(w.dir, "unlinked-*")
	if err != nil {
		return err
	}
	want := content(slot)
	have := make([]byte, len(want))
	_, err = f.Write(want)
	err = errors.Join(err, os.Remove(f.Name()))
	if err == nil {
		_, err = f.ReadAt(have, 0)
	}
	if err == nil && !bytes.Equal(have, want) {
		err = fmt.Errorf("%s differs after it was removed", f.Name())
	}
	return errors.Join(err, f.Close())
}

func (w *worker) remove(slot int) error {
	if w.held[slot] < 0 {
		return nil
	}
	w.held[slot] = -1
	return syscall.Unlink(w.path(slot))
}
