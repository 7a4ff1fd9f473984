package swarmtest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"pifs/blockstore"
	"pifs/swarm"
	"pifs/swarm/peer"
	"pifs/swarm/wire"
)

// lied is an honest user of a node that lies.
type lied struct {
	store *peer.Store
	liar  *Intruder
	key   swarm.Identity // of the liar
	user  swarm.MemberID
	ctx   context.Context // of the liar
}

func newLied(t testing.TB) *lied {
	t.Helper()
	user, node := newIdentity(t), newIdentity(t)
	liar, err := NewIntruder(node, overTCP)
	must(t, err)
	t.Cleanup(func() { must(t, liar.Close()) })
	h := newHost(t, user)
	h.Members(map[swarm.MemberID][]string{user.ID: nil, node.ID: liar.Addrs()})
	return &lied{store: h.Store(node.ID, nil), liar: liar, key: node, user: user.ID, ctx: t.Context()}
}

// answer has every request answered by do, which has decoded nothing yet.
func (l *lied) answer(do func(c *wire.Conn, raw network.Stream) bool) {
	l.liar.Lie(wire.ShardProtocol, func(_ wire.Op, c *wire.Conn, raw network.Stream) bool { return do(c, raw) })
}

// sends answers with these bytes and ends the stream.
func sends(b []byte) func(*wire.Conn, network.Stream) bool {
	return func(_ *wire.Conn, raw network.Stream) bool {
		_, _ = raw.Write(b)
		_ = raw.CloseWrite()
		drain(raw)
		return false
	}
}

// drain reads what the other side says until it is done with the stream.
func drain(raw network.Stream) {
	_ = raw.SetReadDeadline(time.Now().Add(long))
	for b := make([]byte, 1<<16); ; {
		if _, err := raw.Read(b); err != nil {
			return
		}
	}
}

// got is an answer of a payload.
func got(t testing.TB, size uint32, payload ...[]byte) []byte {
	b := request(t, 0, &wire.Got{Size: size})
	for _, p := range payload {
		b = append(b, frame(p)...)
	}
	return b
}

// TestLiesAboutShards reads from a node that answers with what it likes: no
// other byte comes out of it, and little memory goes in.
func TestLiesAboutShards(t *testing.T) {
	l := newLied(t)
	whole := shard(1, 200<<10)
	id := blockstore.ShardIDOf(whole)
	other := shard(2, 200<<10)
	flipped := bytes.Clone(whole)
	flipped[100<<10] ^= 1
	slice := func(b []byte, off, n int) []byte {
		s, err := blockstore.Slice(b, off, n)
		must(t, err)
		return got(t, uint32(len(s)), s)
	}
	longer := slice(whole, 100<<10, 4096)
	binary.LittleEndian.PutUint64(longer[len(longer)-len(sliceOf(t, whole)):], 1<<62)
	size := uint32(len(whole))
	for name, lie := range map[string][]byte{
		"nothing":                        nil,
		"half a header":                  {0, 0},
		"a giant frame":                  {0xff, 0xff, 0xff, 0xff},
		"a giant payload":                got(t, 0xffffffff),
		"a giant payload frame":          append(got(t, size), 0xff, 0xff, 0xff, 0xff),
		"nested arrays":                  frame(append([]byte{0}, bytes.Repeat([]byte{0x91}, 60<<10)...)),
		"a status that is not":           frame([]byte{0xee, 0x91, 0xa0}),
		"a reason that is none":          frame([]byte{byte(wire.StatusNotFound), 0x90}),
		"no payload":                     got(t, size),
		"an empty payload":               got(t, 0, nil),
		"half a payload":                 append(got(t, size), frame(whole)[:100<<10]...),
		"fewer bytes":                    got(t, size-1, whole[:size-1]),
		"more bytes":                     got(t, size+1, append(bytes.Clone(whole), 0)),
		"another shard":                  got(t, size, other),
		"a bit flipped":                  got(t, size, flipped),
		"a slice of another shard":       slice(other, 100<<10, 4096),
		"a slice of another range":       slice(whole, 96<<10, 4096),
		"a slice of a flipped shard":     slice(flipped, 100<<10, 4096),
		"a slice of a shorter shard":     slice(whole[:len(whole)-1], 100<<10, 4096),
		"a slice that says another size": longer,
		"an answer to another question":  request(t, 0, &wire.Used{}),
	} {
		t.Run(name, func(t *testing.T) {
			l.answer(sends(lie))
			ctx, cancel := context.WithTimeout(t.Context(), long)
			defer cancel()
			must(t, l.reopened(ctx))
			before := allocated()
			b, err := l.store.Get(ctx, id, []byte("before"))
			if err == nil || string(b) != "before" || ctx.Err() != nil {
				t.Errorf("get: %d bytes, %v", len(b), err)
			}
			if _, err := l.store.GetRaw(ctx, id, 100<<10, 4096); err == nil || ctx.Err() != nil {
				t.Errorf("get a range: %v", err)
			}
			if _, err := l.store.GetRaw(ctx, id, 0, 100<<10); err == nil || ctx.Err() != nil {
				t.Errorf("get the beginning: %v", err)
			}
			if grown := allocated() - before; grown > 64<<20 {
				t.Errorf("it took %d MiB", grown>>20)
			}
		})
	}
	l.answer(sends(got(t, size, whole)))
	if b, err := l.store.Get(t.Context(), id, nil); err != nil || !bytes.Equal(b, whole) {
		t.Errorf("the truth: %v", err)
	}
}

func sliceOf(t testing.TB, whole []byte) []byte {
	t.Helper()
	s, err := blockstore.Slice(whole, 100<<10, 4096)
	must(t, err)
	return s
}

// reopened forgets that the node was not to be reached.
func (l *lied) reopened(ctx context.Context) error {
	if err := l.store.Reopen(ctx); err != nil && ctx.Err() != nil {
		return err
	}
	return nil
}

// TestAlreadyStored claims shards at a node that says that it has them all, with
// tokens that it cannot make: made up, of another time, shard or user, or echoed.
// None is believed.
func TestAlreadyStored(t *testing.T) {
	l := newLied(t)
	block := shard(1, 5000)
	p := lonePiece(t, block)
	var first wire.Has
	old := func(m *wire.Has, nonce [32]byte) [32]byte { // what was true once
		if first.IDs == nil {
			first = *m
		}
		return wire.Token(l.user, l.key.ID, first.Nonce, nonce, p.ID(), block)
	}
	for name, token := range map[string]func(m *wire.Has, nonce [32]byte) [32]byte{
		"made up":          func(*wire.Has, [32]byte) [32]byte { return [32]byte{1} },
		"the id":           func(*wire.Has, [32]byte) [32]byte { return p.ID() },
		"the user's nonce": func(m *wire.Has, _ [32]byte) [32]byte { return m.Nonce },
		"of its beginning": func(m *wire.Has, n [32]byte) [32]byte {
			return wire.Token(l.user, l.key.ID, m.Nonce, n, p.ID(), block[:4096])
		},
		"of the id's bytes": func(m *wire.Has, n [32]byte) [32]byte {
			id := p.ID()
			return wire.Token(l.user, l.key.ID, m.Nonce, n, id, id[:])
		},
		"of another asker": func(m *wire.Has, n [32]byte) [32]byte {
			return wire.Token(l.key.ID, l.key.ID, m.Nonce, n, p.ID(), block)
		},
		"of another holder": func(m *wire.Has, n [32]byte) [32]byte { return wire.Token(l.user, l.user, m.Nonce, n, p.ID(), block) },
		"of another question": func(m *wire.Has, n [32]byte) [32]byte {
			_ = old(m, n)
			m.Nonce[0]++
			return wire.Token(l.user, l.key.ID, m.Nonce, n, p.ID(), block)
		},
	} {
		t.Run(name, func(t *testing.T) {
			l.answer(func(c *wire.Conn, _ network.Stream) bool {
				var m wire.Has
				if c.Message(&m) != nil {
					return false
				}
				nonce := [32]byte{9}
				return c.WriteAnswer(&wire.Held{Nonce: nonce, Tokens: [][32]byte{token(&m, nonce)}}) == nil
			})
			if ok, err := l.store.Claim(t.Context(), p); ok || err != nil {
				t.Errorf("believed: %v %v", ok, err)
			}
		})
	}
	for _, n := range []int{0, 2, 500} {
		l.answer(sends(request(t, 0, &wire.Held{Tokens: make([][32]byte, n)})))
		if ok, err := l.store.Claim(t.Context(), p); ok || err == nil {
			t.Errorf("%d tokens for one: %v %v", n, ok, err)
		}
		must(t, l.reopened(t.Context()))
	}
}

func lonePiece(t testing.TB, block []byte) blockstore.Piece {
	t.Helper()
	d := Lone(block)
	p, err := blockstore.NewPiece(&d, 0, block)
	must(t, err)
	return p
}

// TestFalseReceipts syncs at a node that signs something else than what was put.
func TestFalseReceipts(t *testing.T) {
	l := newLied(t)
	block := shard(1, 5000)
	ids := []blockstore.ShardID{blockstore.ShardIDOf(block)}
	stranger := newIdentity(t)
	for name, change := range map[string]func(r *wire.Receipt) swarm.Identity{
		"of another node":   func(r *wire.Receipt) swarm.Identity { r.Node = stranger.ID; return stranger },
		"signed by another": func(*wire.Receipt) swarm.Identity { return stranger },
		"for another":       func(r *wire.Receipt) swarm.Identity { r.Principal = stranger.ID; return l.key },
		"of nothing":        func(r *wire.Receipt) swarm.Identity { r.Root, r.Count = wire.ReceiptRoot(nil); return l.key },
		"of another shard": func(r *wire.Receipt) swarm.Identity {
			r.Root, _ = wire.ReceiptRoot([]blockstore.ShardID{{1}})
			return l.key
		},
		"of one shard too many": func(r *wire.Receipt) swarm.Identity {
			r.Root, r.Count = wire.ReceiptRoot(append(slices.Clone(ids), blockstore.ShardID{1}))
			return l.key
		},
		"with another count": func(r *wire.Receipt) swarm.Identity { r.Count++; return l.key },
	} {
		t.Run(name, func(t *testing.T) {
			l.liar.Lie(wire.ShardProtocol, func(op wire.Op, c *wire.Conn, _ network.Stream) bool {
				if op == wire.OpPut {
					_, err := c.ReadPayload(nil, len(block))
					return err == nil && c.WriteAnswer(&wire.Done{}) == nil
				}
				if op != wire.OpSync {
					return false
				}
				if _, err := c.ReadPayload(nil, len(ids[0])); err != nil {
					return false
				}
				r := &wire.Receipt{Node: l.key.ID, Principal: l.user, Time: 1}
				r.Root, r.Count = wire.ReceiptRoot(ids)
				by := change(r)
				return r.Sign(by.Key) == nil && c.WriteAnswer(r) == nil
			})
			must(t, l.reopened(t.Context()))
			must(t, l.store.Put(t.Context(), ids[0], block))
			if err := l.store.Sync(t.Context()); err == nil {
				t.Error("a false receipt is taken")
			}
		})
	}
}

// TestRandomAnswers has a node answer with requests and answers of which some
// bits are flipped.
func TestRandomAnswers(t *testing.T) {
	l := newLied(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	whole := shard(1, 3000)
	id := blockstore.ShardIDOf(whole)
	truths := [][]byte{got(t, 3000, whole), got(t, uint32(len(sliceAt(t, whole, 1000, 500))), sliceAt(t, whole, 1000, 500))}
	for range 100 {
		lie := bytes.Clone(truths[rng.IntN(2)])
		for range 1 + rng.IntN(5) {
			lie[rng.IntN(len(lie))] ^= 1 << rng.IntN(8)
		}
		l.answer(sends(lie))
		must(t, l.reopened(t.Context()))
		if b, err := l.store.Get(t.Context(), id, nil); err == nil && !bytes.Equal(b, whole) {
			t.Fatal("other bytes are had")
		}
		if b, err := l.store.GetRaw(t.Context(), id, 1000, 500); err == nil && !bytes.Equal(b.Bytes, whole[1000:1500]) {
			t.Fatal("other bytes of a range are had")
		}
	}
}

func sliceAt(t testing.TB, whole []byte, off, n int) []byte {
	t.Helper()
	s, err := blockstore.Slice(whole, off, n)
	must(t, err)
	return s
}

// TestSilence asks a node that takes requests and says nothing, or a byte now
// and then: whoever asks gets away when its time is up.
func TestSilence(t *testing.T) {
	l := newLied(t)
	whole := shard(1, 100<<10)
	trickle := got(t, uint32(len(whole)), whole)
	for name, lie := range map[string]func(*wire.Conn, network.Stream) bool{
		"silence": func(_ *wire.Conn, raw network.Stream) bool { drain(raw); return false },
		"trickle": func(_ *wire.Conn, raw network.Stream) bool {
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for i := range trickle {
				if _, err := raw.Write(trickle[i : i+1]); err != nil {
					return false
				}
				<-tick.C
			}
			return false
		},
	} {
		t.Run(name, func(t *testing.T) {
			l.answer(lie)
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			if _, err := l.store.Get(ctx, blockstore.ShardIDOf(whole), nil); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("get: %v", err)
			}
			if err := l.store.Put(ctx, blockstore.ShardIDOf(whole), whole); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("put: %v", err)
			}
			if err := l.store.Probe(t.Context()); err != nil {
				t.Errorf("that the user was in a hurry is held against the node: %v", err)
			}
		})
	}
}
