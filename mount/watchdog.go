package mount

import (
	"syscall"
	"time"
)

const (
	// maxTick is the slowest that the watchdog's clock goes.
	maxTick = time.Second
	// warning is which part of the deadline has passed when the log first
	// tells of a request.
	warning = 4
)

// tick is the time between two looks of the watchdog.
func (s *Server) tick() time.Duration {
	return max(time.Millisecond, min(maxTick, s.opts.Deadline/8))
}

// watch answers EIO for calls that outlive the deadline, until the mount ends.
func (s *Server) watch(end <-chan struct{}) {
	t := time.NewTicker(s.tick())
	defer t.Stop()
	for {
		select {
		case <-end:
			return
		case <-t.C:
			s.clock.Add(1)
			s.inspect()
		}
	}
}

// inspect looks at every call that is not answered.
func (s *Server) inspect() {
	for _, p := range s.Pending() {
		switch {
		case p.For > s.opts.Deadline:
			s.expire(p)
		case p.For >= s.opts.Deadline/warning && p.call.told.Swap(p.id) != p.id:
			s.log.Warn("request waits", append(s.attrsOf(p), "deadline", s.opts.Deadline)...)
		}
	}
	s.flight.each((*call).letGo)
}

// expire answers a request that has waited for too long with EIO, and says so.
func (s *Server) expire(p Pending) {
	if !p.call.claim(p.id) {
		return
	}
	s.refuse(p.id, syscall.EIO)
	s.counts.stuck.Add(1)
	if c := p.call; c.cancel != nil {
		c.cancel()
	} else {
		c.retired.Store(true)
		s.addReader()
		s.dropReader(c, nil)
	}
	s.log.Error("request is stuck", append(s.attrsOf(p), "deadline", s.opts.Deadline, "outcome", "answered with EIO")...)
}
