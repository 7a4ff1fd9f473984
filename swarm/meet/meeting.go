package meet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	ma "github.com/multiformats/go-multiaddr"

	"pifs/swarm"
	"pifs/swarm/member"
)

const (
	memberProtocol protocol.ID = "/pifs/member/1"
	joinProtocol   protocol.ID = "/pifs/join/1"

	joinLimit   = 30 * time.Second // for a stranger's request, the founder's part included
	memberLimit = 60 * time.Second // for each exchange on a stream between members

	maxStrangers = 8  // requests to join that are answered at a time
	maxMembers   = 64 // streams of members that are answered at a time
	maxLarge     = 4  // records that are read at a time

	maxJoin = member.MaxChange + 64 // bytes of a request to join
)

// Meeting is a member among the others: it answers them, and asks them. It
// implements member.Peers, and is safe for concurrent use.
type Meeting struct {
	host    host.Host
	book    *member.Book
	service *member.Service
	log     *slog.Logger
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	running sync.WaitGroup

	strangers, members, large chan struct{} // places

	mu      sync.Mutex
	joining map[peer.ID]bool // strangers that are being answered
}

var _ member.Peers = (*Meeting)(nil)

// Attend makes h a place where the swarm of b meets, until Close.
func Attend(h host.Host, b *member.Book, log *slog.Logger) *Meeting {
	m := &Meeting{
		host: h, book: b, log: log,
		strangers: make(chan struct{}, maxStrangers), members: make(chan struct{}, maxMembers), large: make(chan struct{}, maxLarge),
		joining: map[peer.ID]bool{},
	}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	self := swarm.MemberID(h.ID().String())
	m.service = member.NewService(b, self, m, rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())), log)
	h.SetStreamHandler(memberProtocol, m.serveMember)
	h.SetStreamHandler(joinProtocol, m.serveStranger)
	h.Network().Notify(&network.NotifyBundle{ConnectedF: m.connected})
	m.running.Go(func() { m.service.Run(m.ctx) })
	return m
}

// Close ends the meeting. The host goes on.
func (m *Meeting) Close() {
	m.host.RemoveStreamHandler(memberProtocol)
	m.host.RemoveStreamHandler(joinProtocol)
	m.cancel()
	m.running.Wait()
}

// Submit submits a change, as member.Directory does.
func (m *Meeting) Submit(ctx context.Context, c member.Change) error { return m.service.Submit(ctx, c) }

// Connected returns how many members are connected now.
func (m *Meeting) Connected() (n int) {
	rec := m.book.Current()
	for _, id := range m.host.Network().Peers() {
		if _, ok := rec.Find(swarm.MemberID(id.String())); ok {
			n++
		}
	}
	return n
}

// connected has the record compared with a member that comes or comes back. The
// one who dialled asks.
func (m *Meeting) connected(_ network.Network, c network.Conn) {
	id := swarm.MemberID(c.RemotePeer().String())
	if _, ok := m.book.Current().Find(id); ok && c.Stat().Direction == network.DirOutbound {
		m.service.Met(id)
	}
}

// serveMember answers a member's requests until it closes the stream.
func (m *Meeting) serveMember(s network.Stream) {
	from := swarm.MemberID(s.Conn().RemotePeer().String())
	if _, ok := m.book.Current().Find(from); !ok || !enter(m.members) {
		_ = s.Reset()
		return
	}
	defer leave(m.members)
	m.end(s, m.answer(s, from, member.MaxMessage, memberLimit, -1))
}

// serveStranger answers one request to join, of one at a time from each.
func (m *Meeting) serveStranger(s network.Stream) {
	id := s.Conn().RemotePeer()
	if !m.admit(id) {
		_ = s.Reset()
		return
	}
	defer m.dismiss(id)
	m.end(s, m.answer(s, swarm.MemberID(id.String()), maxJoin, joinLimit, 1))
}

func (m *Meeting) admit(id peer.ID) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.joining[id] || !enter(m.strangers) {
		return false
	}
	m.joining[id] = true
	return true
}

func (m *Meeting) dismiss(id peer.ID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.joining, id)
	leave(m.strangers)
}

// answer answers up to most requests (any number if negative), each within
// patience.
func (m *Meeting) answer(s network.Stream, from swarm.MemberID, size int, patience time.Duration, most int) error {
	for ; most != 0; most-- {
		if err := s.SetDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		b, err := readFrame(s, size, m.large)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		req, err := member.UnmarshalRequest(b, size)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(m.ctx, patience)
		resp := m.service.Answer(ctx, from, req)
		cancel()
		if err := writeFrame(s, resp); err != nil {
			return err
		}
	}
	return nil
}

// end closes a stream, or resets it after an error, which is the other's.
func (m *Meeting) end(s network.Stream, err error) {
	if err != nil {
		m.log.Debug("a stream was reset", "from", s.Conn().RemotePeer(), "protocol", s.Protocol(), "err", err)
		_ = s.Reset()
		return
	}
	_ = s.Close()
}

// Ask implements member.Peers. The member is connected to if need be.
func (m *Meeting) Ask(ctx context.Context, to swarm.MemberID, req *member.Request) (*member.Response, error) {
	e, ok := m.book.Current().Find(to)
	if !ok {
		return nil, fmt.Errorf("ask %s: not a member: %w", to, swarm.ErrUnreachable)
	}
	id, err := peer.Decode(string(to))
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", to, err)
	}
	info := peer.AddrInfo{ID: id}
	for _, text := range e.Addrs {
		a, err := ma.NewMultiaddr(text)
		if err != nil {
			return nil, fmt.Errorf("ask %s: %w", to, err)
		}
		info.Addrs = append(info.Addrs, a)
	}
	return ask(ctx, m.host, info, memberProtocol, req)
}

// Join asks the members at the bootstrap addresses of an invitation, one after
// the other, to take e in, and returns the record that it is in. An answer of
// the founder is final.
func Join(ctx context.Context, h host.Host, i *member.Invitation, e member.Entry) (*member.Record, error) {
	var all error
	for _, text := range i.Bootstrap {
		info, err := peer.AddrInfoFromString(text)
		if err != nil {
			return nil, fmt.Errorf("read invitation: %w: %w", member.ErrTicket, err)
		}
		rec, err := member.Enter(ctx, i, e, func(ctx context.Context, req *member.Request) (*member.Response, error) {
			return ask(ctx, h, *info, joinProtocol, req)
		})
		if err == nil || errors.Is(err, member.ErrTicket) || errors.Is(err, member.ErrRefused) {
			return rec, err
		}
		all = errors.Join(all, fmt.Errorf("%s: %w", text, err))
	}
	return nil, all
}

// ask sends one request on a stream of its own.
func ask(ctx context.Context, h host.Host, to peer.AddrInfo, p protocol.ID, req *member.Request) (*member.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, memberLimit)
	defer cancel()
	if err := h.Connect(ctx, to); err != nil {
		return nil, fmt.Errorf("%w: %w", swarm.ErrUnreachable, err)
	}
	s, err := h.NewStream(ctx, to.ID, p)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", swarm.ErrUnreachable, err)
	}
	defer context.AfterFunc(ctx, func() { _ = s.Reset() })()
	resp, err := exchange(s, req)
	if err != nil {
		_ = s.Reset()
		return nil, fmt.Errorf("%w: %w", swarm.ErrUnreachable, err)
	}
	_ = s.Close()
	return resp, nil
}

func exchange(s network.Stream, req *member.Request) (*member.Response, error) {
	if err := writeFrame(s, req); err != nil {
		return nil, err
	}
	b, err := readFrame(s, member.MaxMessage, make(chan struct{}, 1))
	if err != nil {
		return nil, err
	}
	return member.UnmarshalResponse(b)
}

// enter takes a place if there is one.
func enter(places chan struct{}) bool {
	select {
	case places <- struct{}{}:
		return true
	default:
		return false
	}
}

func leave(places chan struct{}) { <-places }
