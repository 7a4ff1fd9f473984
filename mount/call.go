package mount

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"syscall"

	"bazil.org/fuse"

	"pifs/fsnode"
	"pifs/fsnode/session"
)

// call is a request while it is served. A reader has one that it uses again
// and again; a request that has to wait gets one of its own.
type call struct {
	s   *Server
	req fuse.Request
	ctx context.Context

	// open is the request's number until somebody claims the right to answer
	// it, then 0. Numbers never come again, so a claim can not hit a later one.
	open  atomic.Uint64
	since atomic.Int64 // the watchdog's clock when it began

	// What the request is, for the watchdog: req may be gone when it looks.
	kind atomic.Uint32
	pid  atomic.Uint32 // the thread that asked
	ino  atomic.Uint64
	told atomic.Uint64 // the number of the request that the log has told of

	retired atomic.Bool // a stuck reader's: another has taken its place

	// In a lane only.
	wait    bool               // the call may wait
	cancel  context.CancelFunc // nil in a reader's
	signals atomic.Bool        // that thread was sent a signal

	request session.Request // what changes are made for; with a session only

	*buffers
}

// buffers are what a goroutine that serves calls needs. They grow to what was
// needed most and are used again.
type buffers struct {
	head wire
	data []byte
	slot int // of the session, for the goroutine that has these
}

func (s *Server) newBuffers() *buffers {
	b := &buffers{head: make(wire, headSize, replySize), data: make([]byte, blockSize)}
	if s.opts.Session != nil {
		b.slot = s.opts.Session.NewSlot()
	}
	return b
}

// context returns ctx, in which changes are made for the call's request.
func (c *call) context(ctx context.Context) context.Context {
	if c.s.opts.Session == nil {
		return ctx
	}
	return session.With(ctx, &c.request)
}

// maxData bounds one reply. The kernel asks for at most 128 KiB at a time.
const maxData = 1 << 20

// space returns n bytes of scratch, or maxData if that is less.
func (b *buffers) space(n int) []byte {
	n = max(0, min(n, maxData))
	if n > len(b.data) {
		b.data = make([]byte, n)
	}
	return b.data[:n]
}

// reply starts the fixed part of a reply.
func (c *call) reply() *wire {
	c.head = c.head[:headSize]
	return &c.head
}

// begin takes up a request, of kind k, for the goroutine that owns slot.
func (c *call) begin(req fuse.Request, k kind, slot int) {
	h := req.Hdr()
	c.req = req
	c.since.Store(c.s.clock.Load())
	c.kind.Store(uint32(k))
	c.pid.Store(h.Pid)
	c.ino.Store(uint64(h.Node))
	c.request = session.Request{ID: uint64(h.ID) &^ resentBit, Slot: slot}
	c.open.Store(uint64(h.ID))
}

// claim takes the right to answer request id.
func (c *call) claim(id uint64) bool { return id != 0 && c.open.CompareAndSwap(id, 0) }

// send answers with what was put into reply, followed by data.
func (c *call) send(data []byte) error {
	c.deliver(data)
	return nil
}

// deliver is send for answers that hand something over to the kernel: it
// reports whether the kernel took it.
func (c *call) deliver(data []byte) bool {
	id := uint64(c.req.Hdr().ID)
	if !c.claim(id) {
		return false
	}
	c.head.seal(id, 0, len(data))
	err := c.s.dev.write(c.head, data)
	c.s.sent(err)
	return err == nil
}

// finish ends a call: with an error, if its handler has not answered.
func (c *call) finish(err error) {
	if err != nil {
		c.fail(err)
	}
	c.open.Store(0)
	recycle(c.req)
	c.req = nil
}

// done answers success without a body.
func (c *call) done() error {
	c.reply()
	return c.send(nil)
}

// fail answers with an error. What is the daemon's fault rather than the
// caller's is logged.
func (c *call) fail(err error) {
	id := uint64(c.req.Hdr().ID)
	if !c.claim(id) {
		return
	}
	errno := errnoOf(err)
	if errno == syscall.EIO {
		c.s.log.Error("request failed", "op", kindOf(c.req).String(), "ino", uint64(c.node()), "err", err)
	}
	c.s.refuse(id, errno)
}

func (c *call) node() fsnode.Ino { return fsnode.Ino(c.req.Hdr().Node) }

func (c *call) cred() fsnode.Cred {
	h := c.req.Hdr()
	return fsnode.Cred{UID: h.Uid, GID: h.Gid}
}

// refuse answers request id with errno. Whoever calls it has claimed id.
func (s *Server) refuse(id uint64, errno syscall.Errno) {
	w := make(wire, headSize)
	w.seal(id, errno, 0)
	s.sent(s.dev.write(w, nil))
}

// sent looks at the result of writing a reply. ENOENT says that the caller was
// killed meanwhile; ENODEV that the mount is gone.
func (s *Server) sent(err error) {
	if err == nil || errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ENODEV) {
		return
	}
	s.log.LogAttrs(s.ctx, slog.LevelWarn, "write reply", slog.Any("err", err))
}
