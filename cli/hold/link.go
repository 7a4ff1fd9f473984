package hold

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Link is a daemon's connection to its holder. Its methods fail when the
// holder is gone, and are safe for concurrent use.
type Link struct {
	c    *net.UnixConn
	mu   sync.Mutex
	gone atomic.Bool

	pid, takeovers int
}

// Attach returns the link over descriptor fd, and what the last daemon left.
// The caller owns the items' files.
func Attach(fd int) (*Link, []Item, error) {
	unix.CloseOnExec(fd)
	f := os.NewFile(uintptr(fd), "holder")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, nil, fmt.Errorf("reach the holder: %w", err)
	}
	l := &Link{c: c.(*net.UnixConn)}
	var items []Item
	for {
		m, files, err := receive(l.c)
		if err != nil {
			return nil, items, errors.Join(fmt.Errorf("reach the holder: %w", err), c.Close())
		}
		if m.Verb == verbGo {
			l.pid, l.takeovers = m.Holder, m.Takeovers
			return l, items, nil
		}
		items = append(items, Item{Name: m.Name, Note: m.Note, Files: files})
	}
}

// Holder returns the holder's process, how many daemons of its went on for
// another so far, and whether it is gone, as far as Gone has noticed.
func (l *Link) Holder() (pid, takeovers int, gone bool) { return l.pid, l.takeovers, l.gone.Load() }

// Gone blocks until the holder is gone.
func (l *Link) Gone() {
	defer l.gone.Store(true)
	for {
		if _, files, err := receive(l.c); err != nil {
			return
		} else {
			closeAll(files)
		}
	}
}

func (l *Link) send(m message, files ...*os.File) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return send(l.c, m, files)
}

// Keep has the holder keep an item, in place of the one of that name. The
// caller keeps its own descriptors of files.
func (l *Link) Keep(name string, note any, files ...*os.File) error {
	b, err := json.Marshal(note)
	if err != nil {
		return fmt.Errorf("keep %s: %w", name, err)
	}
	return l.send(message{Verb: verbKeep, Name: name, Note: b}, files...)
}

// Drop has the holder forget an item.
func (l *Link) Drop(name string) error { return l.send(message{Verb: verbDrop, Name: name}) }

// Serving says that all items are in use again.
func (l *Link) Serving() error { return l.send(message{Verb: verbServing}) }

// End says that this daemon ends and shall have no successor.
func (l *Link) End() error { return l.send(message{Verb: verbEnd}) }

// Next names the program that is to be started when this daemon is gone.
func (l *Link) Next(path string) error { return l.send(message{Verb: verbNext, Path: path}) }
