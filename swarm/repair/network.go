package repair

import (
	"context"
	"sync"
	"time"

	"pifs/blockstore"
	"pifs/swarm"
	"pifs/swarm/member"
	"pifs/swarm/node"
	"pifs/swarm/peer"
	"pifs/swarm/wire"
)

// Proofs knows how members did in the rounds of proofs.
type Proofs interface {
	// Proved returns when a member last passed, in Unix seconds, zero if it did
	// not, and whether it was convicted. With ok false no round had a beacon
	// lately: nobody can be blamed for not having proved anything.
	Proved(id swarm.MemberID) (at int64, wrong, ok bool)
}

// Network is the view of a node over its swarm's record and its connections.
// Where there are no proofs, a member that answered counts as one that proved:
// whether it holds what it says shows when it is read.
type Network struct {
	dir    member.Directory
	host   *peer.Host
	node   *node.Node
	weight func(capacity uint64) uint32
	proofs Proofs // nil without proofs
	now    func() time.Time

	mu     sync.Mutex
	stores map[swarm.MemberID]*peer.Store
	seen   map[swarm.MemberID]int64 // Unix seconds: when it last answered, or first belonged; guarded by mu
	live   map[swarm.MemberID]bool
}

var (
	_ View      = (*Network)(nil)
	_ Refresher = (*Network)(nil)
)

// NewNetwork returns the view of a node. weight is its members' weight in
// placement, which must be the same for everybody; proofs may be nil. now is the clock of the
// repairer.
func NewNetwork(dir member.Directory, host *peer.Host, n *node.Node, weight func(capacity uint64) uint32, proofs Proofs, now func() time.Time) *Network {
	return &Network{
		dir: dir, host: host, node: n, weight: weight, proofs: proofs, now: now,
		stores: make(map[swarm.MemberID]*peer.Store), seen: make(map[swarm.MemberID]int64), live: make(map[swarm.MemberID]bool),
	}
}

// Members returns the nodes of the present record.
func (n *Network) Members() []Member {
	record := n.dir.Current()
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []Member
	for i := range record.Entries {
		if e := &record.Entries[i]; e.Capacity > 0 {
			out = append(out, n.member(e))
		}
	}
	return out
}

// member returns what is known of a node. The caller holds mu.
func (n *Network) member(e *member.Entry) Member {
	m := Member{ID: e.ID, Operator: e.Operator, Jurisdiction: e.Jurisdiction, Weight: n.weight(e.Capacity)}
	if e.ID == n.host.ID() {
		m.Live, m.Proved, m.Store = true, n.now().Unix(), own{node: n.node, self: e.ID}
	} else {
		seen, known := n.seen[e.ID]
		if !known { // it gets the time of one that has just joined
			seen = n.now().Unix()
			n.seen[e.ID], n.live[e.ID] = seen, true
		}
		m.Live, m.Proved, m.Store = n.live[e.ID] && n.host.Reachable(e.ID) == nil, seen, n.store(e.ID)
	}
	if n.proofs != nil {
		if at, wrong, ok := n.proofs.Proved(e.ID); ok {
			m.Proved, m.Wrong = at, wrong
		}
	}
	return m
}

func (n *Network) store(id swarm.MemberID) *peer.Store {
	if n.stores[id] == nil {
		n.stores[id] = n.host.Store(id, nil)
	}
	return n.stores[id]
}

const (
	refreshing = 32               // members that are asked at the same time
	answerIn   = 10 * time.Second // or they do not answer
)

// Refresh asks every member for a sign of life.
func (n *Network) Refresh(ctx context.Context) {
	var wg sync.WaitGroup
	slot := make(chan struct{}, refreshing)
	for _, m := range n.Members() {
		store, remote := m.Store.(*peer.Store)
		if !remote {
			continue
		}
		slot <- struct{}{}
		wg.Go(func() {
			defer func() { <-slot }()
			ctx, stop := context.WithTimeout(ctx, answerIn)
			defer stop()
			err := store.Reopen(ctx)
			n.mu.Lock()
			defer n.mu.Unlock()
			n.live[m.ID] = err == nil
			if err == nil {
				n.seen[m.ID] = n.now().Unix()
			}
		})
	}
	wg.Wait()
	n.forget()
}

// forget drops what is known of those who left.
func (n *Network) forget() {
	record := n.dir.Current()
	n.mu.Lock()
	defer n.mu.Unlock()
	for id := range n.seen {
		if _, belongs := record.Find(id); !belongs {
			delete(n.seen, id)
			delete(n.live, id)
			delete(n.stores, id)
		}
	}
}

// own is this node as a store of repair.
type own struct {
	node *node.Node
	self swarm.MemberID
}

var (
	_ Store = own{}
)

func (o own) Get(ctx context.Context, id blockstore.ShardID, dst []byte) ([]byte, error) {
	return o.node.Get(ctx, o.self, id, dst)
}

func (o own) HasAll(ctx context.Context, ids []blockstore.ShardID) ([]bool, error) {
	return o.node.Which(ctx, o.self, ids)
}

func (o own) Mend(ctx context.Context, p blockstore.Piece) error {
	stripe, i := p.Stripe()
	return o.node.Mend(ctx, o.self, &wire.Put{Stripe: *stripe, Index: uint8(i)}, p.Bytes())
}
