package audit

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"

	"pifs/blockstore"
	"pifs/swarm"
	"pifs/swarm/proof"
	"pifs/swarm/wire"
)

// challengesAtOnce is how many nodes are challenged at the same time.
const challengesAtOnce = 4

// challenge verifies those whom this node is to verify in a round, and tells all
// others what came of it.
func (a *Auditor) challenge(ctx context.Context, number uint64) error {
	a.mu.Lock()
	beacon, parts, ok := a.round.beacon(a.o.Self.ID)
	statements := a.round.statements
	stated := make(map[swarm.MemberID]proof.Statement, len(statements))
	for id, s := range statements {
		stated[id] = s
	}
	if ok {
		a.told.Rounds++
		a.standing.beacons[number] = true
	} else {
		a.told.Without++
	}
	a.mu.Unlock()
	if !ok {
		return nil
	}
	nodes := a.nodes()
	var mu sync.Mutex
	var wg sync.WaitGroup
	var found []proof.Verdict
	places := make(chan struct{}, challengesAtOnce)
	for _, c := range nodes {
		if !slices.Contains(proof.Committee(number, c.ID, nodes, committeeSize), a.o.Self.ID) {
			continue
		}
		s, said := stated[c.ID]
		v := proof.Verdict{
			Swarm: a.o.Swarm, Round: number, Node: c.ID, Verifier: a.o.Self.ID, Outcome: proof.Silent,
			Leaves: uint16(a.o.Leaves), Root: s.Root, Beacon: beacon, Parts: uint16(parts),
		}
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			if said {
				a.verify(ctx, &v)
			}
			mu.Lock()
			defer mu.Unlock()
			found = append(found, v)
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return ctx.Err() // who was not heard to the end is not silent
	}
	return a.judge(ctx, found)
}

// verify challenges a node and notes what came back in v.
func (a *Auditor) verify(ctx context.Context, v *proof.Verdict) {
	c := &proof.Challenge{Swarm: a.o.Swarm, Node: v.Node, Round: v.Round, Beacon: v.Beacon, Root: v.Root, Leaves: v.Leaves}
	ctx, cancel := context.WithTimeout(ctx, a.patience())
	defer cancel()
	answer, err := Ask(ctx, a.o.Net, c)
	switch {
	case err == nil:
		v.Outcome = proof.Passed
	case answer == nil:
		a.o.Log.Info("a node gives no proof", "node", v.Node, "round", v.Round, "err", err)
	default:
		v.Outcome = proof.Wrong
		e := &proof.Evidence{Challenge: c, Answer: answer}
		var idErr error
		if v.Evidence, idErr = e.ID(); idErr == nil {
			idErr = a.convict(v.Node, e)
		}
		a.o.Log.Warn("a node gave a false proof", "node", v.Node, "round", v.Round, "err", errors.Join(err, idErr))
	}
}

// Ask puts a challenge to its node. A nil error says that the answer passed; if
// the answer is false, and the node signed it, it is returned with the error.
func Ask(ctx context.Context, net Net, c *proof.Challenge) (*proof.Answer, error) {
	request, err := encode(c)
	if err != nil {
		return nil, err
	}
	b, err := net.Ask(ctx, c.Node, wire.ProofProtocol, wire.OpChallenge, request, proof.MaxAnswer(int(c.Leaves)))
	if err != nil {
		return nil, fmt.Errorf("challenge %s: %w", c.Node, err)
	}
	answer := &proof.Answer{}
	if err := decode(b, answer); err != nil {
		return nil, fmt.Errorf("challenge %s: %w", c.Node, err)
	}
	if err := answer.Authentic(c); err != nil {
		return nil, err
	}
	return answer, answer.Verify(c)
}

// judge signs verdicts, keeps them, and tells all others.
func (a *Auditor) judge(ctx context.Context, found []proof.Verdict) error {
	for i := range found {
		v := &found[i]
		v.Time = a.o.Now().Unix()
		if err := v.Sign(a.o.Self.Key); err != nil {
			return err
		}
		if err := a.keep(v); err != nil {
			return err
		}
		a.mu.Lock()
		a.told.Challenges++
		switch v.Outcome {
		case proof.Passed:
			a.told.Passed++
		case proof.Silent:
			a.told.Silent++
		case proof.Wrong:
			a.told.Wrong++
		}
		a.mu.Unlock()
	}
	if len(found) == 0 {
		return nil
	}
	return a.tell(ctx, wire.OpVerdicts, &gossip{Verdicts: found})
}

// keep keeps a verdict that was checked.
func (a *Auditor) keep(v *proof.Verdict) error {
	fresh, err := a.book.add(v)
	if err != nil || !fresh {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.standing.add(finding{v.Round, v.Node, v.Verifier, v.Outcome}, len(proof.Committee(v.Round, v.Node, a.nodes(), committeeSize)))
	return nil
}

// gossip takes verdicts of others, and answers with what it is asked for.
func (a *Auditor) gossip(ctx context.Context, request []byte) ([]byte, error) {
	var g gossip
	if err := decode(request, &g); err != nil {
		return nil, err
	}
	if err := a.take(ctx, g.Verdicts); err != nil {
		return nil, err
	}
	var out gossip
	if g.Since > 0 {
		var err error
		if out.Verdicts, err = a.book.since(g.Since-1, maxVerdicts); err != nil {
			return nil, err
		}
	}
	return encode(&out)
}

// take keeps those of verdicts that count: by somebody whose task it was, of a
// round that was, and with evidence if they say that somebody lied.
func (a *Auditor) take(ctx context.Context, verdicts []proof.Verdict) error {
	if len(verdicts) > maxVerdicts {
		return fmt.Errorf("%d verdicts: %w", len(verdicts), blockstore.ErrTooLarge)
	}
	current, _, _ := a.o.Rounds.At(a.o.Now().Unix())
	nodes := a.nodes()
	for i := range verdicts {
		v := &verdicts[i]
		if v.Swarm != a.o.Swarm || v.Round > current || v.Round+keepRounds < current || v.Verifier == a.o.Self.ID ||
			!slices.Contains(proof.Committee(v.Round, v.Node, nodes, committeeSize), v.Verifier) {
			continue
		}
		if err := v.Verify(); err != nil {
			return err
		}
		if v.Outcome == proof.Wrong {
			if err := a.fetch(ctx, v); err != nil {
				a.o.Log.Warn("a verdict without evidence", "node", v.Node, "verifier", v.Verifier, "err", err)
				continue
			}
		}
		if err := a.keep(v); err != nil {
			return err
		}
	}
	return nil
}

// fetch gets the evidence of a verdict from its verifier, unless the node is convicted already.
func (a *Auditor) fetch(ctx context.Context, v *proof.Verdict) error {
	a.mu.Lock()
	_, known := a.standing.wrong[v.Node]
	a.mu.Unlock()
	if known {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, a.patience())
	defer cancel()
	b, err := a.o.Net.Ask(ctx, v.Verifier, wire.ProofProtocol, wire.OpEvidence, v.Evidence[:], maxEvidence)
	if err != nil {
		return err
	}
	var e proof.Evidence
	if err := decode(b, &e); err != nil {
		return err
	}
	return a.convict(v.Node, &e)
}

// convict keeps evidence against a node, after it has checked it.
func (a *Auditor) convict(node swarm.MemberID, e *proof.Evidence) error {
	if err := e.Convicts(a.o.Swarm, node); err != nil {
		return err
	}
	id, err := e.ID()
	if err != nil {
		return err
	}
	if err := a.book.convict(node, id, e); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, known := a.standing.wrong[node]; !known {
		a.standing.wrong[node] = id
		a.o.Log.Warn("a node is convicted", "node", node)
	}
	return nil
}

// hear asks another node, whichever, for the verdicts of the last rounds.
func (a *Auditor) hear(ctx context.Context) {
	nodes := slices.DeleteFunc(a.nodes(), func(c proof.Candidate) bool { return c.ID == a.o.Self.ID })
	if len(nodes) == 0 {
		return
	}
	current, _, _ := a.o.Rounds.At(a.o.Now().Unix())
	request, err := encode(&gossip{Since: current - min(current, 2*recentRounds) + 1})
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, a.patience())
	defer cancel()
	whom := nodes[rand.IntN(len(nodes))].ID
	b, err := a.o.Net.Ask(ctx, whom, wire.ProofProtocol, wire.OpVerdicts, request, maxGossip)
	var g gossip
	if err == nil {
		err = decode(b, &g)
	}
	if err == nil {
		err = a.take(ctx, g.Verdicts)
	}
	if err != nil {
		a.o.Log.Debug("no verdicts were heard", "node", whom, "err", err)
	}
}

// Stated asks a node for its newest statement.
func Stated(ctx context.Context, net Net, in [32]byte, node swarm.MemberID) (*proof.Statement, error) {
	b, err := net.Ask(ctx, node, wire.ProofProtocol, wire.OpInventory, nil, maxNote)
	if err != nil {
		return nil, fmt.Errorf("ask %s what it holds: %w", node, err)
	}
	s := &proof.Statement{}
	if err := decode(b, s); err != nil {
		return nil, fmt.Errorf("ask %s what it holds: %w", node, err)
	}
	if s.Swarm != in || s.Node != node {
		return nil, fmt.Errorf("ask %s what it holds: %w: a statement of somebody else", node, wire.ErrProtocol)
	}
	return s, s.Verify()
}

// own is a node as it asks itself.
type own struct{ a *Auditor }

// Own returns the way to the node itself, which has no connection.
func (a *Auditor) Own() Net { return own{a} }

func (o own) Ask(ctx context.Context, _ swarm.MemberID, _ string, op wire.Op, request []byte, _ int) ([]byte, error) {
	return o.a.Serve(ctx, op, o.a.o.Self.ID, request)
}
