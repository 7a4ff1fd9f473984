package member

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pifs/blockstore"
	"pifs/swarm"
)

// net carries requests between the services of one process, through their
// encodings, with a delay, and loses what is cut.
type net struct {
	t        *testing.T
	mu       sync.Mutex
	services map[swarm.MemberID]*Service
	cut      map[swarm.MemberID]bool
	asked    atomic.Int64
}

// from is the net as one member sees it.
type from struct {
	net *net
	id  swarm.MemberID
}

var _ Peers = from{}

func (f from) Ask(ctx context.Context, to swarm.MemberID, req *Request) (*Response, error) {
	f.net.mu.Lock()
	f.net.asked.Add(1)
	s, lost := f.net.services[to], f.net.cut[to] || f.net.cut[f.id]
	f.net.mu.Unlock()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(50 * time.Millisecond):
	}
	if s == nil || lost {
		return nil, swarm.ErrUnreachable
	}
	raw, err := blockstore.Marshal(req)
	must(f.net.t, err)
	if req, err = UnmarshalRequest(raw, MaxMessage); err != nil {
		return nil, err
	}
	if raw, err = blockstore.Marshal(s.Answer(ctx, f.id, req)); err != nil {
		return nil, err
	}
	return UnmarshalResponse(raw)
}

// serve puts a book into the net and runs its service.
func (n *net) serve(ctx context.Context, who int, b *Book) *Service {
	id := testIdentity(n.t, who).ID
	s := NewService(b, id, from{n, id}, rand.New(rand.NewPCG(1, uint64(who))), slog.New(slog.DiscardHandler))
	n.mu.Lock()
	n.services[id] = s
	n.mu.Unlock()
	go s.Run(ctx)
	return s
}

func (n *net) setCut(who int, lost bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut[testIdentity(n.t, who).ID] = lost
}

// enter has a newcomer join through the member via.
func (n *net) enter(ctx context.Context, f *Founder, i *Invitation, who, via int) (*Book, error) {
	e := testEntry(n.t, f, who, 1)
	rec, err := Enter(ctx, i, e, func(ctx context.Context, req *Request) (*Response, error) {
		return from{n, e.ID}.Ask(ctx, testIdentity(n.t, via).ID, req)
	})
	if err != nil {
		return nil, err
	}
	return AdoptBook(n.t.TempDir(), f.Genesis, rec, clock)
}

// inNet runs fn in a bubble of virtual time, with a founder's node.
func inNet(t *testing.T, fn func(ctx context.Context, n *net, f *Founder, b *Book)) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		n := &net{t: t, services: map[swarm.MemberID]*Service{}, cut: map[swarm.MemberID]bool{}}
		f := testFounder(t)
		b, _ := testBook(t, f)
		n.serve(ctx, 0, b)
		fn(ctx, n, f, b)
		cancel()
		synctest.Wait()
	})
}

// TestNewcomersJoinThroughAnyMember lets each newcomer join through the one
// before it. In the end all have the founder's record.
func TestNewcomersJoinThroughAnyMember(t *testing.T) {
	inNet(t, func(ctx context.Context, n *net, f *Founder, b *Book) {
		const members = 12
		i := testInvitation(t, f, members, testNow+1000)
		books := []*Book{b}
		for who := 1; who < members; who++ {
			book, err := n.enter(ctx, f, i, who, who-1)
			must(t, err)
			n.serve(ctx, who, book)
			books = append(books, book)
		}
		time.Sleep(5 * time.Minute)
		for who, book := range books {
			if book.Current().Header != b.Current().Header || len(book.Current().Entries) != members {
				t.Errorf("member %d is at record %d of %d", who, book.Current().Header.Epoch, b.Current().Header.Epoch)
			}
		}
		before := n.asked.Load()
		time.Sleep(time.Hour)
		if per := float64(n.asked.Load()-before) / members; per > 2*3600/probeEvery.Seconds() {
			t.Errorf("%f requests an hour of each member when nothing changes", per)
		}
	})
}

// TestPartitionHeals keeps a member away while others come and go: it hears of
// that when it is back. While the founder's node is away nobody can join.
func TestPartitionHeals(t *testing.T) {
	inNet(t, func(ctx context.Context, n *net, f *Founder, b *Book) {
		i := testInvitation(t, f, 10, testNow+1000)
		var books []*Book
		for who := 1; who <= 3; who++ {
			book, err := n.enter(ctx, f, i, who, 0)
			must(t, err)
			n.serve(ctx, who, book)
			books = append(books, book)
		}
		n.setCut(1, true)
		_, err := n.enter(ctx, f, i, 4, 2)
		must(t, err)
		leave, err := NewLeave(testIdentity(t, 3), testSwarmID(t, f), 9)
		must(t, err)
		must(t, books[2].Submit(ctx, leave))
		time.Sleep(time.Minute)
		if books[0].Current().Header.Epoch == b.Current().Header.Epoch {
			t.Error("a member that is cut off heard of a change")
		}
		n.setCut(1, false)
		n.setCut(0, true)
		time.Sleep(10 * time.Minute)
		if books[0].Current().Header != b.Current().Header {
			t.Error("a member that is back did not hear of a change from another")
		}
		if _, err := n.enter(ctx, f, i, 5, 2); !errors.Is(err, swarm.ErrUnreachable) {
			t.Errorf("join without the founder's node: %v", err)
		}
	})
}

// TestStrangersMayOnlyJoin has somebody who is in no record ask for everything.
func TestStrangersMayOnlyJoin(t *testing.T) {
	inNet(t, func(ctx context.Context, n *net, f *Founder, b *Book) {
		i := testInvitation(t, f, 1, testNow+1000)
		stranger := from{n, testIdentity(t, 7).ID}
		join, leave, update := testJoin(t, f, i, 8, 1), Change{Leave: &Leave{ID: stranger.id, Seq: 9}}, Change{}
		e := testEntry(t, f, 7, 1)
		update.Update = &e
		for name, req := range map[string]*Request{
			"compare": {Have: &Digest{}}, "record": {Record: b.Current()}, "for another": {Change: &join},
			"leave": {Change: &leave}, "update": {Change: &update},
		} {
			resp, err := stranger.Ask(ctx, testIdentity(t, 0).ID, req)
			must(t, err)
			if resp.Refusal == nil || !errors.Is(resp.Refusal.Err(), ErrRefused) || resp.Record != nil || resp.Have != (Digest{}) {
				t.Errorf("%s: %+v", name, resp)
			}
		}
		_, err := n.enter(ctx, f, testInvitation(t, f, 1, testNow-1), 7, 0)
		if !errors.Is(err, ErrTicket) {
			t.Errorf("join by an expired ticket: %v", err)
		}
		_, err = n.enter(ctx, f, i, 7, 0)
		must(t, err)
		if _, err = n.enter(ctx, f, i, 8, 0); !errors.Is(err, ErrTicket) {
			t.Errorf("join by a ticket that is used up: %v", err)
		}
	})
}

// TestFounderFromAnOldCopyAsksFirst brings the founder's home back as it was
// some changes ago. Its first change follows the newest record all the same.
func TestFounderFromAnOldCopyAsksFirst(t *testing.T) {
	f := testFounder(t)
	i := testInvitation(t, f, 10, testNow+1000)
	inNet(t, func(ctx context.Context, n *net, _ *Founder, b *Book) {
		book, err := n.enter(ctx, f, i, 1, 0)
		must(t, err)
		n.serve(ctx, 1, book)
		old := t.TempDir()
		_, err = CreateBook(old, f, testEntry(t, f, 0, 1), clock)
		must(t, err)
		early, err := OpenBook(old, clock)
		must(t, err)
		if _, err := early.Receive(b.Current()); err != nil {
			t.Fatal(err)
		}
		for who := 2; who < 5; who++ {
			_, err := n.enter(ctx, f, i, who, 1)
			must(t, err)
		}
		time.Sleep(time.Minute)
		s := NewService(early, testIdentity(t, 0).ID, from{n, testIdentity(t, 0).ID}, rand.New(rand.NewPCG(3, 3)), slog.New(slog.DiscardHandler))
		must(t, s.Submit(ctx, testJoin(t, f, i, 9, 1)))
		changed, err := book.Receive(early.Current())
		if !changed || err != nil || len(book.Evidence()) != 0 {
			t.Errorf("%v %v, %d pieces of evidence", changed, err, len(book.Evidence()))
		}
	})
}

func TestRefusalsKeepTheirKind(t *testing.T) {
	for _, kind := range kinds() {
		if err := refuse(fmt.Errorf("join: %w", kind)).Err(); !errors.Is(err, kind) || err.Error() != "join: "+kind.Error() {
			t.Errorf("%v comes back as %v", kind, err)
		}
	}
	for _, r := range []*Refusal{refuse(errors.New("\x1b[2J")), {Kind: 200, Text: "x"}, {Text: "\x00"}} {
		if err := r.Err(); !errors.Is(err, errElsewhere) || !printable(err.Error()) {
			t.Errorf("%+v comes back as %q", r, err)
		}
	}
}
