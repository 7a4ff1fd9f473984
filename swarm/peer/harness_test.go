package peer_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"sync"
	"testing"

	"pifs/blockstore"
	"pifs/blockstore/blocktest"
	"pifs/swarm"
	"pifs/swarm/peer"
	"pifs/swarm/wire"
)

// node is a node that keeps shards in memory, and deletes one when nobody
// claims it any more.
type node struct {
	self swarm.MemberID
	key  ed25519.PrivateKey
	mem  *blocktest.Memory

	mu     sync.Mutex
	claims map[blockstore.ShardID]map[swarm.MemberID]bool
	filter []byte // of the last keep-set
}

var (
	_ wire.ShardServer = (*node)(nil)
	_ wire.KeepServer  = (*node)(nil)
)

func (n *node) claim(from swarm.MemberID, id blockstore.ShardID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.claims[id] == nil {
		n.claims[id] = map[swarm.MemberID]bool{}
	}
	n.claims[id][from] = true
}

func (n *node) Put(ctx context.Context, from swarm.MemberID, p *wire.Put, shard []byte) error {
	if err := n.mem.Put(ctx, p.ID(), shard); err != nil {
		return err
	}
	n.claim(from, p.ID())
	return nil
}

func (n *node) Get(ctx context.Context, _ swarm.MemberID, id blockstore.ShardID, dst []byte) ([]byte, error) {
	return n.mem.Get(ctx, id, dst)
}

func (n *node) Has(ctx context.Context, from swarm.MemberID, h *wire.Has) (*wire.Held, error) {
	out := &wire.Held{}
	_, _ = rand.Read(out.Nonce[:])
	for _, id := range h.IDs {
		var token [32]byte
		if shard, err := n.mem.Get(ctx, id, nil); err == nil {
			token = wire.Token(from, n.self, h.Nonce, out.Nonce, id, shard)
			if h.Claim {
				n.claim(from, id)
			}
		}
		out.Tokens = append(out.Tokens, token)
	}
	return out, nil
}

func (n *node) Sync(_ context.Context, from swarm.MemberID, ids []blockstore.ShardID) (*wire.Receipt, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, id := range ids {
		if !n.claims[id][from] {
			return nil, blockstore.ErrNotFound
		}
	}
	r := &wire.Receipt{Node: n.self, Principal: from, Time: 1}
	r.Root, r.Count = wire.ReceiptRoot(ids)
	return r, r.Sign(n.key)
}

func (n *node) Usage(ctx context.Context, _ swarm.MemberID) (*wire.Used, error) {
	u, err := n.mem.Usage(ctx)
	return &wire.Used{Shards: uint64(u.Shards), Bytes: uint64(u.Bytes), Disk: uint64(u.Disk)}, err
}

func (n *node) Release(ctx context.Context, from swarm.MemberID, ids []blockstore.ShardID) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, id := range ids {
		delete(n.claims[id], from)
		if len(n.claims[id]) == 0 {
			if err := n.mem.Delete(ctx, id); err != nil {
				return err
			}
		}
	}
	return nil
}

func (n *node) Keep(_ context.Context, _ swarm.MemberID, k *wire.KeepSet, filter []byte) error {
	if err := k.Verify(filter); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.filter = filter
	return nil
}

func (n *node) Trash(context.Context, swarm.MemberID, *wire.Trash) (*wire.Trashed, error) {
	return &wire.Trashed{}, nil
}

func (n *node) Undelete(context.Context, swarm.MemberID, []blockstore.ShardID) (*wire.Undeleted, error) {
	return &wire.Undeleted{}, nil
}

const (
	overTCP  = "/ip4/127.0.0.1/tcp/0"
	overQUIC = "/ip4/127.0.0.1/udp/0/quic-v1"
)

func newIdentity(t testing.TB) swarm.Identity {
	t.Helper()
	id, err := swarm.CreateIdentity(t.TempDir())
	must(t, err)
	return id
}

// start starts a host that ends with the test.
func start(t testing.TB, id swarm.Identity, listen ...string) *peer.Host {
	t.Helper()
	h, err := peer.New(peer.Options{Identity: id, Listen: listen})
	must(t, err)
	t.Cleanup(func() { _ = h.Close() })
	return h
}

// pair starts a host that serves a node, and one that uses it.
func pair(t testing.TB, listen string) (user *peer.Host, server *peer.Host, n *node) {
	t.Helper()
	a, b := newIdentity(t), newIdentity(t)
	user, server = start(t, a), start(t, b, listen)
	n = &node{self: b.ID, key: b.Key, mem: blocktest.NewMemory(), claims: map[blockstore.ShardID]map[swarm.MemberID]bool{}}
	server.HandleShards(n, n)
	introduce(user, server)
	return user, server, n
}

// introduce makes hosts members of each other's swarm.
func introduce(hosts ...*peer.Host) {
	all := map[swarm.MemberID][]string{}
	for _, h := range hosts {
		all[h.ID()] = h.Addrs()
	}
	for _, h := range hosts {
		h.Members(all)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
