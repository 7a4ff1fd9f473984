package cli

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	randv2 "math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"pifs/blockstore"
	"pifs/blockstore/failpoint"
	"pifs/fsnode"
	"pifs/swarm"
	"pifs/swarm/audit"
	"pifs/swarm/proof"
)

// newAuditor has the node take part in the rounds of proofs.
func (n *node) newAuditor() (*audit.Auditor, error) {
	return audit.Open(audit.Options{
		Self: n.identity, Swarm: n.book.ID(), Dir: filepath.Join(n.home.NodeDir(), "proofs"), Directory: n.book, Net: n.host, Shards: n.shards,
		Rounds: n.rounds(), Leaves: int(min(n.book.Genesis().Params.Leaves, proof.MaxLeaves)), Alarm: n.alarm, Now: failpoint.Now, Log: n.log,
	})
}

// alarm has all shards read soon: one that was stated is not to be had, and
// where one is gone there may be more.
func (n *node) alarm() {
	select {
	case n.alarmed <- struct{}{}:
	default:
	}
}

// proofsLine is what a node tells of the rounds of proofs.
type proofsLine struct {
	Round      uint64 `json:"round"`
	Phase      string `json:"phase"`
	Beacons    uint64 `json:"beacons"`    // rounds since the start that had one
	Without    uint64 `json:"without"`    // and that had none
	Challenges uint64 `json:"challenges"` // that this node made since the start
	Passed     uint64 `json:"passed"`     // of them
	Answers    uint64 `json:"answers"`    // that it gave
	Leaves     uint64 `json:"leaves"`     // in them
	Nodes      int    `json:"nodes"`      // of the swarm
	Recent     int    `json:"recent"`     // of them, that passed one of the last three rounds
	Convicted  int    `json:"convicted"`  // of them, that signed what is false

	Members []provedLine `json:"members"`
}

// provedLine is how a node is seen in the rounds of proofs.
type provedLine struct {
	ID       string `json:"id"`
	Passed   *int64 `json:"passed"`             // newest round that it passed; null if none
	Evidence string `json:"evidence,omitempty"` // id of what convicts it
}

// recentRounds are those after which a node that passed none is not believed any more.
const recentRounds = 3

func (n *node) proofs() *proofsLine {
	s := n.auditor.Status()
	l := &proofsLine{
		Round: s.Round, Phase: s.Phase.String(), Beacons: s.Rounds, Without: s.Without, Challenges: s.Challenges, Passed: s.Passed,
		Answers: s.Answers, Leaves: s.Leaves, Nodes: len(s.Nodes), Members: []provedLine{},
	}
	for _, m := range s.Nodes {
		line := provedLine{ID: string(m.ID)}
		if m.Ever {
			passed := int64(m.Passed)
			line.Passed = &passed
		}
		if m.Ever && m.Passed+recentRounds >= s.Round {
			l.Recent++
		}
		if m.Wrong {
			l.Convicted++
			line.Evidence = hex.EncodeToString(m.Proof[:])
		}
		l.Members = append(l.Members, line)
	}
	return l
}

func (l *proofsLine) print(w io.Writer) {
	if l == nil {
		return
	}
	fmt.Fprintf(w, "proofs\tround %d\t%d of %d nodes passed lately; %d answers with %d leaves were given\n", l.Round, l.Recent, l.Nodes, l.Answers, l.Leaves)
	for _, m := range l.Members {
		if m.Evidence != "" {
			fmt.Fprintf(w, "\tLIAR\t%s signed what is false: evidence %s\n", m.ID, m.Evidence)
		}
	}
}

type nodeAuditArgs struct {
	Node   string // a member id, the end of one, or empty for all
	Leaves int
}

// nodeAuditResult is what `pifs audit --json` prints.
type nodeAuditResult struct {
	Nodes []nodeAuditLine `json:"nodes"`
}

// nodeAuditLine is what was asked of a node, and what came back.
type nodeAuditLine struct {
	ID           string `json:"id"`
	Operator     string `json:"operator"`
	Outcome      string `json:"outcome"` // passed, silent, wrong
	Why          string `json:"why,omitempty"`
	Round        uint64 `json:"round"` // of the statement
	Root         string `json:"root,omitempty"`
	Held         uint64 `json:"held"` // leaves that it stated to hold
	Beacon       string `json:"beacon,omitempty"`
	Asked        int    `json:"asked"` // leaves
	Right        int    `json:"right"`
	Microseconds int64  `json:"microseconds"`
	Evidence     string `json:"evidence,omitempty"` // file, or id of what this node keeps
}

// verdict turns what was found into the error that sets the exit status.
func (r nodeAuditResult) verdict() error {
	silent := 0
	for _, n := range r.Nodes {
		switch n.Outcome {
		case proof.Wrong.String():
			return fail(errDamaged, fmt.Sprintf("node %s signed what is false", n.ID), nil)
		case proof.Silent.String():
			silent++
		}
	}
	if silent > 0 {
		return fail(errStores, fmt.Sprintf("%d of %d nodes proved nothing", silent, len(r.Nodes)), nil)
	}
	return nil
}

func (e *engine) nodeAudit(ctx context.Context, a nodeAuditArgs, emit emitter) (nodeAuditResult, error) {
	if e.node == nil {
		return nodeAuditResult{}, noSwarm(e.home)
	}
	return e.node.audit(ctx, a, emit)
}

// audit challenges nodes now.
func (n *node) audit(ctx context.Context, a nodeAuditArgs, emit emitter) (r nodeAuditResult, err error) {
	r.Nodes = []nodeAuditLine{}
	for _, e := range n.book.Current().Entries {
		if e.Capacity > 0 && strings.HasSuffix(string(e.ID), a.Node) {
			r.Nodes = append(r.Nodes, nodeAuditLine{ID: string(e.ID), Operator: e.Operator, Asked: a.Leaves})
		}
	}
	if len(r.Nodes) == 0 {
		return r, fail(errNotFound, fmt.Sprintf("no node whose id ends in %q; pifs swarm nodes lists them", a.Node), nil)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	done, places := int64(0), make(chan struct{}, pingMost/8)
	for i := range r.Nodes {
		places <- struct{}{}
		wg.Go(func() {
			n.auditOne(ctx, &r.Nodes[i])
			<-places
			mu.Lock()
			defer mu.Unlock()
			done++
			emit.progress(done, int64(len(r.Nodes)), "nodes")
		})
	}
	wg.Wait()
	return r, ctx.Err()
}

// auditLimit is how long a node has for its statement and its answer together.
const auditLimit = 2 * time.Minute

func (n *node) auditOne(ctx context.Context, l *nodeAuditLine) {
	ctx, cancel := context.WithTimeout(ctx, auditLimit)
	defer cancel()
	l.Outcome = proof.Silent.String()
	var net audit.Net = n.host
	if swarm.MemberID(l.ID) == n.identity.ID && n.auditor != nil {
		net = n.auditor.Own()
	}
	s, err := audit.Stated(ctx, net, n.book.ID(), swarm.MemberID(l.ID))
	if err != nil {
		l.Why = oneLine(err)
		return
	}
	c := &proof.Challenge{Swarm: s.Swarm, Node: s.Node, Round: s.Round, Root: s.Root, Leaves: uint16(l.Asked)}
	_, _ = rand.Read(c.Beacon[:])
	l.Round, l.Root, l.Held, l.Beacon = s.Round, hex.EncodeToString(s.Root.Hash[:]), s.Root.Leaves, hex.EncodeToString(c.Beacon[:])
	begun := time.Now()
	answer, err := audit.Ask(ctx, net, c)
	l.Microseconds = time.Since(begun).Microseconds()
	switch {
	case err == nil:
		l.Outcome, l.Right = proof.Passed.String(), len(answer.Shown)
	case answer == nil:
		l.Why = oneLine(err)
	default:
		l.Outcome, l.Why = proof.Wrong.String(), oneLine(err)
		l.Evidence = n.keepEvidence(&proof.Evidence{Challenge: c, Answer: answer})
	}
}

// keepEvidence keeps what convicts a node, and returns where.
func (n *node) keepEvidence(e *proof.Evidence) string {
	raw, err := blockstore.Marshal(e)
	if err == nil {
		var id [32]byte
		if id, err = e.ID(); err == nil {
			name := filepath.Join(n.home.SwarmDir(), "evidence."+hex.EncodeToString(id[:8]))
			if err = swarm.ReplaceFile(name, raw); err == nil {
				return name
			}
		}
	}
	return "was not kept: " + oneLine(err)
}

type auditArgs struct {
	Volume, Path string
	Leaves       int
}

// auditResult is what `pifs audit PATH --json` prints.
type auditResult struct {
	Path    string           `json:"path"`
	Files   int              `json:"files"`
	Stripes int              `json:"stripes"`
	Shards  int              `json:"shards"`
	Leaves  uint64           `json:"leaves"` // of all those shards
	Asked   int              `json:"asked"`
	Bad     []auditBad       `json:"bad"`
	Stores  []auditStoreLine `json:"stores"`
}

type auditBad struct {
	File  string `json:"file"`
	Shard string `json:"shard"`
	Leaf  int    `json:"leaf"`
	Store string `json:"store"`
	State string `json:"state"`
}

type auditStoreLine struct {
	Store string `json:"store"`
	Asked int    `json:"asked"`
	Right int    `json:"right"`
}

func (r auditResult) verdict() error {
	if len(r.Bad) > 0 {
		return fail(errDamaged, fmt.Sprintf("%d of %d leaves are wrong or missing; repair them with: pifs check --repair", len(r.Bad), r.Asked), nil)
	}
	return nil
}

// drawn is a stripe from which leaves may be drawn.
type drawn struct {
	file string
	d    blockstore.Descriptor
	end  uint64 // leaves up to the end of it
}

// leavesOf returns how many leaves the shards of a stripe have.
func leavesOf(d blockstore.Descriptor) uint64 {
	return uint64(d.Class.N) * uint64(blockstore.Leaves(d.ShardSize()))
}

// audit draws leaves from the shards of what lies at or below a path.
func (e *engine) audit(ctx context.Context, a auditArgs, emit emitter) (r auditResult, err error) {
	r = auditResult{Path: a.Path, Bad: []auditBad{}, Stores: []auditStoreLine{}}
	var all []drawn
	last := ""
	err = e.reading(ctx, a.Volume, func(v *fsnode.Volume) error {
		return v.EachStripe(ctx, a.Path, func(file string, d blockstore.Descriptor) error {
			if file != last || r.Files == 0 {
				r.Files, last = r.Files+1, file
			}
			r.Leaves += leavesOf(d)
			r.Shards += int(d.Class.N)
			all = append(all, drawn{file, d, r.Leaves})
			return ctx.Err()
		})
	})
	if err != nil {
		return r, err
	}
	if r.Stripes = len(all); r.Stripes == 0 {
		return r, nil
	}
	r.Asked = a.Leaves
	found := make([]swarm.ShardHealth, a.Leaves)
	at := make([]int, a.Leaves)   // stripes
	leaf := make([]int, a.Leaves) // of the shard
	var wg sync.WaitGroup
	places := make(chan struct{}, pingMost)
	for i := range found {
		k := randv2.Uint64N(r.Leaves)
		at[i], _ = slices.BinarySearchFunc(all, k, func(s drawn, k uint64) int {
			if s.end > k {
				return 1
			}
			return -1
		})
		s := all[at[i]]
		k -= s.end - leavesOf(s.d)
		size := uint64(blockstore.Leaves(s.d.ShardSize()))
		leaf[i] = int(k % size)
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			found[i] = e.stack.swarm.Sample(ctx, s.d, int(k/size), leaf[i])
		})
		emit.progress(int64(i), int64(len(found)), "leaves")
	}
	wg.Wait()
	for i, h := range found {
		r.note(all[at[i]].file, leaf[i], h)
	}
	slices.SortFunc(r.Stores, func(a, b auditStoreLine) int { return strings.Compare(a.Store, b.Store) })
	return r, errors.Join(ctx.Err())
}

// note enters what came back for a leaf.
func (r *auditResult) note(file string, leaf int, h swarm.ShardHealth) {
	i := slices.IndexFunc(r.Stores, func(s auditStoreLine) bool { return s.Store == h.Name })
	if i < 0 {
		i = len(r.Stores)
		r.Stores = append(r.Stores, auditStoreLine{Store: h.Name})
	}
	r.Stores[i].Asked++
	if h.Condition == swarm.OK {
		r.Stores[i].Right++
		return
	}
	r.Bad = append(r.Bad, auditBad{File: file, Shard: h.ID.String(), Leaf: leaf, Store: h.Name, State: h.Condition.String()})
}
