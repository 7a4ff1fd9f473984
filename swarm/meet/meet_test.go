package meet

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"log/slog"
	"reflect"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"pifs/blockstore"
	"pifs/swarm"
	"pifs/swarm/member"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func now() int64 { return time.Now().Unix() }

// newcomer is an identity with a host on loopback.
func newcomer(t *testing.T) (swarm.Identity, host.Host) {
	t.Helper()
	id, err := swarm.CreateIdentity(t.TempDir())
	must(t, err)
	h, err := Listen(id, []string{"/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"})
	must(t, err)
	t.Cleanup(func() { h.Close() })
	return id, h
}

func entry(t *testing.T, id swarm.Identity, h host.Host, in member.SwarmID) member.Entry {
	t.Helper()
	e := member.Entry{Seq: uint64(now()), Addrs: Announced(h.Addrs())}
	must(t, e.Sign(id, in))
	return e
}

// attend joins by an invitation and takes part.
func attend(t *testing.T, i *member.Invitation) (*member.Book, *Meeting) {
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
	return b, m
}

// found begins a swarm.
func found(t *testing.T) (*member.Book, host.Host) {
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

func invite(t *testing.T, b *member.Book, uses uint32, at ...host.Host) *member.Invitation {
	t.Helper()
	var bootstrap []string
	for _, h := range at {
		bootstrap = append(bootstrap, h.Addrs()[0].String()+"/p2p/"+h.ID().String())
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
	first, meeting := attend(t, invite(t, founder, 3, at))
	_, gone := newcomer(t)
	through := invite(t, founder, 3, gone, meeting.host)
	must(t, gone.Close())
	second, leaver := attend(t, through)
	third, _ := attend(t, through)
	all := []*member.Book{founder, first, second, third}
	for _, b := range all {
		eventually(t, "four members are known", func() bool { return len(b.Current().Entries) == 4 })
	}
	id, err := swarm.CreateIdentity(t.TempDir())
	must(t, err)
	forged, err := member.NewLeave(swarm.Identity{Key: id.Key, ID: swarm.MemberID(leaver.host.ID().String())}, founder.ID(), 1<<62)
	must(t, err)
	if err := leaver.Submit(t.Context(), forged); !errors.Is(err, blockstore.ErrCorrupt) {
		t.Errorf("a leave by another key: %v", err)
	}
	remove, err := member.NewRemove(founder.Founder().Key, founder.ID(), swarm.MemberID(leaver.host.ID().String()))
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

// TestStrangersAreBounded opens streams as somebody who is no member: those
// between members are refused, and the one to join takes a request to join and
// nothing longer.
func TestStrangersAreBounded(t *testing.T) {
	founder, at := found(t)
	_, h := newcomer(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	must(t, h.Connect(ctx, peer.AddrInfo{ID: at.ID(), Addrs: at.Addrs()}))
	digest, err := founder.Current().Digest()
	must(t, err)
	to := peer.AddrInfo{ID: at.ID(), Addrs: at.Addrs()}
	if _, err := ask(ctx, h, to, memberProtocol, &member.Request{Have: &digest}); !errors.Is(err, swarm.ErrUnreachable) {
		t.Errorf("a stream between members: %v", err)
	}
	resp, err := ask(ctx, h, to, joinProtocol, &member.Request{Have: &digest})
	if err != nil || resp.Refusal == nil || resp.Record != nil {
		t.Errorf("a question about the record: %+v %v", resp, err)
	}
	if _, err := ask(ctx, h, to, joinProtocol, &member.Request{Record: &member.Record{Entries: make([]member.Entry, 500)}}); !errors.Is(err, swarm.ErrUnreachable) {
		t.Errorf("a long request: %v", err)
	}
}

func TestStrangersTakeTurns(t *testing.T) {
	founder, at := found(t)
	_, m := attend(t, invite(t, founder, 1, at))
	if !m.admit("a") || m.admit("a") {
		t.Error("a stranger has two streams at a time")
	}
	for i := range maxStrangers - 1 {
		if !m.admit(peer.ID(string(rune('b' + i)))) {
			t.Errorf("stranger %d is refused", i)
		}
	}
	if m.admit("z") {
		t.Error("there is no bound for all strangers together")
	}
	m.dismiss("a")
	if !m.admit("z") {
		t.Error("a place that is free again is not given")
	}
}

func TestFrames(t *testing.T) {
	var b bytes.Buffer
	must(t, writeFrame(&b, []byte("abc")))
	whole := bytes.Clone(b.Bytes())
	got, err := readFrame(&b, 100, nil)
	if err != nil || !bytes.Equal(got, whole[4:]) {
		t.Errorf("%x %v", got, err)
	}
	if _, err := readFrame(&b, 100, nil); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	for n := 1; n < len(whole); n++ {
		if _, err := readFrame(bytes.NewReader(whole[:n]), 100, nil); err == nil || err == io.EOF {
			t.Errorf("cut at %d: %v", n, err)
		}
	}
	if _, err := readFrame(bytes.NewReader([]byte{0xff, 0xff, 0xff, 0xff}), 100, nil); !errors.Is(err, blockstore.ErrTooLarge) {
		t.Errorf("a long one: %v", err)
	}
	large := make(chan struct{}, 1)
	large <- struct{}{}
	if _, err := readFrame(bytes.NewReader([]byte{0, 2, 0, 0}), 1<<20, large); !errors.Is(err, blockstore.ErrTooLarge) {
		t.Errorf("one more than there are places for: %v", err)
	}
}

func TestAnnounced(t *testing.T) {
	var addrs []ma.Multiaddr
	for _, text := range []string{
		"/ip4/127.0.0.1/tcp/7437", "/ip4/192.168.1.5/tcp/7437", "/ip6/fe80::1/tcp/7437", "/ip4/8.8.8.8/tcp/7437", "/ip4/192.168.1.5/tcp/7437",
	} {
		a, err := ma.NewMultiaddr(text)
		must(t, err)
		addrs = append(addrs, a)
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
