package home

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

const maxLog = 8 << 20 // bytes of H/log before it becomes H/log.1

// Log is the daemon's log file. When it is full it becomes log.1 and a new
// one starts, so that both together stay below 16 MiB.
type Log struct {
	path   string
	limit  int64
	stderr bool // the process's stderr follows the file: crashes end up in it

	mu   sync.Mutex
	f    *os.File
	size int64
}

// OpenLog opens the log of the home for appending.
func (h *Home) OpenLog(stderr bool) (*Log, error) {
	l := &Log{path: h.Path("log"), limit: maxLog, stderr: stderr}
	return l, l.open()
}

func (l *Log) open() error {
	f, err := os.OpenFile(l.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	fi, err := f.Stat()
	if err == nil && l.stderr {
		err = unix.Dup3(int(f.Fd()), 2, 0)
	}
	if err != nil {
		f.Close()
		return fmt.Errorf("open log: %w", err)
	}
	l.f, l.size = f, fi.Size()
	return nil
}

// Write implements io.Writer: p is one line and is not split over two files.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size+int64(len(p)) > l.limit && l.size > 0 {
		// The old file takes the line if there can be no new one.
		if err := l.rotate(); err != nil {
			fmt.Fprintln(l.f, err)
		}
	}
	n, err := l.f.Write(p)
	l.size += int64(n)
	return n, err
}

// rotate starts a new file, or leaves the old one open. A name that is gone
// went in an attempt that could not open the new file.
func (l *Log) rotate() error {
	old := l.f
	if err := os.Rename(l.path, l.path+".1"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("rotate log: %w", err)
	}
	if err := l.open(); err != nil {
		return err
	}
	return old.Close()
}

// Close closes the file.
func (l *Log) Close() error { return l.f.Close() }
