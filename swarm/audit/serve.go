package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"pifs/blockstore"
	"pifs/swarm"
	"pifs/swarm/decide"
	"pifs/swarm/proof"
	"pifs/swarm/wire"
)

// Limit implements wire.BlobServer.
func (a *Auditor) Limit(op wire.Op, _ swarm.MemberID) int { return limit(op) }

// Serve implements wire.BlobServer.
func (a *Auditor) Serve(ctx context.Context, op wire.Op, from swarm.MemberID, request []byte) ([]byte, error) {
	switch op {
	case wire.OpInventory:
		s, err := a.newest()
		if err != nil {
			return nil, err
		}
		return encode(&s.Statement)
	case wire.OpChallenge:
		return a.answer(ctx, from, request)
	case wire.OpBeacon:
		return nil, a.note(from, request)
	case wire.OpVerdicts:
		return a.gossip(ctx, request)
	case wire.OpPlace:
		return a.place(request)
	case wire.OpEvidence:
		if len(request) != 32 {
			return nil, wire.ErrProtocol
		}
		return a.book.evidence([32]byte(request))
	}
	return nil, fmt.Errorf("operation %d: %w", op, blockstore.ErrFormat)
}

func (a *Auditor) newest() (*stated, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.stated) == 0 {
		return nil, fmt.Errorf("nothing was stated yet: %w", blockstore.ErrNotFound)
	}
	return a.stated[len(a.stated)-1], nil
}

// answer answers a challenge of one of the last inventories. What it signs, it
// has checked: a disk that rots makes a node silent, and no liar.
func (a *Auditor) answer(ctx context.Context, from swarm.MemberID, request []byte) ([]byte, error) {
	var c proof.Challenge
	if err := decode(request, &c); err != nil {
		return nil, err
	}
	if err := c.Check(); err != nil {
		return nil, err
	}
	s := a.statedAs(&c)
	if s == nil {
		return nil, fmt.Errorf("no such inventory was stated lately: %w", blockstore.ErrNotFound)
	}
	leave, err := a.admit(from, &c)
	if err != nil {
		return nil, err
	}
	defer leave()
	var buf []byte
	answer, err := proof.Respond(&c, s.inventory, func(id blockstore.ShardID) (shard []byte, err error) {
		buf, err = a.o.Shards.Get(ctx, a.o.Self.ID, id, buf[:0])
		if (errors.Is(err, blockstore.ErrNotFound) || errors.Is(err, blockstore.ErrCorrupt)) && a.o.Alarm != nil {
			a.o.Alarm()
		}
		return buf, err
	})
	if err != nil {
		return nil, err
	}
	if err := answer.Verify(&c); err != nil {
		return nil, err
	}
	if err := answer.Sign(a.o.Self.Key); err != nil {
		return nil, err
	}
	a.mu.Lock()
	a.told.Answers++
	a.told.Leaves += uint64(len(answer.Shown))
	a.mu.Unlock()
	return encode(answer)
}

// admit has a challenge answered: one of each member at a time, and of those who
// do not verify this node in the round, a few.
func (a *Auditor) admit(from swarm.MemberID, c *proof.Challenge) (leave func(), err error) {
	var verifiers []swarm.MemberID
	if current, _, _ := a.o.Rounds.At(a.o.Now().Unix()); c.Round == current {
		verifiers = proof.Committee(current, a.o.Self.ID, a.nodes(), committeeSize)
	}
	verifies := func(id swarm.MemberID) bool { return slices.Contains(verifiers, id) }
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.asking[from] {
		return nil, wire.ErrBusy
	}
	if !verifies(from) {
		others := 0
		for id := range a.asking {
			if !verifies(id) {
				others++
			}
		}
		if others >= othersAtOnce {
			return nil, wire.ErrBusy
		}
		if _, ok := a.others.Take(int64(c.Leaves), a.o.Now().UnixNano(), true); !ok {
			return nil, wire.ErrBusy
		}
	}
	a.asking[from] = true
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.asking, from)
	}, nil
}

// statedAs returns the statement that a challenge is about, nil if there is
// none.
func (a *Auditor) statedAs(c *proof.Challenge) *stated {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.stated {
		if c.Swarm == a.o.Swarm && c.Node == a.o.Self.ID && c.Round == s.Statement.Round && c.Root == s.Statement.Root {
			return s
		}
	}
	return nil
}

// note takes a statement or a part of the beacon from its node.
func (a *Auditor) note(from swarm.MemberID, request []byte) error {
	var n note
	if err := decode(request, &n); err != nil {
		return err
	}
	number, phase, _ := a.o.Rounds.At(a.o.Now().Unix())
	if phase != decide.Before {
		a.enter(number)
	}
	switch {
	case n.Statement != nil && n.Reveal == nil:
		s := n.Statement
		if s.Node != from || s.Swarm != a.o.Swarm {
			return fmt.Errorf("a statement of somebody else: %w", wire.ErrRefused)
		}
		if err := s.Verify(); err != nil {
			return err
		}
		a.mu.Lock()
		evidence, err := a.round.state(*s)
		a.mu.Unlock()
		if evidence != nil {
			return a.convict(s.Node, evidence)
		}
		return err
	case n.Reveal != nil && n.Statement == nil:
		if n.Reveal.Node != from || n.Reveal.Swarm != a.o.Swarm {
			return fmt.Errorf("a part of somebody else: %w", wire.ErrRefused)
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		return a.round.reveal(*n.Reveal)
	}
	return wire.ErrProtocol
}

// place shows where shards are in the newest inventory.
func (a *Auditor) place(request []byte) ([]byte, error) {
	var q question
	if err := decode(request, &q); err != nil {
		return nil, err
	}
	if len(q.IDs) > maxPlaces {
		return nil, fmt.Errorf("%d shards: %w", len(q.IDs), blockstore.ErrTooLarge)
	}
	s, err := a.newest()
	if err != nil {
		return nil, err
	}
	out := Placed{Statement: s.Statement}
	for _, id := range q.IDs {
		p, err := s.inventory.Find(id)
		if err != nil {
			return nil, err
		}
		out.Places = append(out.Places, *p)
	}
	return encode(&out)
}
