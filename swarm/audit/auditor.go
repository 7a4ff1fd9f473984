package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"pifs/blockstore"
	"pifs/swarm"
	"pifs/swarm/decide"
	"pifs/swarm/member"
	"pifs/swarm/proof"
	"pifs/swarm/wire"
)

// Net asks other members. A *peer.Host is one.
type Net interface {
	// Ask sends a request and returns the answer, of at most limit bytes.
	Ask(ctx context.Context, to swarm.MemberID, protocol string, op wire.Op, request []byte, limit int) ([]byte, error)
}

// Shards are what a node holds. A *node.Node is one.
type Shards interface {
	// Inventory calls fn for every shard that the node owes a proof of, sorted by id.
	Inventory(ctx context.Context, fn func(id blockstore.ShardID, size int) error) error

	// Get appends a shard, checked against its id, to dst.
	Get(ctx context.Context, from swarm.MemberID, id blockstore.ShardID, dst []byte) ([]byte, error)
}

// Options of an auditor.
type Options struct {
	Self      swarm.Identity
	Swarm     [32]byte
	Dir       string // its own
	Directory member.Directory
	Net       Net
	Shards    Shards
	Rounds    decide.Rounds
	Leaves    int              // that a challenge asks for, 1 … proof.MaxLeaves
	Alarm     func()           // is called when a shard that was stated cannot be read; may be nil
	Now       func() time.Time // time.Now if nil
	Log       *slog.Logger
}

// Auditor is a node's part in the rounds. It is safe for concurrent use.
type Auditor struct {
	o     Options
	book  *book
	began int64 // Unix seconds

	mu       sync.Mutex
	asking   map[swarm.MemberID]bool // whose challenges are being answered, one of each
	others   decide.Budget           // leaves, for those who do not verify this node in the round
	round    *round
	stated   []*stated // by this node, the newest last: at most two, which it answers for
	standing *standing
	told     Counts
}

// Counts are what happened since the start.
type Counts struct {
	Rounds     uint64 // that had a beacon
	Without    uint64 // that had none
	Challenges uint64 // that this node made
	Passed     uint64
	Silent     uint64
	Wrong      uint64
	Answers    uint64 // that this node gave
	Leaves     uint64 // in them
}

// What is answered to those who do not verify this node in a round: verifiers
// must not find it busy.
const (
	othersAtOnce = 2
	othersLeaves = 256 // a second
	othersBurst  = 8 * proof.MaxLeaves
)

var _ wire.BlobServer = (*Auditor)(nil)

// Open opens an auditor, which answers at once and takes part while Run runs.
func Open(o Options) (*Auditor, error) {
	if o.Leaves < 1 || o.Leaves > proof.MaxLeaves || o.Rounds.Length < decide.MinRound {
		return nil, fmt.Errorf("open auditor: rounds of %d s with %d leaves: %w", o.Rounds.Length, o.Leaves, blockstore.ErrFormat)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if err := blockstore.MakeDir(o.Dir); err != nil {
		return nil, fmt.Errorf("open auditor: %w", err)
	}
	a := &Auditor{o: o, began: o.Now().Unix(), asking: map[swarm.MemberID]bool{}, others: decide.Budget{Rate: othersLeaves, Burst: othersBurst}, round: newRound(0)}
	var err error
	if a.book, err = openBook(o.Dir); err != nil {
		return nil, fmt.Errorf("open auditor: %w", err)
	}
	if err := a.recall(); err != nil {
		return nil, errors.Join(fmt.Errorf("open auditor: %w", err), a.Close())
	}
	return a, nil
}

// recall takes up what was known.
func (a *Auditor) recall() (err error) {
	a.standing = newStanding(a.o.Self.ID, a.o.Rounds)
	if a.standing.noticed, err = a.book.noticed(); err != nil {
		return err
	}
	if a.standing.wrong, err = a.book.convicted(); err != nil {
		return err
	}
	all, err := a.book.findings()
	if err != nil {
		return err
	}
	for _, f := range all {
		a.standing.add(f, committeeSize)
	}
	return nil
}

// resume takes up the last statement, which takes some seconds if the node holds
// much.
func (a *Auditor) resume() {
	last, err := loadStated(a.o.Dir)
	if err != nil {
		a.o.Log.Warn("the last statement is lost", "err", err)
	}
	if last != nil && last.Statement.Swarm == a.o.Swarm && last.Statement.Node == a.o.Self.ID {
		a.mu.Lock()
		a.stated = []*stated{last}
		a.mu.Unlock()
	}
}

// Close closes what Open opened.
func (a *Auditor) Close() error {
	err := a.book.close()
	for _, s := range a.stated {
		err = errors.Join(err, s.file.Close())
	}
	return err
}

// Run takes part in all rounds until ctx ends.
func (a *Auditor) Run(ctx context.Context) {
	a.resume()
	a.hear(ctx)
	for ctx.Err() == nil {
		number, phase, next := a.o.Rounds.At(a.o.Now().Unix())
		if phase != decide.Before {
			a.until(ctx, a.o.Rounds.Due(number, phase, a.o.Self.ID))
			if err := a.step(ctx, number, phase); err != nil && ctx.Err() == nil {
				a.o.Log.Warn("round of proofs", "round", number, "phase", phase, "err", err)
			}
		}
		a.until(ctx, next)
	}
}

// until waits for a time in Unix seconds.
func (a *Auditor) until(ctx context.Context, at int64) {
	timer := time.NewTimer(time.Unix(at, 0).Sub(a.o.Now()))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// step does this node's part of a phase.
func (a *Auditor) step(ctx context.Context, number uint64, phase decide.Phase) error {
	a.enter(number)
	switch phase {
	case decide.Commit:
		return a.commit(ctx, number)
	case decide.Reveal:
		return a.reveal(ctx, number)
	case decide.Challenge:
		return a.challenge(ctx, number)
	case decide.Judge:
		a.hear(ctx)
		return a.tidy(number)
	}
	return nil
}

// enter begins a round if it has not begun, and notices who is there.
func (a *Auditor) enter(number uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if number <= a.round.number && number != 0 {
		return
	}
	if number > a.round.number {
		a.round = newRound(number)
	}
	for _, c := range a.nodes() {
		if !a.standing.notice(c.ID, number) {
			continue
		}
		if err := a.book.notice(c.ID, number); err != nil {
			a.o.Log.Warn("a new member", "err", err)
		}
	}
}

// nodes returns the members that hold shards.
func (a *Auditor) nodes() (out []proof.Candidate) {
	for _, e := range a.o.Directory.Current().Entries {
		if e.Capacity > 0 {
			out = append(out, proof.Candidate{ID: e.ID, Operator: e.Operator})
		}
	}
	return out
}

// commit states what the node holds. A round that had begun before this process did is left
// out, unless it was stated: whoever copied an old folder back would state twice.
func (a *Auditor) commit(ctx context.Context, number uint64) error {
	a.mu.Lock()
	var own *stated
	for _, s := range a.stated {
		if s.Statement.Round == number {
			own = s
		}
	}
	a.mu.Unlock()
	if own == nil {
		if a.began > a.o.Rounds.Begins(number, decide.Commit) {
			return nil
		}
		var err error
		if own, err = a.state(ctx, number); err != nil {
			return err
		}
	}
	a.mu.Lock()
	_, err := a.round.state(own.Statement)
	a.mu.Unlock()
	if err != nil {
		return err
	}
	return a.tell(ctx, wire.OpBeacon, &note{Statement: &own.Statement})
}

// reveal tells the node's part of the beacon.
func (a *Auditor) reveal(ctx context.Context, number uint64) error {
	a.mu.Lock()
	a.round.revealed = true
	var own *proof.Reveal
	if n := len(a.stated); n > 0 && a.stated[n-1].Statement.Round == number {
		own = &proof.Reveal{Swarm: a.o.Swarm, Node: a.o.Self.ID, Round: number, Secret: a.stated[n-1].Secret}
		if err := a.round.reveal(*own); err != nil {
			own = nil // it was too late to state
		}
	}
	a.mu.Unlock()
	if own == nil {
		return nil
	}
	return a.tell(ctx, wire.OpBeacon, &note{Reveal: own})
}

// tellAtOnce is how many are told something at the same time.
const tellAtOnce = 16

// tell tells all other nodes something. Who is not reached misses it.
func (a *Auditor) tell(ctx context.Context, op wire.Op, message any) error {
	b, err := encode(message)
	if err != nil {
		return err
	}
	patient, cancel := context.WithTimeout(ctx, a.patience())
	defer cancel()
	var wg sync.WaitGroup
	places := make(chan struct{}, tellAtOnce)
	nodes := a.nodes()
	rand.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
	for _, c := range nodes {
		if c.ID == a.o.Self.ID {
			continue
		}
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			if _, err := a.o.Net.Ask(patient, c.ID, wire.ProofProtocol, op, b, maxGossip); err != nil {
				a.o.Log.Debug("a node was not told", "node", c.ID, "op", op, "err", err)
			}
		})
	}
	wg.Wait()
	return ctx.Err()
}

// patience is how long a node has for an answer, and for telling others.
func (a *Auditor) patience() time.Duration {
	quarter := time.Duration(a.o.Rounds.Length) * time.Second / 4
	return min(max(quarter, 5*time.Second), 2*time.Minute)
}

// tidy forgets what is long past.
func (a *Auditor) tidy(number uint64) error {
	if number < keepRounds {
		return nil
	}
	a.mu.Lock()
	a.standing.forget(number - keepRounds)
	a.mu.Unlock()
	return a.book.prune(number - keepRounds)
}

// Proved implements repair.Proofs.
func (a *Auditor) Proved(id swarm.MemberID) (at int64, wrong, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.standing.proved(id, a.o.Now().Unix())
}

// Status is what an operator sees.
type Status struct {
	Round  uint64
	Phase  decide.Phase
	Stated bool         // in this round
	Root   proof.Root   // of the newest inventory
	Nodes  []NodeStatus // by id
	Counts
}

// NodeStatus is how a node is seen.
type NodeStatus struct {
	ID     swarm.MemberID
	Ever   bool   // it passed a round
	Passed uint64 // the newest that it passed
	Wrong  bool
	Proof  [32]byte // id of the evidence, if Wrong
}

// Status returns how things stand.
func (a *Auditor) Status() Status {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := Status{Counts: a.told}
	s.Round, s.Phase, _ = a.o.Rounds.At(a.o.Now().Unix())
	if n := len(a.stated); n > 0 {
		s.Root, s.Stated = a.stated[n-1].Statement.Root, a.stated[n-1].Statement.Round == s.Round
	}
	for _, c := range a.nodes() {
		n := NodeStatus{ID: c.ID}
		n.Passed, n.Ever = a.standing.passed[c.ID]
		n.Proof, n.Wrong = a.standing.wrong[c.ID]
		s.Nodes = append(s.Nodes, n)
	}
	slices.SortFunc(s.Nodes, func(a, b NodeStatus) int { return slices.Compare([]byte(a.ID), []byte(b.ID)) })
	return s
}

const statedFile = "statement"

func inventoryPath(dir string, round uint64) string {
	return filepath.Join(dir, fmt.Sprintf("inventory.%d", round))
}

// removeInventories deletes those of rounds that nobody asks for.
func removeInventories(dir string, keep []*stated) error {
	names, err := filepath.Glob(filepath.Join(dir, "inventory.*"))
	if err != nil {
		return err
	}
	for _, name := range names {
		if slices.ContainsFunc(keep, func(s *stated) bool { return inventoryPath(dir, s.Statement.Round) == name }) {
			continue
		}
		err = errors.Join(err, os.Remove(name))
	}
	return err
}
