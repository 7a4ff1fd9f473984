package member

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"pifs/swarm"
)

const (
	probeEvery = 20 * time.Second // give or take a half
	catchUp    = 3 * time.Second  // for others to tell the founder what it may have forgotten
	retryFirst = time.Second      // until those who were not reached are tried again, doubled each time
	founderFor = 8 * time.Second  // that the founder's node is tried, once it does not answer
	askLimit   = 20 * time.Second // for one question in the background
)

// Peers carries requests to other members.
type Peers interface {
	// Ask sends a request to a member and returns its answer, whose record is
	// not verified. An error wraps swarm.ErrUnreachable if there is none.
	Ask(ctx context.Context, to swarm.MemberID, req *Request) (*Response, error)
}

// Service keeps the book of a member up to date: it passes records on, takes
// newer ones, and carries changes to the founder's node. It is safe for
// concurrent use.
type Service struct {
	book  *Book
	self  swarm.MemberID
	peers Peers
	log   *slog.Logger
	abled sync.Once // the founder has asked others what they know

	mu     sync.Mutex
	gossip *Gossip // guarded by mu
}

// NewService returns the service of self, which is at work while Run runs.
// The book forwards its changes through it.
func NewService(b *Book, self swarm.MemberID, p Peers, rng *rand.Rand, log *slog.Logger) *Service {
	s := &Service{book: b, self: self, peers: p, log: log, gossip: NewGossip(self, rng)}
	b.ForwardBy(s.forward)
	return s
}

// Run passes records on until ctx ends.
func (s *Service) Run(ctx context.Context) {
	var asking sync.WaitGroup
	defer asking.Wait()
	missed := make(chan struct{}, 1)
	tell := func(id swarm.MemberID) {
		asking.Go(func() {
			if !s.tell(ctx, id) {
				select {
				case missed <- struct{}{}:
				default:
				}
			}
		})
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	backoff := retryFirst
	changed := s.book.Changed()
	for {
		select {
		case <-ctx.Done():
			return
		case <-missed: // somebody was not reached: try those who lack it again, ever more slowly
			timer.Reset(backoff)
			backoff = min(2*backoff, probeEvery)
			continue
		case <-changed:
			changed, backoff = s.book.Changed(), retryFirst
		case <-timer.C:
			if id := s.probe(); id != "" {
				tell(id)
			}
			timer.Reset(s.pause())
		}
		for _, id := range s.spread() {
			tell(id)
		}
	}
}

// tell compares records with a member, and reports whether that was possible.
func (s *Service) tell(ctx context.Context, id swarm.MemberID) bool {
	limited, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	_, err := s.Compare(limited, id)
	if err != nil && ctx.Err() == nil {
		s.log.Debug("a member was not told of the record", "member", id, "err", err)
	}
	return err == nil
}

func (s *Service) spread() []swarm.MemberID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gossip.Spread(s.book.Current())
}

func (s *Service) probe() swarm.MemberID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gossip.Probe(s.book.Current())
}

// pause returns how long to wait before the next probe. Members that started
// together do not stay in step.
func (s *Service) pause() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return probeEvery/2 + time.Duration(s.gossip.rng.Int64N(int64(probeEvery)))
}

func (s *Service) heard(id swarm.MemberID, epoch uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gossip.Heard(id, epoch)
}

// Compare compares records with a member, and returns which one it has; both
// have the newer one afterwards.
func (s *Service) Compare(ctx context.Context, id swarm.MemberID) (Digest, error) {
	have, err := s.compare(ctx, id)
	if err != nil {
		return have, fmt.Errorf("compare records with %s: %w", id, err)
	}
	return have, nil
}

func (s *Service) compare(ctx context.Context, id swarm.MemberID) (Digest, error) {
	ours, err := s.book.Current().Digest()
	if err != nil {
		return Digest{}, err
	}
	resp, err := s.ask(ctx, id, &Request{Have: &ours})
	if err != nil {
		return Digest{}, err
	}
	if err := s.take(id, resp); err != nil {
		return resp.Have, err
	}
	rec := s.book.Current()
	if rec.Header.Epoch <= resp.Have.Epoch {
		return resp.Have, nil
	}
	if resp, err = s.ask(ctx, id, &Request{Record: rec}); err != nil {
		return Digest{}, err
	}
	s.heard(id, resp.Have.Epoch)
	return resp.Have, nil
}

// ask asks a member; a refusal is an error.
func (s *Service) ask(ctx context.Context, id swarm.MemberID, req *Request) (*Response, error) {
	resp, err := s.peers.Ask(ctx, id, req)
	if err == nil && resp.Refusal != nil {
		err = resp.Refusal.Err()
	}
	return resp, err
}

// take takes from an answer what it says of the record.
func (s *Service) take(from swarm.MemberID, resp *Response) error {
	s.heard(from, resp.Have.Epoch)
	if resp.Header != nil {
		if err := s.book.Witness(*resp.Header); err != nil {
			return err
		}
	}
	if resp.Record == nil {
		return nil
	}
	_, err := s.book.Receive(resp.Record)
	return err
}

// Answer answers a request of from. A stranger, who is in no record, may ask to
// join and nothing else.
func (s *Service) Answer(ctx context.Context, from swarm.MemberID, req *Request) *Response {
	resp, err := s.answer(ctx, from, req)
	if err == nil {
		var have Digest
		if have, err = s.book.Current().Digest(); err == nil {
			resp.Have = have
			return resp
		}
	}
	s.log.Info("a request was refused", "from", from, "err", err)
	return &Response{Refusal: refuse(err)}
}

func (s *Service) answer(ctx context.Context, from swarm.MemberID, req *Request) (*Response, error) {
	cur := s.book.Current()
	_, member := cur.Find(from)
	if !member && (req.Change == nil || req.Change.Join == nil || req.Change.Join.Entry.ID != from) {
		return nil, fmt.Errorf("%s is not a member: %w", from, ErrRefused)
	}
	switch {
	case req.Have != nil:
		s.heard(from, req.Have.Epoch)
		ours, err := cur.Digest()
		if err != nil {
			return nil, err
		}
		switch Compare(ours, *req.Have) {
		case StepSend:
			return &Response{Record: cur}, nil
		case StepWitness:
			return &Response{Header: &cur.Header}, nil
		}
		return &Response{}, nil
	case req.Record != nil:
		s.heard(from, req.Record.Header.Epoch)
		_, err := s.book.Receive(req.Record)
		return &Response{}, err
	case req.Change != nil:
		return s.change(ctx, cur, *req.Change)
	}
	return nil, fmt.Errorf("empty request: %w", ErrRefused)
}

// change makes a change, or has the founder's node make it. What is not signed
// as it should be goes no further than this node.
func (s *Service) change(ctx context.Context, cur *Record, c Change) (*Response, error) {
	if err := c.Verify(s.book.genesis, cur, s.book.now()-ClockSkew); err != nil {
		return nil, err
	}
	if s.book.founder == nil && cur.Header.Founder == s.self {
		return nil, fmt.Errorf("the founder's key is not on the founder's node: %w", swarm.ErrUnreachable)
	}
	if err := s.Submit(ctx, c); err != nil {
		return nil, err
	}
	return &Response{Record: s.book.Current()}, nil
}

// Submit submits a change to the book. The founder asks others first, once,
// whether they know of records that it does not: its home may be an old copy,
// and two records of one epoch would convict it.
func (s *Service) Submit(ctx context.Context, c Change) error {
	if s.book.founder != nil {
		s.abled.Do(func() { s.catchUp(ctx) })
	}
	return s.book.Submit(ctx, c)
}

func (s *Service) catchUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, catchUp)
	defer cancel()
	var asking sync.WaitGroup
	for _, id := range s.spread() {
		asking.Go(func() { _, _ = s.Compare(ctx, id) }) // who does not answer knows nothing that counts
	}
	asking.Wait()
}

// forward is the book's way to the founder's node, which may be starting: it is
// tried a few times, since a change can be asked for twice.
func (s *Service) forward(ctx context.Context, to swarm.MemberID, c Change) (*Record, error) {
	patient, cancel := context.WithTimeout(ctx, founderFor)
	defer cancel()
	pause := retryFirst / 4
	for {
		resp, err := s.peers.Ask(ctx, to, &Request{Change: &c})
		if err == nil {
			return resp.made()
		}
		if !errors.Is(err, swarm.ErrUnreachable) || patient.Err() != nil {
			return nil, fmt.Errorf("ask the founder's node %s: %w", to, err)
		}
		timer := time.NewTimer(pause)
		select {
		case <-patient.Done():
		case <-timer.C:
		}
		timer.Stop()
		pause *= 2
	}
}

// made returns the record that contains the change that was asked for.
func (r *Response) made() (*Record, error) {
	if r.Refusal != nil {
		return nil, r.Refusal.Err()
	}
	if r.Record == nil {
		return nil, errors.New("the answer has no record")
	}
	return r.Record, nil
}

// Enter asks a member, through ask, to take a newcomer in, and returns the record that
// the newcomer is in.
func Enter(ctx context.Context, i *Invitation, e Entry, ask func(context.Context, *Request) (*Response, error)) (*Record, error) {
	c, err := NewJoin(i, e)
	if err != nil {
		return nil, err
	}
	resp, err := ask(ctx, &Request{Change: &c})
	if err != nil {
		return nil, fmt.Errorf("ask to join: %w", err)
	}
	rec, err := resp.made()
	if err != nil {
		return nil, err
	}
	if err := rec.Verify(i.Genesis, nil); err != nil {
		return nil, fmt.Errorf("join: %w", err)
	}
	if have, ok := rec.Find(e.ID); !ok || have.Seq < e.Seq {
		return nil, fmt.Errorf("join: the record that was answered does not have us: %w", ErrRefused)
	}
	return rec, nil
}
