package swarmtest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"pifs/blockstore"
	"pifs/blockstore/blocktest"
	"pifs/swarm"
	"pifs/swarm/peer"
	"pifs/swarm/wire"
)

// long is what a test waits before it says that something hangs.
const long = 2 * time.Minute

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newIdentity(t testing.TB) swarm.Identity {
	t.Helper()
	id, err := swarm.CreateIdentity(t.TempDir())
	must(t, err)
	return id
}

const (
	overTCP  = "/ip4/127.0.0.1/tcp/0"
	overQUIC = "/ip4/127.0.0.1/udp/0/quic-v1"
)

func newHost(t testing.TB, id swarm.Identity, listen ...string) *peer.Host {
	t.Helper()
	h, err := peer.New(peer.Options{Identity: id, Listen: listen})
	must(t, err)
	t.Cleanup(func() { must(t, h.Close()) })
	return h
}

// victim is an honest node, with an honest member that uses it and a member
// that is not honest.
type victim struct {
	host   *peer.Host
	shelf  *Shelf
	friend *peer.Host
	foe    *Intruder
}

func newVictim(t testing.TB, listen string) *victim {
	t.Helper()
	node, user, thief := newIdentity(t), newIdentity(t), newIdentity(t)
	v := &victim{host: newHost(t, node, listen), friend: newHost(t, user), shelf: NewShelf(node)}
	var err error
	v.foe, err = NewIntruder(thief)
	must(t, err)
	t.Cleanup(func() { must(t, v.foe.Close()) })
	members := map[swarm.MemberID][]string{node.ID: v.host.Addrs(), user.ID: nil, thief.ID: nil}
	v.host.Members(members)
	v.friend.Members(members)
	v.host.HandleShards(v.shelf, v.shelf)
	return v
}

// at is where to find the victim.
func (v *victim) at() string { return v.host.Addrs()[0] + "/p2p/" + string(v.host.ID()) }

// serves fails the test unless the honest member is served: it puts a new shard
// of that seed, has it kept and reads it back.
func (v *victim) serves(t testing.TB, seed uint64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), long)
	defer cancel()
	s := v.friend.Store(v.host.ID(), nil)
	id, shard := blocktest.Shard(seed, 300<<10)
	must(t, s.Put(ctx, id, shard))
	must(t, s.Sync(ctx))
	got, err := s.Get(ctx, id, nil)
	if err != nil || !bytes.Equal(got, shard) {
		t.Fatalf("the honest member is not served: %v", err)
	}
}

// attack opens a stream to the victim as the member that is not honest.
func (v *victim) attack(t testing.TB, proto string) network.Stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), long)
	defer cancel()
	s, err := v.foe.Open(ctx, v.at(), proto)
	must(t, err)
	return s
}

// ended waits until the other side gives a stream up, and returns the statuses of
// its answers before.
func ended(t testing.TB, s network.Stream) (said []wire.Status) {
	t.Helper()
	must(t, s.SetReadDeadline(time.Now().Add(long)))
	for c := wire.NewConn(s); ; {
		first, err := c.ReadRequest() // frames are alike
		if isTimeout(err) {
			t.Fatalf("a stream is kept: %v", err)
		}
		if err != nil {
			return said
		}
		said = append(said, wire.Status(first))
	}
}

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}

// request returns the bytes of a request.
func request(t testing.TB, op wire.Op, message any) []byte {
	t.Helper()
	var out bytes.Buffer
	must(t, wire.NewConn(struct {
		io.Reader
		io.Writer
	}{nil, &out}).WriteRequest(op, message))
	return out.Bytes()
}

// frame returns a frame of these bytes.
func frame(b []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...)
}

// putOf returns the request that announces shard.
func putOf(t testing.TB, shard []byte) []byte {
	t.Helper()
	return request(t, wire.OpPut, &wire.Put{Stripe: Lone(shard)})
}

// heap returns the bytes that are in use, garbage left out.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// allocated returns the bytes that were ever taken.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// shard returns the bytes of a shard.
func shard(seed uint64, size int) []byte {
	_, b := blocktest.Shard(seed, size)
	return b
}

var _ blockstore.Store = (*peer.Store)(nil)

// drained waits until the other side has ended a stream.
func drained(t testing.TB, s network.Stream) {
	t.Helper()
	must(t, s.SetReadDeadline(time.Now().Add(long)))
	if _, err := io.Copy(io.Discard, s); isTimeout(err) {
		t.Fatalf("a stream is kept: %v", err)
	}
}
