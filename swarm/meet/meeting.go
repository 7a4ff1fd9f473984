package meet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"pifs/blockstore"
	"pifs/swarm"
	"pifs/swarm/member"
	"pifs/swarm/wire"
)

// Bytes of requests. Those that pass a record on, and all answers, have at most
// member.MaxMessage.
const (
	maxDigest = 64
	maxChange = member.MaxChange + 64
)

const lastAnswer = 5 * time.Second // for a member that left to hear that it did

// Net is what a meeting needs of the network. A *peer.Host is one.
type Net interface {
	// ID returns who we are.
	ID() swarm.MemberID

	// Members says who belongs, and at which multiaddrs they are: all others are
	// strangers from then on.
	Members(all map[swarm.MemberID][]string)

	// Handle has requests of a protocol answered by b.
	Handle(protocol string, b wire.BlobServer)

	// Ask sends a request to a member. An error wraps swarm.ErrUnreachable if
	// there is no answer, or is a *wire.Refusal.
	Ask(ctx context.Context, to swarm.MemberID, protocol string, op wire.Op, request []byte, limit int) ([]byte, error)

	// Retry has a member tried with the next request, however short ago it was not
	// reached.
	Retry(id swarm.MemberID)

	// Connected reports whether there is a connection to a member now.
	Connected(id swarm.MemberID) bool
}

// Meeting is a member among the others: it answers them, and asks them. It
// implements member.Peers and wire.BlobServer, and is safe for concurrent use.
type Meeting struct {
	net     Net
	book    *member.Book
	service *member.Service
	life    context.Context // ends with Close
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu      sync.Mutex
	epoch   uint64                  // of the record that the network was told of
	leaving map[swarm.MemberID]bool // that are to hear an answer before they are strangers
}

var (
	_ member.Peers    = (*Meeting)(nil)
	_ wire.BlobServer = (*Meeting)(nil)
)

// Attend has the swarm of b meet through n, until Close.
func Attend(n Net, b *member.Book, log *slog.Logger) *Meeting {
	m := &Meeting{net: n, book: b, leaving: map[swarm.MemberID]bool{}}
	m.service = member.NewService(b, n.ID(), m, rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())), log)
	m.life, m.cancel = context.WithCancel(context.Background())
	m.introduce()
	n.Handle(wire.MemberProtocol, m)
	n.Handle(wire.JoinProtocol, m)
	m.running.Go(func() { m.service.Run(m.life) })
	m.running.Go(m.follow)
	return m
}

// Close ends the meeting. The network goes on, and finds nobody to answer.
func (m *Meeting) Close() {
	m.cancel()
	m.running.Wait()
}

// follow tells the network of each new record.
func (m *Meeting) follow() {
	for {
		changed := m.book.Changed()
		m.introduce()
		select {
		case <-m.life.Done():
			return
		case <-changed:
		}
	}
}

// introduce tells the network who belongs now.
func (m *Meeting) introduce() {
	m.mu.Lock()
	defer m.mu.Unlock()
	rec := m.book.Current()
	if rec.Header.Epoch <= m.epoch || m.life.Err() != nil {
		return
	}
	m.epoch = rec.Header.Epoch
	all := make(map[swarm.MemberID][]string, len(rec.Entries))
	for id := range m.leaving {
		all[id] = nil
	}
	for i := range rec.Entries {
		all[rec.Entries[i].ID] = rec.Entries[i].Addrs
	}
	m.net.Members(all)
}

// dismiss lets a member that leaves hear the answer to that: the network closes
// the connections of strangers.
func (m *Meeting) dismiss(id swarm.MemberID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.book.Current().Find(id); !ok || m.leaving[id] {
		return
	}
	m.leaving[id] = true
	time.AfterFunc(lastAnswer, func() {
		m.mu.Lock()
		delete(m.leaving, id)
		m.epoch = 0
		m.mu.Unlock()
		m.introduce()
	})
}

// Submit submits a change, as member.Directory does.
func (m *Meeting) Submit(ctx context.Context, c member.Change) error {
	defer m.introduce()
	m.net.Retry(m.book.Current().Header.Founder)
	return m.service.Submit(ctx, c)
}

// Connected returns how many members are connected now.
func (m *Meeting) Connected() (n int) {
	for _, e := range m.book.Current().Entries {
		if e.ID != m.net.ID() && m.net.Connected(e.ID) {
			n++
		}
	}
	return n
}

// Compare compares records with a member, however short ago it was not reached,
// and returns which one it has. Both have the newer one afterwards.
func (m *Meeting) Compare(ctx context.Context, id swarm.MemberID) (member.Digest, error) {
	defer m.introduce()
	m.net.Retry(id)
	return m.service.Compare(ctx, id)
}

// Limit implements wire.BlobServer. A stranger may ask for a change only.
func (m *Meeting) Limit(op wire.Op, from swarm.MemberID) int {
	if op == wire.OpChange {
		return maxChange
	}
	if _, ok := m.book.Current().Find(from); !ok {
		return 0
	}
	switch op {
	case wire.OpDigest:
		return maxDigest
	case wire.OpOffer:
		return member.MaxMessage
	}
	return 0
}

// Serve implements wire.BlobServer. Why a change is not made stands in the
// answer.
func (m *Meeting) Serve(ctx context.Context, op wire.Op, from swarm.MemberID, request []byte) ([]byte, error) {
	req, err := member.UnmarshalRequest(request, m.Limit(op, from))
	if err != nil {
		return nil, err
	}
	if opOf(req) != op {
		return nil, fmt.Errorf("operation %d with another's request: %w", op, blockstore.ErrFormat)
	}
	if req.Change != nil && req.Change.Leave != nil {
		m.dismiss(from)
	}
	resp := m.service.Answer(ctx, from, req)
	m.introduce() // before who has just joined asks for more
	b, err := blockstore.Marshal(resp)
	if err != nil {
		return nil, fmt.Errorf("encode answer: %w", err)
	}
	return b, nil
}

// opOf returns the operation of a request.
func opOf(req *member.Request) wire.Op {
	switch {
	case req.Have != nil:
		return wire.OpDigest
	case req.Record != nil:
		return wire.OpOffer
	}
	return wire.OpChange
}

// Ask implements member.Peers.
func (m *Meeting) Ask(ctx context.Context, to swarm.MemberID, req *member.Request) (*member.Response, error) {
	b, err := blockstore.Marshal(req)
	if err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	if b, err = m.net.Ask(ctx, to, wire.MemberProtocol, opOf(req), b, member.MaxMessage); err != nil {
		return nil, unreachable(err)
	}
	return member.UnmarshalResponse(b)
}

// unreachable makes of an answer that was none, such as one of a member that
// does not know us yet, one that is worth asking again.
func unreachable(err error) error {
	if errors.Is(err, swarm.ErrUnreachable) || errors.Is(err, context.Canceled) {
		return err
	}
	return fmt.Errorf("%w: %w", swarm.ErrUnreachable, err)
}
