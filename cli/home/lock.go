package home

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Lock is the right to use a home, held by one process at a time and given
// back by the kernel when that process dies.
type Lock struct{ f *os.File }

// Acquire takes the lock of the home folder dir, waiting for its holder until
// ctx ends: then it is ErrLocked, naming the holder.
func Acquire(ctx context.Context, dir string) (*Lock, error) {
	f, err := os.OpenFile(dir+"/lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock home: %w", err)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return &Lock{f}, writePID(f)
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			f.Close()
			return nil, fmt.Errorf("lock home: %w", err)
		}
		select {
		case <-ctx.Done():
			defer f.Close()
			return nil, fmt.Errorf("lock home %s: process %s uses it: %w", dir, readPID(f), ErrLocked)
		case <-tick.C:
		}
	}
}

// Release gives the lock back.
func (l *Lock) Release() error { return l.f.Close() }

// Holder returns the process that holds the lock of dir, or held it last; 0 if
// none is known.
func Holder(dir string) int {
	f, err := os.Open(dir + "/lock")
	if err != nil {
		return 0
	}
	defer f.Close()
	pid, err := strconv.Atoi(readPID(f))
	if err != nil {
		return 0
	}
	return pid
}

func writePID(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return fmt.Errorf("lock home: %w", err)
	}
	if _, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil {
		return fmt.Errorf("lock home: %w", err)
	}
	return nil
}

func readPID(f *os.File) string {
	var b [20]byte
	n, _ := f.ReadAt(b[:], 0)
	if pid := strings.TrimSpace(string(b[:n])); pid != "" {
		return pid
	}
	return "(unknown)"
}

// File returns what holds the lock: it is held as long as any process has a
// descriptor of it.
func (l *Lock) File() *os.File { return l.f }

// Adopt goes on with a lock that somebody kept for a process that is gone.
func Adopt(f *os.File) (*Lock, error) { return &Lock{f}, writePID(f) }
