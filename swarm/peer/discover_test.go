package peer

import (
	"context"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"pifs/swarm"
	"pifs/swarm/wire"
)

// finder starts a host that finds others through others, and not nearby: what
// is on the network of a test is not known.
func finder(t *testing.T) *Host {
	t.Helper()
	id, err := swarm.CreateIdentity(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	h, err := New(Options{Identity: id, Listen: []string{"/ip4/127.0.0.1/tcp/0"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	if h.discovery, err = h.discover(false); err != nil {
		t.Fatal(err)
	}
	h.Handle(wire.MemberProtocol, silent{})
	return h
}

// silent answers with nothing.
type silent struct{}

func (silent) Limit(wire.Op, swarm.MemberID) int { return 1 }

func (silent) Serve(context.Context, wire.Op, swarm.MemberID, []byte) ([]byte, error) {
	return nil, nil
}

const nowhere = "/ip4/127.0.0.1/tcp/1"

// TestFoundThroughOthers: a member that went to another address, which stands in
// nobody's record, is found through one that it has spoken to.
func TestFoundThroughOthers(t *testing.T) {
	user, other, moved := finder(t), finder(t), finder(t)
	for _, h := range []*Host{user, other, moved} {
		h.Members(map[swarm.MemberID][]string{user.self: {nowhere}, other.self: other.Addrs(), moved.self: {nowhere}})
	}
	reach := func(from, to *Host) error {
		_, err := from.Ask(t.Context(), to.self, wire.MemberProtocol, wire.OpDigest, nil, 1)
		return err
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(2 * time.Minute); ; <-tick.C {
		for _, h := range []*Host{user, moved} {
			if err := reach(h, other); err != nil {
				t.Fatal(err)
			}
		}
		err := reach(user, moved)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("it is not found: %v", err)
		}
	}
}

// TestNearby: an address that is heard of on the local network is tried, if it is
// said to be a member's; who is really there is proved as ever.
func TestNearby(t *testing.T) {
	user, server, stranger := finder(t), finder(t), finder(t)
	for _, h := range []*Host{user, server} {
		h.Members(map[swarm.MemberID][]string{user.self: nil, server.self: {nowhere}})
	}
	ask := func() error {
		_, err := user.Ask(t.Context(), server.self, wire.MemberProtocol, wire.OpDigest, nil, 1)
		return err
	}
	if ask() == nil {
		t.Fatal("it is reached nowhere")
	}
	heard := func(id peer.ID, at []ma.Multiaddr) { nearby{user}.HandlePeerFound(peer.AddrInfo{ID: id, Addrs: at}) }
	heard(stranger.h.ID(), stranger.h.Addrs())
	if addrs := user.h.Peerstore().Addrs(stranger.h.ID()); len(addrs) > 0 {
		t.Errorf("a stranger is remembered at %v", addrs)
	}
	heard(server.h.ID(), stranger.h.Addrs())
	if ask() == nil {
		t.Error("a stranger is taken for a member")
	}
	heard(server.h.ID(), server.h.Addrs())
	if err := ask(); err != nil {
		t.Error(err)
	}
}
