package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"pifs/swarm"
	"pifs/swarm/wire"
)

// Pauses before a member is asked again that was busy, drawn from their upper
// halves: they double.
const (
	firstRest = 50 * time.Millisecond
	lastRest  = 2 * time.Second
)

const (
	maxIdle  = 8                // streams of one protocol that are kept for the next request
	maxCalls = 16               // requests to one member that are under way: more wait
	idleTime = 50 * time.Second // after which a kept stream is not trusted any more; less than the other side's
)

// link is the way to one member.
type link struct {
	host  *Host
	peer  peer.ID
	death death
	rtt   roundTrip
	slots chan struct{} // of requests under way

	mu     sync.Mutex
	idle   map[protocol.ID][]*stream // guarded by mu, the last used at the end
	closed bool
}

// stream is an open stream with its framing.
type stream struct {
	*wire.Conn
	s    network.Stream
	used time.Time // when the last answer had come
}

func newLink(h *Host, p peer.ID) *link {
	return &link{host: h, peer: p, slots: make(chan struct{}, maxCalls), idle: map[protocol.ID][]*stream{}}
}

// exchange is one request and its answer on a stream. size is how many bytes
// both have, about; work is how long the member may take besides.
type exchange struct {
	protocol string
	size     int
	work     time.Duration
	do       func(*wire.Conn) error
}

// run makes an exchange, again after a pause if the member has too much to do.
// Exchanges must bear to be made twice. Failures to reach the member wrap
// swarm.ErrUnreachable.
func (l *link) run(ctx context.Context, e exchange) error {
	select {
	case l.slots <- struct{}{}:
		defer func() { <-l.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	for pause := firstRest; ; pause *= 2 {
		if err := ctx.Err(); err != nil {
			return err // before anything of it is sent
		}
		err := l.attempt(ctx, e)
		if !errors.Is(err, wire.ErrBusy) || pause > lastRest {
			return err
		}
		select {
		case <-time.After(pause/2 + rand.N(pause/2)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// attempt makes an exchange on a stream that is open, or a new one. One that
// finds its stream closed before an answer began is made once more, since a kept
// stream may have been closed by the other side meanwhile.
func (l *link) attempt(ctx context.Context, e exchange) error {
	for {
		s, kept, err := l.open(ctx, protocol.ID(e.protocol))
		if err != nil {
			return err
		}
		err = l.use(ctx, s, e)
		if !kept || !stale(err) || ctx.Err() != nil {
			return err
		}
	}
}

// stale reports an error that a stream gives which the other side has closed.
func stale(err error) bool {
	var refused *wire.Refusal
	return err != nil && !errors.As(err, &refused) && !errors.Is(err, wire.ErrProtocol) && !isTimeout(err) &&
		(errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, network.ErrReset) || errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe))
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout() || errors.Is(err, context.DeadlineExceeded)
}

// open returns a stream, one that was kept if there is one.
func (l *link) open(ctx context.Context, p protocol.ID) (s *stream, kept bool, err error) {
	if s := l.take(p); s != nil {
		return s, true, nil
	}
	if err := l.death.err(time.Now()); err != nil {
		return nil, false, err
	}
	patient, cancel := context.WithTimeout(ctx, dialPatience)
	defer cancel()
	raw, err := l.host.h.NewStream(patient, l.peer, p)
	if e := over(ctx); err != nil && e != nil {
		return nil, false, e
	}
	if err != nil {
		err = fmt.Errorf("%w: %w", swarm.ErrUnreachable, err)
		l.death.failed(time.Now(), err)
		l.host.seek(l.peer)
		return nil, false, err
	}
	return &stream{Conn: wire.NewConn(raw), s: raw}, false, nil
}

// over returns why the caller does not wait any longer, or nil. What waited for
// the deadline of ctx may know that it has passed before ctx does.
func over(ctx context.Context) error {
	if d, ok := ctx.Deadline(); ok && ctx.Err() == nil && !time.Now().Before(d) {
		return context.DeadlineExceeded
	}
	return ctx.Err()
}

// take returns a kept stream, or nil.
func (l *link) take(p protocol.ID) *stream {
	l.mu.Lock()
	defer l.mu.Unlock()
	for kept := l.idle[p]; len(kept) > 0; kept = l.idle[p] {
		s := kept[len(kept)-1]
		l.idle[p] = kept[:len(kept)-1]
		if time.Since(s.used) < idleTime {
			return s
		}
		_ = s.s.Reset()
	}
	return nil
}

// keep keeps a stream for the next exchange.
func (l *link) keep(p protocol.ID, s *stream) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.idle[p]) >= maxIdle {
		_ = s.s.Reset()
		return
	}
	s.used = time.Now()
	l.idle[p] = append(l.idle[p], s)
}

// use makes an exchange on s, which is kept if it can be used again.
func (l *link) use(ctx context.Context, s *stream, e exchange) error {
	begun := time.Now()
	_ = s.s.SetDeadline(begun.Add(l.rtt.patience(e.size) + e.work)) // ours: that of ctx says nothing about the member
	stop := context.AfterFunc(ctx, func() { _ = s.s.Reset() })
	err := e.do(s.Conn)
	if !stop() {
		err = errors.Join(ctx.Err(), err)
	}
	var refused *wire.Refusal
	if err == nil || errors.As(err, &refused) && ctx.Err() == nil {
		l.death.revived()
		if e.size <= wire.MaxMessage && e.work == 0 {
			l.rtt.took(time.Since(begun))
		}
		_ = s.s.SetDeadline(time.Time{})
		l.keep(s.s.Protocol(), s)
		return err
	}
	_ = s.s.Reset()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if isTimeout(err) {
		l.death.failed(time.Now(), err)
	}
	return fmt.Errorf("%w: %w", swarm.ErrUnreachable, err)
}

// close gives up the streams that are kept.
func (l *link) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for _, kept := range l.idle {
		for _, s := range kept {
			_ = s.s.Reset()
		}
	}
	l.idle = nil
}
