package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"golang.org/x/sync/semaphore"

	"pifs/swarm"
	"pifs/swarm/wire"
)

const (
	maxServed    = 32               // requests of one peer that are served at a time
	servedBytes  = 128 << 20        // of payloads that are in memory, in all
	waitForRoom  = 10 * time.Second // before the answer is "busy"
	streamIdle   = time.Minute      // between two requests on a stream
	strangerIdle = 10 * time.Second
)

// calls are the requests that are being served.
type calls struct {
	mu   sync.Mutex
	live map[peer.ID]int
	room *semaphore.Weighted // bytes
}

func newCalls() calls {
	return calls{live: map[peer.ID]int{}, room: semaphore.NewWeighted(servedBytes)}
}

// enter counts a request of p, which leave ends; ErrBusy if there are too many.
func (c *calls) enter(p peer.ID) (leave func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.live[p] >= maxServed {
		return nil, wire.ErrBusy
	}
	c.live[p]++
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.live[p]--; c.live[p] == 0 {
			delete(c.live, p)
		}
	}, nil
}

// hold waits for room for n bytes of payload: nothing more is read from the
// peer meanwhile, which is what slows it down.
func (c *calls) hold(ctx context.Context, n int) (release func(), err error) {
	patient, cancel := context.WithTimeout(ctx, waitForRoom)
	defer cancel()
	if err := c.room.Acquire(patient, int64(n)); err != nil {
		return nil, fmt.Errorf("%w: no room for %d bytes", wire.ErrBusy, n)
	}
	return func() { c.room.Release(int64(n)) }, nil
}

// request is what is being served.
type request struct {
	conn   *wire.Conn
	stream network.Stream
	op     wire.Op
	from   swarm.MemberID
}

// expect gives the rest of the request, or its answer, of size bytes, its time.
func (r *request) expect(size int) {
	_ = r.stream.SetDeadline(time.Now().Add(maxPatience/4 + time.Duration(size)*time.Second/slowest))
}

// handler serves one request whose operation was read. An error is one of the
// stream: what is wrong with the request itself is answered.
type handler func(ctx context.Context, r *request) error

// serve has the streams of a protocol served. Strangers are let in if welcome.
func (h *Host) serve(proto string, welcome bool, serve handler) {
	h.h.SetStreamHandler(protocol.ID(proto), func(s network.Stream) {
		h.serving.Add(1)
		defer h.serving.Done()
		p := s.Conn().RemotePeer()
		if !welcome && !h.gate.isMember(p) {
			_ = s.Reset()
			return
		}
		err := h.serveStream(s, p, serve)
		if err != nil && !errors.Is(err, io.EOF) {
			h.log.Debug("stream ended", "peer", p, "protocol", proto, "err", err)
		}
		_ = s.Close() // what was answered last still arrives
	})
}

func (h *Host) serveStream(s network.Stream, p peer.ID, serve handler) error {
	r := &request{conn: wire.NewConn(s), stream: s, from: swarm.MemberID(p.String())}
	idle := streamIdle
	if !h.gate.isMember(p) {
		idle = strangerIdle
	}
	for h.life.Err() == nil {
		_ = s.SetDeadline(time.Now().Add(idle))
		var err error
		if r.op, err = r.conn.ReadRequest(); err != nil {
			return err
		}
		r.expect(wire.MaxMessage)
		leave, err := h.calls.enter(p)
		if err != nil {
			return errors.Join(err, r.conn.WriteError(err)) // a payload may follow: the stream is of no use
		}
		err = serve(h.life, r)
		leave()
		if err != nil {
			return err
		}
	}
	return h.life.Err()
}

// answer sends the message, or the error.
func (r *request) answer(message any, err error) error {
	if err != nil {
		return r.conn.WriteError(err)
	}
	return r.conn.WriteAnswer(message)
}

// Handle serves one of the protocols of blobs. Strangers may ask on
// wire.JoinProtocol, and connect from then on.
func (h *Host) Handle(proto string, b wire.BlobServer) {
	welcome := proto == wire.JoinProtocol
	if welcome {
		h.gate.letJoin(true)
	}
	h.serve(proto, welcome, func(ctx context.Context, r *request) error {
		limit := b.Limit(r.op, r.from)
		if limit <= 0 {
			return fatal(r, errors.ErrUnsupported)
		}
		release, err := h.calls.hold(ctx, min(limit, wire.MaxBlob))
		if err != nil {
			return fatal(r, err)
		}
		defer release()
		r.expect(limit)
		blob, err := r.conn.RequestBlob(limit)
		if err != nil {
			return fatal(r, err)
		}
		out, err := b.Serve(ctx, r.op, r.from, blob)
		r.expect(len(out))
		if err != nil {
			return r.conn.WriteError(err)
		}
		return r.conn.WriteBlob(0, out)
	})
}

// fatal answers a request whose payload is not read: the stream ends.
func fatal(r *request, err error) error { return errors.Join(err, r.conn.WriteError(err)) }
