package mount

import (
	"slices"
	"syscall"
	"time"
)

// maxTick is the slowest that the watchdog's clock goes.
const maxTick = time.Second

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
			s.inspect(s.clock.Add(1))
		}
	}
}

// inspect looks at every call at tick now.
func (s *Server) inspect(now int64) {
	limit := now - int64((s.opts.Deadline+s.tick()-1)/s.tick())
	s.mu.Lock()
	inline := slices.Clone(s.inline)
	s.mu.Unlock()
	for _, c := range inline {
		if s.expire(c, c.open.Load(), limit) {
			c.retired.Store(true)
			s.addReader()
			s.dropReader(c, nil)
		}
	}
	s.flight.each(func(id uint64, c *call) {
		switch {
		case s.expire(c, id, limit):
			c.cancel()
		case c.signals.Load() && dying(c.pid):
			c.cancel()
		}
	})
}

// expire answers request id with EIO if c serves it since before limit.
func (s *Server) expire(c *call, id uint64, limit int64) bool {
	if id == 0 || c.since.Load() >= limit || !c.claim(id) {
		return false
	}
	s.counts.stuck.Add(1)
	s.log.Error("request is stuck and was answered with an I/O error", "request", id, "waits", c.wait,
		"deadline", s.opts.Deadline)
	s.refuse(id, syscall.EIO)
	return true
}
