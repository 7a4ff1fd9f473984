package peer_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pifs/blockstore"
	"pifs/blockstore/blocktest"
	"pifs/swarm"
	"pifs/swarm/peer"
	"pifs/swarm/wire"
)

// striped puts shards that are too small to be blocks as parts of a stripe.
type striped struct{ *peer.Store }

func (s striped) Put(ctx context.Context, id blockstore.ShardID, shard []byte) error {
	if len(shard) == 0 || len(shard) >= blockstore.MinBlock {
		return s.Store.Put(ctx, id, shard)
	}
	widest := blockstore.Class{K: 21, N: 34}
	d := &blockstore.Descriptor{Class: widest, Length: uint32(int(widest.K) * len(shard)), Shards: make([]blockstore.ShardID, widest.N)}
	d.Shards[3] = id
	p, err := blockstore.NewPiece(d, 3, shard)
	if err != nil {
		return err
	}
	return s.PutPiece(ctx, p)
}

func TestStoreConforms(t *testing.T) {
	for name, listen := range map[string]string{"tcp": overTCP, "quic": overQUIC} {
		t.Run(name, func(t *testing.T) {
			blocktest.Run(t, func(t *testing.T) blockstore.Store {
				user, server, _ := pair(t, listen)
				return striped{user.Store(server.ID(), nil)}
			})
		})
	}
}

// TestReceipts: what was put is covered by exactly one receipt, which is kept
// before Sync returns; a node that lost it since says so.
func TestReceipts(t *testing.T) {
	user, server, n := pair(t, overTCP)
	var mu sync.Mutex
	covered := map[blockstore.ShardID]int{}
	s := user.Store(server.ID(), func(r wire.Receipt, ids []blockstore.ShardID) error {
		mu.Lock()
		defer mu.Unlock()
		for _, id := range ids {
			covered[id]++
		}
		return r.Verify()
	})
	ctx := context.Background()
	var ids []blockstore.ShardID
	for i := range 20 {
		id, shard := blocktest.Shard(uint64(i), 1000)
		must(t, s.Put(ctx, id, shard))
		ids = append(ids, id)
	}
	must(t, s.Sync(ctx))
	must(t, s.Sync(ctx))
	for _, id := range ids {
		if covered[id] != 1 {
			t.Errorf("shard %v is covered by %d receipts", id, covered[id])
		}
	}
	id, shard := blocktest.Shard(99, 1000)
	must(t, s.Put(ctx, id, shard))
	n.mu.Lock()
	n.claims = map[blockstore.ShardID]map[swarm.MemberID]bool{}
	n.mu.Unlock()
	if err := s.Sync(ctx); !errors.Is(err, blockstore.ErrCorrupt) {
		t.Errorf("a node that lost what was put: %v", err)
	}
}

// TestRangeIsProved: parts of a shard arrive, and not when the node alters a bit.
func TestRangeIsProved(t *testing.T) {
	user, server, n := pair(t, overTCP)
	s := user.Store(server.ID(), nil)
	ctx := context.Background()
	id, shard := blocktest.Shard(1, 300<<10)
	must(t, s.Put(ctx, id, shard))
	for _, r := range [][2]int{{0, 4096}, {5000, 1}, {300<<10 - 1, 1}, {0, 300 << 10}, {128 << 10, 128 << 10}} {
		got, err := s.GetRaw(ctx, id, r[0], r[1])
		if err != nil || !bytes.Equal(got.Bytes, shard[r[0]:r[0]+r[1]]) {
			t.Errorf("range %v: %v", r, err)
		}
	}
	if _, err := s.GetRaw(ctx, id, 300<<10, 1); err == nil {
		t.Error("a range behind the end was had")
	}
	other, _ := blocktest.Shard(2, 300<<10)
	n.mem.Damage(id)
	for _, r := range [][2]int{{0, 300 << 10}, {0, 4096}} {
		if _, err := s.GetRaw(ctx, id, r[0], r[1]); err == nil {
			t.Errorf("a damaged shard was had, range %v", r)
		}
	}
	if _, err := s.Get(ctx, other, nil); !errors.Is(err, blockstore.ErrNotFound) {
		t.Errorf("what is not there: %v", err)
	}
}

// TestClaim: a shard that somebody else put is claimed by who has it, and not by
// who knows its name only.
func TestClaim(t *testing.T) {
	user, server, n := pair(t, overTCP)
	s := user.Store(server.ID(), nil)
	ctx := context.Background()
	block := bytes.Repeat([]byte("block"), 1000)
	coder := blockstore.NewCoder()
	d, shards, err := coder.Encode(blockstore.Class{K: 2, N: 3}, blockstore.AddressOf(block), block)
	must(t, err)
	if ok, err := s.Claim(ctx, shards.Piece(0)); ok || err != nil {
		t.Fatal("claimed what is not there", err)
	}
	must(t, n.mem.Put(ctx, d.Shards[0], shards.Pieces[0])) // by somebody else
	if ok, err := s.Claim(ctx, shards.Piece(0)); !ok || err != nil {
		t.Fatal("claim:", ok, err)
	}
	must(t, s.Sync(ctx))
	n.mem.Damage(d.Shards[0])
	if ok, _ := s.Claim(ctx, shards.Piece(0)); ok {
		t.Error("a node without the bytes had its claim believed")
	}
}

// TestGone: a node that ends is noticed, not waited for, and used again when it
// is back at another address.
func TestGone(t *testing.T) {
	a, b := newIdentity(t), newIdentity(t)
	user, server := start(t, a), start(t, b, overTCP)
	n := &node{self: b.ID, key: b.Key, mem: blocktest.NewMemory(), claims: map[blockstore.ShardID]map[swarm.MemberID]bool{}}
	server.HandleShards(n, n)
	introduce(user, server)
	s := user.Store(b.ID, nil)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	id, shard := blocktest.Shard(1, 5000)
	must(t, s.Put(ctx, id, shard))
	must(t, server.Close())
	for s.Probe(ctx) == nil {
		if _, err := s.Get(ctx, id, nil); !errors.Is(err, swarm.ErrUnreachable) {
			t.Fatalf("a node that ended: %v", err)
		}
	}
	again := start(t, b, overTCP)
	again.HandleShards(n, n)
	introduce(user, again)
	must(t, s.Reopen(ctx))
	if _, err := s.Get(ctx, id, nil); err != nil {
		t.Errorf("a node that came back: %v", err)
	}
	must(t, s.Probe(ctx))
}

// TestKeptStreamsSurviveRestart: streams that the other side closed meanwhile
// do not make requests fail.
func TestKeptStreamsSurviveRestart(t *testing.T) {
	a, b := newIdentity(t), newIdentity(t)
	user, server := start(t, a), start(t, b, overQUIC)
	n := &node{self: b.ID, key: b.Key, mem: blocktest.NewMemory(), claims: map[blockstore.ShardID]map[swarm.MemberID]bool{}}
	server.HandleShards(n, n)
	introduce(user, server)
	s := user.Store(b.ID, nil)
	ctx := context.Background()
	id, shard := blocktest.Shard(1, 5000)
	must(t, s.Put(ctx, id, shard))
	must(t, server.Close())
	again := start(t, b, overQUIC)
	again.HandleShards(n, n)
	introduce(user, again)
	must(t, s.Reopen(ctx))
	if _, err := s.Get(ctx, id, nil); err != nil {
		t.Error(err)
	}
}

// TestStrangers: who is no member opens nothing but the protocol of joining, and
// a member that is one no longer is cut off.
func TestStrangers(t *testing.T) {
	user, server, _ := pair(t, overTCP)
	stranger := start(t, newIdentity(t))
	server.Handle(wire.JoinProtocol, echo{})
	server.Handle(wire.MemberProtocol, echo{})
	at := server.Addrs()[0] + "/p2p/" + string(server.ID())
	ctx := context.Background()
	who, answer, err := stranger.AskAt(ctx, at, wire.JoinProtocol, wire.OpChange, []byte("let me in"), 100)
	if err != nil || who != server.ID() || string(answer) != "let me in" {
		t.Fatal("join:", who, string(answer), err)
	}
	if _, _, err := stranger.AskAt(ctx, at, wire.MemberProtocol, wire.OpDigest, nil, 100); err == nil {
		t.Error("a stranger was answered on the members' protocol")
	}
	if _, err := user.Ask(ctx, server.ID(), wire.MemberProtocol, wire.OpDigest, []byte("hello"), 100); err != nil {
		t.Error(err)
	}
	if _, err := user.Ask(ctx, server.ID(), wire.MemberProtocol, wire.OpOffer, nil, 100); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("an unknown operation: %v", err)
	}
	server.Members(map[swarm.MemberID][]string{server.ID(): nil})
	if _, err := user.Ask(ctx, server.ID(), wire.MemberProtocol, wire.OpDigest, nil, 100); err == nil {
		t.Error("one that was taken out was answered")
	}
}

// echo answers what it is asked.
type echo struct{}

func (echo) Limit(op wire.Op, _ swarm.MemberID) int {
	if op == wire.OpDigest || op == wire.OpChange {
		return 1 << 10
	}
	return 0
}

func (echo) Serve(_ context.Context, _ wire.Op, _ swarm.MemberID, request []byte) ([]byte, error) {
	return request, nil
}

// surveys is a node that says how its stripes are.
type surveys struct {
	*node
	says atomic.Pointer[wire.Surveyed]
}

func (s *surveys) Survey(context.Context, swarm.MemberID) (*wire.Surveyed, error) {
	return s.says.Load(), nil
}

// TestSurvey: a node's figures come as they are, and not at all if no node can
// mean them. One that looks after no stripes says so.
func TestSurvey(t *testing.T) {
	user, server, _ := pair(t, overTCP)
	ctx := context.Background()
	if _, err := user.Store(server.ID(), nil).Survey(ctx); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a node without surveys: %v", err)
	}
	user, server, n := pair(t, overTCP)
	s := &surveys{node: n}
	server.HandleShards(s, n)
	store := user.Store(server.ID(), nil)
	for _, says := range []*wire.Surveyed{{}, {Ended: 1, Passes: 2, Stripes: 1 << 48, Endangered: 1 << 48, Nodes: -1, Operators: 255, Jurisdictions: 3}} {
		s.says.Store(says)
		if got, err := store.Survey(ctx); err != nil || *got != *says {
			t.Errorf("got %+v, %v for %+v", got, err, says)
		}
	}
	for _, says := range []*wire.Surveyed{{Ended: -1}, {Queue: 1<<48 + 1}, {Stripes: 1, Endangered: 2}, {Nodes: -2}, {Jurisdictions: 256}} {
		s.says.Store(says)
		if _, err := store.Survey(ctx); !errors.Is(err, wire.ErrProtocol) {
			t.Errorf("%+v was believed: %v", says, err)
		}
	}
}
