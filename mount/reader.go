package mount

import (
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"syscall"
	"time"

	"bazil.org/fuse"

	"pifs/fsnode"
)

const (
	readRetries = 100 // consecutive failures to read a request before giving up
	retryPause  = 10 * time.Millisecond
)

// addReader starts a goroutine that reads requests.
func (s *Server) addReader() {
	c := &call{s: s, buffers: s.newBuffers()}
	c.ctx = c.context(s.ctx)
	s.mu.Lock()
	s.inline = append(s.inline, c)
	s.mu.Unlock()
	go func() { s.dropReader(c, s.read(c)) }()
}

// dropReader takes a reader out of the list, because it ended with err or
// because it is stuck.
func (s *Server) dropReader(c *call, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.inline, c)
	if i < 0 {
		return
	}
	s.inline = slices.Delete(s.inline, i, i+1)
	s.err = errors.Join(s.err, err)
	if len(s.inline) == 0 {
		close(s.idle)
	}
}

// read serves requests until the mount ends or c is retired.
func (s *Server) read(c *call) error {
	failures := 0
	for !c.retired.Load() {
		req, err := s.conn.ReadRequest()
		switch {
		case err == nil:
			failures = 0
			s.serve(c, req)
		case errors.Is(err, io.EOF):
			return nil
		case transient(err) && failures < readRetries:
			if failures++; failures > 1 {
				time.Sleep(retryPause)
			}
		default:
			return fmt.Errorf("read request: %w", err)
		}
	}
	return nil
}

// transient reports whether reading a request may succeed next time: ENOENT
// says that the caller was interrupted just then, and what is no errno is a
// message that the library could not make sense of.
func transient(err error) bool {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return true
	}
	switch errno {
	case syscall.ENOENT, syscall.EINTR, syscall.EAGAIN, syscall.ENOMEM, syscall.EIO:
		return true
	}
	return false
}

// serve answers req, or hands it to a lane where it may wait.
func (s *Server) serve(c *call, req fuse.Request) {
	k := kindOf(req)
	s.counts.add(k)
	c.begin(req, k, c.slot)
	to := s.laneOf(req)
	if to == nil {
		err := s.guard(c)
		if !errors.Is(err, fsnode.ErrWouldBlock) {
			c.finish(err)
			return
		}
		to = s.waitLane(req)
	}
	s.detach(c, to)
}

// guard handles a call. A panic ends the process, as kill -9 would: nobody
// knows what it left half done, and what was acknowledged survives that. The
// log says what was asked.
func (s *Server) guard(c *call) error {
	calm := false
	defer func() {
		if !calm {
			s.log.Error("panic while serving a request: the daemon ends", "op", kindOf(c.req).String(),
				"inode", c.node(), "pid", c.pid.Load(), "stack", string(debug.Stack()))
		}
	}()
	again, err := s.answerAgain(c)
	if !again {
		err = s.handle(c)
	}
	calm = true
	return err
}
