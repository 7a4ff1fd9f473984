package mount

import (
	"cmp"
	"slices"
	"time"

	"pifs/fsnode"
)

// Pending is a request that the kernel waits for.
type Pending struct {
	Op  string
	Ino fsnode.Ino
	PID uint32        // the thread that asked; 0 if the kernel did by itself
	For time.Duration // since it was read, to a tick of the watchdog

	id   uint64
	call *call
}

// Namer is an FS that can name its inodes for people. PathOf returns "" for
// one that it does not know; it may take locks of the FS.
type Namer interface {
	PathOf(ino fsnode.Ino) string
}

// namePatience is how long the name of an inode is waited for. When the file
// system itself is stuck there is none.
const namePatience = 200 * time.Millisecond

// Pending returns the requests that are not answered yet, the oldest first.
// Those that wait for a lock of another process are not among them.
func (s *Server) Pending() []Pending {
	var all []Pending
	add := func(c *call) {
		if p, ok := c.pending(s.clock.Load()); ok {
			all = append(all, p)
		}
	}
	s.mu.Lock()
	for _, c := range s.inline {
		add(c)
	}
	s.mu.Unlock()
	s.flight.each(add)
	slices.SortFunc(all, func(a, b Pending) int { return cmp.Or(cmp.Compare(b.For, a.For), cmp.Compare(a.id, b.id)) })
	return all
}

// pending describes the request that c serves at tick now, if it serves one.
func (c *call) pending(now int64) (Pending, bool) {
	id := c.open.Load()
	p := Pending{
		Op: kind(c.kind.Load()).String(), Ino: c.ino.Load(), PID: c.pid.Load(),
		For: time.Duration(now-c.since.Load()) * c.s.tick(), id: id, call: c,
	}
	// Of a reader's call, which may have gone on to another request meanwhile.
	return p, id != 0 && c.open.Load() == id
}

// PathOf names an inode, or returns "" when that takes too long. One attempt
// at a time may be left behind.
func (s *Server) PathOf(ino fsnode.Ino) string {
	n, ok := s.fs.(Namer)
	if !ok || !s.naming.CompareAndSwap(false, true) {
		return ""
	}
	named := make(chan string, 1)
	go func() {
		path := n.PathOf(ino)
		s.naming.Store(false)
		named <- path
	}()
	timer := time.NewTimer(namePatience)
	defer timer.Stop()
	select {
	case path := <-named:
		return path
	case <-timer.C:
		return ""
	}
}

// attrsOf is p for the log.
func (s *Server) attrsOf(p Pending) []any {
	return []any{"op", p.Op, "inode", p.Ino, "path", s.PathOf(p.Ino), "pid", p.PID, "waited", p.For, "request", p.id}
}

// LogPending writes to the log what is not answered yet.
func (s *Server) LogPending() {
	all := s.Pending()
	s.log.Info("requests in flight", "mount", s.dir, "requests", len(all))
	for _, p := range all {
		s.log.Info("request in flight", s.attrsOf(p)...)
	}
}
