package mount

import (
	"context"
	"strings"
	"sync"
	"time"

	"bazil.org/fuse"

	"pifs/fsnode"
)

// lane is a queue of calls that may wait, with a bounded number of workers.
// The queue needs no bound: each call in it is a thread that waits in the
// kernel.
type lane struct {
	workers int

	mu      sync.Mutex
	queue   []*call
	busy    int
	scratch []*buffers    // of workers that ended
	idle    chan struct{} // closed when busy falls to 0; nil unless somebody waits
}

// submit has c served by a worker.
func (l *lane) submit(c *call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.busy == l.workers {
		l.queue = append(l.queue, c)
		return
	}
	l.busy++
	b := l.buffers(c.s)
	go l.work(c, b)
}

// buffers returns those of a worker that ended, or new ones. l.mu is held.
func (l *lane) buffers(s *Server) *buffers {
	n := len(l.scratch)
	if n == 0 {
		return s.newBuffers()
	}
	b := l.scratch[n-1]
	l.scratch = l.scratch[:n-1]
	return b
}

// work serves c and then what is queued.
func (l *lane) work(c *call, b *buffers) {
	for c != nil {
		c.buffers = b
		c.request.Slot = b.slot
		c.s.serveWaiting(c)
		c = l.next(b)
	}
}

// next returns the oldest call of the queue, or ends a worker.
func (l *lane) next(b *buffers) *call {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) > 0 {
		c := l.queue[0]
		l.queue[0] = nil
		l.queue = l.queue[1:]
		return c
	}
	l.busy--
	l.scratch = append(l.scratch, b)
	if l.busy == 0 && l.idle != nil {
		close(l.idle)
		l.idle = nil
	}
	return nil
}

// drain returns when no call is left, or when grace fires.
func (l *lane) drain(grace <-chan time.Time) {
	l.mu.Lock()
	if l.busy == 0 {
		l.mu.Unlock()
		return
	}
	idle := make(chan struct{})
	l.idle = idle
	l.mu.Unlock()
	select {
	case <-idle:
	case <-grace:
	}
}

// computed is how the names of attributes begin that take long to compute.
const computed = "user.pifs."

// laneOf returns the lane of a request that is known to wait, else nil.
func (s *Server) laneOf(req fuse.Request) *lane {
	switch r := req.(type) {
	case *fuse.FsyncRequest:
		return &s.writing
	case *fuse.StatfsRequest:
		return &s.reading
	case *fuse.GetxattrRequest:
		if strings.HasPrefix(r.Name, computed) {
			return &s.reading
		}
	case *fuse.LookupRequest, *fuse.GetattrRequest, *fuse.ReadRequest, *fuse.OpenRequest,
		*fuse.ReadlinkRequest, *fuse.ListxattrRequest, *fuse.UnrecognizedRequest:
		// decided below
	default:
		return nil
	}
	if fsnode.Ino(req.Hdr().Node) >= fsnode.VirtualIno {
		return &s.reading // the views are read from shards
	}
	return nil
}

// waitLane returns the lane of a request that would have blocked.
func (s *Server) waitLane(req fuse.Request) *lane {
	switch req.(type) {
	case *fuse.WriteRequest, *fuse.SetattrRequest, *fuse.FAllocateRequest:
		return &s.writing
	case *fuse.UnrecognizedRequest:
		return &s.seeking
	}
	return &s.reading
}

// detach moves the request from a reader's call to one of its own.
func (s *Server) detach(c *call, to *lane) {
	h := c.req.Hdr()
	if !c.claim(uint64(h.ID)) { // the watchdog was faster
		c.finish(nil)
		return
	}
	d := &call{s: s, wait: true}
	d.begin(c.req, kind(c.kind.Load()), 0) // the worker will know its slot
	d.since.Store(c.since.Load())
	d.ctx, d.cancel = context.WithCancel(d.context(s.ctx))
	c.req = nil
	s.flight.add(uint64(h.ID), d)
	to.submit(d)
}

// serveWaiting serves a call of a lane.
func (s *Server) serveWaiting(c *call) {
	id := uint64(c.req.Hdr().ID)
	err := c.ctx.Err()
	if err == nil {
		err = s.guard(c)
	}
	c.finish(err)
	c.cancel()
	s.flight.remove(id)
}
