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
	servedBytes  = 256 << 20        // of payloads that are in memory, in all
	peerBytes    = servedBytes / 4  // of those of one peer: who stands still with them keeps nobody else waiting
	waitForRoom  = 10 * time.Second // before the answer is "busy"
	streamIdle   = time.Minute      // between two requests on a stream
	lastWords    = 5 * time.Second  // for a refusal to be read, before the stream ends
	strangerIdle = 10 * time.Second
)

// calls are the requests that are being served.
type calls struct {
	mu     sync.Mutex
	guests map[peer.ID]*guest
	room   *semaphore.Weighted // bytes
}

// guest is a peer of which requests are being served.
type guest struct {
	requests int                 // guarded by calls.mu
	room     *semaphore.Weighted // bytes
}

func newCalls() calls {
	return calls{guests: map[peer.ID]*guest{}, room: semaphore.NewWeighted(servedBytes)}
}

// enter counts a request of p, which leave ends; ErrBusy if there are too many.
func (c *calls) enter(p peer.ID) (g *guest, leave func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if g = c.guests[p]; g == nil {
		g = &guest{room: semaphore.NewWeighted(peerBytes)}
		c.guests[p] = g
	}
	if g.requests >= maxServed {
		return nil, nil, wire.ErrBusy
	}
	g.requests++
	return g, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if g.requests--; g.requests == 0 {
			delete(c.guests, p)
		}
	}, nil
}

// hold waits for room for n bytes of payload of g: nothing more is read from the
// peer meanwhile, which is what slows it down.
func (c *calls) hold(ctx context.Context, g *guest, n int) (release func(), err error) {
	patient, cancel := context.WithTimeout(ctx, waitForRoom)
	defer cancel()
	if err := g.room.Acquire(patient, int64(n)); err != nil {
		return nil, fmt.Errorf("%w: too much of one member", wire.ErrBusy)
	}
	if err := c.room.Acquire(patient, int64(n)); err != nil {
		g.room.Release(int64(n))
		return nil, fmt.Errorf("%w: no room for %d bytes", wire.ErrBusy, n)
	}
	return func() {
		c.room.Release(int64(n))
		g.room.Release(int64(n))
	}, nil
}

// request is what is being served.
type request struct {
	conn   *wire.Conn
	stream network.Stream
	op     wire.Op
	from   swarm.MemberID
	guest  *guest
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
		if !h.enter() {
			_ = s.Reset()
			return
		}
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
		_ = s.Reset()
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
		var leave func()
		if r.guest, leave, err = h.calls.enter(p); err != nil {
			return fatal(r, err) // a payload may follow
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
	r.expect(wire.MaxMessage) // from now on: a disk may have taken long
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
		release, err := h.calls.hold(ctx, r.guest, min(limit, wire.MaxBlob))
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

// fatal answers a request whose payload is not read: the stream ends, after the
// other side had time to read why.
func fatal(r *request, err error) error {
	_ = r.stream.SetDeadline(time.Now().Add(lastWords))
	if e := r.conn.WriteError(err); e != nil {
		return errors.Join(err, e)
	}
	if e := r.stream.CloseWrite(); e != nil {
		return errors.Join(err, e)
	}
	_, _ = io.CopyN(io.Discard, r.stream, wire.MaxBlob)
	return err
}
