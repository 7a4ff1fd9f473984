package meet

import (
	"crypto/ed25519"
	"errors"
	"log/slog"
	"reflect"
	"testing"
	"time"

	"pifs/blockstore"
	"pifs/swarm"
	"pifs/swarm/member"
	"pifs/swarm/peer"
	"pifs/swarm/wire"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func now() int64 { return time.Now().Unix() }

// newcomer is an identity with a host on loopback.
func newcomer(t *testing.T) (swarm.Identity, *peer.Host) {
	t.Helper()
	id, err := swarm.CreateIdentity(t.TempDir())
	must(t, err)
	h, err := peer.New(peer.Options{Identity: id, Listen: []string{"/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"}})
	must(t, err)
	t.Cleanup(func() { h.Close() })
	return id, h
}

func entry(t *testing.T, id swarm.Identity, h *peer.Host, in member.SwarmID) member.Entry {
	t.Helper()
	e := member.Entry{Seq: uint64(now()), Addrs: Announced(h.Addrs())}
	must(t, e.Sign(id, in))
	return e
}

// attend joins by an invitation and takes part.
func attend(t *testing.T, i *member.Invitation) (*member.Book, *Meeting, *peer.Host) {
	t.Helper()
	id, h := newcomer(t)
	in, err := i.Genesis.ID()
	must(t, err)
	rec, err := Join(t.Context(), h, i, entry(t, id, h, in))
	must(t, err)
	b, err := member.AdoptBook(t.TempDir(), i.Genesis, rec, now)
	must(t, err)
	m := Attend(h, b, slog.New(slog.DiscardHandler))
	t.Cleanup(m.Close)
	return b, m, h
}

// found begins a swarm.
func found(t *testing.T) (*member.Book, *peer.Host) {
	t.Helper()
	id, h := newcomer(t)
	founder, err := swarm.CreateIdentity(t.TempDir())
	must(t, err)
	scope := blockstore.Secret{1}
	g, err := member.NewGenesis("lab", founder.Key.Public().(ed25519.PublicKey), scope, "phi", member.DefaultParams(), now())
	must(t, err)
	in, err := g.ID()
	must(t, err)
	b, err := member.CreateBook(t.TempDir(), &member.Founder{Genesis: g, Key: founder.Key}, entry(t, id, h, in), now)
	must(t, err)
	m := Attend(h, b, slog.New(slog.DiscardHandler))
	t.Cleanup(m.Close)
	return b, h
}

// address returns where somebody who knows nobody can ask h.
func address(h *peer.Host) string { return h.Addrs()[0] + "/p2p/" + string(h.ID()) }

func invite(t *testing.T, b *member.Book, uses uint32, at ...*peer.Host) *member.Invitation {
	t.Helper()
	var bootstrap []string
	for _, h := range at {
		bootstrap = append(bootstrap, address(h))
	}
	i, err := member.Invite(b.Genesis(), b.Founder().Key, blockstore.Secret{1}, bootstrap, uses, now()+3600)
	must(t, err)
	return &i
}

// eventually waits for something that takes a moment.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// TestMembersMeet has newcomers join through the founder's node and through
// another member, by addresses of which some are dead; all hear of all, and of
// one that leaves.
func TestMembersMeet(t *testing.T) {
	founder, at := found(t)
	first, meeting, host := attend(t, invite(t, founder, 3, at))
	_, gone := newcomer(t)
	through := invite(t, founder, 3, gone, host)
	must(t, gone.Close())
	second, leaver, leaving := attend(t, through)
	third, _, _ := attend(t, through)
	all := []*member.Book{founder, first, second, third}
	for _, b := range all {
		eventually(t, "four members are known", func() bool { return len(b.Current().Entries) == 4 })
	}
	id, err := swarm.CreateIdentity(t.TempDir())
	must(t, err)
	forged, err := member.NewLeave(swarm.Identity{Key: id.Key, ID: leaving.ID()}, founder.ID(), 1<<62)
	must(t, err)
	if err := leaver.Submit(t.Context(), forged); !errors.Is(err, blockstore.ErrCorrupt) {
		t.Errorf("a leave by another key: %v", err)
	}
	remove, err := member.NewRemove(founder.Founder().Key, founder.ID(), leaving.ID())
	must(t, err)
	must(t, meeting.Submit(t.Context(), remove)) // whoever passes it on
	for _, b := range []*member.Book{founder, first, third} {
		eventually(t, "three members are left", func() bool { return len(b.Current().Entries) == 3 })
	}
	eventually(t, "the others are connected", func() bool { return meeting.Connected() >= 1 })
}

// TestInvitationIsNotUsedTwice has a second newcomer come with an invitation for
// one, and the first ask once more.
func TestInvitationIsNotUsedTwice(t *testing.T) {
	founder, at := found(t)
	i := invite(t, founder, 1, at)
	attend(t, i)
	id, h := newcomer(t)
	_, err := Join(t.Context(), h, i, entry(t, id, h, founder.ID()))
	if !errors.Is(err, member.ErrTicket) {
		t.Errorf("%v", err)
	}
	if len(founder.Current().Entries) != 2 {
		t.Errorf("%d members", len(founder.Current().Entries))
	}
}

// TestStrangersMayOnlyJoin asks as somebody who is no member: for anything but
// a change no request is even read.
func TestStrangersMayOnlyJoin(t *testing.T) {
	founder, at := found(t)
	_, h := newcomer(t)
	digest, err := founder.Current().Digest()
	must(t, err)
	for _, req := range []*member.Request{{Have: &digest}, {Record: founder.Current()}} {
		if resp, err := askAt(t.Context(), h, address(at), req); !errors.Is(err, swarm.ErrUnreachable) {
			t.Errorf("%+v is answered: %+v %v", req, resp, err)
		}
	}
	b, err := blockstore.Marshal(&member.Request{Have: &digest})
	must(t, err)
	if _, _, err := h.AskAt(t.Context(), address(at), wire.MemberProtocol, wire.OpDigest, b, member.MaxMessage); !errors.Is(err, swarm.ErrUnreachable) {
		t.Errorf("the members' protocol: %v", err)
	}
	var refused *wire.Refusal
	if _, _, err := h.AskAt(t.Context(), address(at), wire.JoinProtocol, wire.OpChange, b, member.MaxMessage); !errors.As(err, &refused) || !errors.Is(err, blockstore.ErrFormat) {
		t.Errorf("another's request: %v", err)
	}
	leave := member.Change{Leave: &member.Leave{ID: h.ID(), Seq: 1}}
	resp, err := askAt(t.Context(), h, address(at), &member.Request{Change: &leave})
	if err != nil || resp.Refusal == nil || resp.Record != nil {
		t.Errorf("another change: %+v %v", resp, err)
	}
}

func TestMessagesFit(t *testing.T) {
	if member.MaxMessage > wire.MaxBlob {
		t.Errorf("a message of %d bytes cannot be sent", member.MaxMessage)
	}
}

func TestAnnounced(t *testing.T) {
	addrs := []string{
		"/ip4/127.0.0.1/tcp/7437", "/ip4/192.168.1.5/tcp/7437", "/ip6/fe80::1/tcp/7437", "/ip4/8.8.8.8/tcp/7437", "/ip4/192.168.1.5/tcp/7437", "nowhere",
	}
	if got, want := Announced(addrs), []string{"/ip4/8.8.8.8/tcp/7437", "/ip4/192.168.1.5/tcp/7437"}; !reflect.DeepEqual(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := Announced(addrs[:1]); len(got) != 1 {
		t.Errorf("only loopback: %q", got)
	}
	if got := Announced(nil); got != nil {
		t.Errorf("none: %#v", got)
	}
}
