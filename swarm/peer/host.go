package peer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	dialling "github.com/libp2p/go-libp2p/p2p/net/swarm"
	libp2pquic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/quicreuse"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	ma "github.com/multiformats/go-multiaddr"

	"pifs/swarm"
)

// Options of a host. Zero values choose the defaults.
type Options struct {
	Identity swarm.Identity
	Listen   []string // multiaddrs; none: the host dials and is not dialled
	Traverse bool     // ask others whether we can be reached, map ports, punch holes, use relays
	Discover bool     // find members nearby, and where those went whose addresses are old
	Log      *slog.Logger
}

// Host is this machine on the network. It is safe for concurrent use.
type Host struct {
	log   *slog.Logger
	self  swarm.MemberID
	h     host.Host
	gate  *gate
	calls calls

	discovery *discovery // nil without

	mu      sync.Mutex
	links   map[peer.ID]*link // guarded by mu; of members that were spoken to
	serving sync.WaitGroup
	life    context.Context
	end     context.CancelFunc
}

// New starts a host. Until Members is called it knows nobody.
func New(o Options) (*Host, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	key, err := crypto.UnmarshalEd25519PrivateKey(o.Identity.Key)
	if err != nil {
		return nil, fmt.Errorf("start host: %w", err)
	}
	h := &Host{log: o.Log, self: o.Identity.ID, gate: newGate(), links: map[peer.ID]*link{}, calls: newCalls()}
	h.life, h.end = context.WithCancel(context.Background())
	limits, err := resourceManager()
	if err != nil {
		return nil, fmt.Errorf("start host: %w", err)
	}
	options := []libp2p.Option{
		libp2p.Identity(key), libp2p.ConnectionGater(h.gate), libp2p.ResourceManager(limits),
		libp2p.UserAgent("pifs"), libp2p.DisableMetrics(), libp2p.WithDialTimeout(dialPatience),
		libp2p.Transport(tcp.NewTCPTransport), libp2p.Transport(libp2pquic.NewTransport),
		libp2p.QUICReuse(quicreuse.NewConnManager), libp2p.SwarmOpts(dialling.WithDialRanker(tcpFirst)),
	}
	options = append(options, h.listening(o)...)
	if h.h, err = libp2p.New(options...); err != nil {
		return nil, fmt.Errorf("start host: %w", errors.Join(err, limits.Close()))
	}
	h.gate.watch(h.h.Network().Conns)
	h.h.Network().Notify(&network.NotifyBundle{ConnectedF: h.met})
	if o.Discover {
		if h.discovery, err = h.discover(true); err != nil {
			return nil, fmt.Errorf("start host: %w", errors.Join(err, h.h.Close()))
		}
	}
	return h, nil
}

// listening says where the host is reached, and what it does to be.
func (h *Host) listening(o Options) []libp2p.Option {
	out := []libp2p.Option{libp2p.NoListenAddrs}
	if len(o.Listen) > 0 {
		out = []libp2p.Option{libp2p.ListenAddrStrings(o.Listen...)}
	}
	if !o.Traverse {
		return append(out, libp2p.DisableRelay())
	}
	return append(out, libp2p.NATPortMap(), libp2p.EnableAutoNATv2(), libp2p.EnableHolePunching(),
		libp2p.EnableRelay(), libp2p.EnableRelayService(), libp2p.EnableAutoRelayWithPeerSource(h.gate.relays))
}

// ID returns the member that this host is.
func (h *Host) ID() swarm.MemberID { return h.self }

// Addrs returns the multiaddrs at which this host can be reached, without its
// id.
func (h *Host) Addrs() []string {
	return texts(h.h.Addrs())
}

func texts(addrs []ma.Multiaddr) (out []string) {
	for _, a := range addrs {
		out = append(out, a.String())
	}
	return out
}

// Members says who belongs and where they are, by multiaddrs without ids.
// Connections to all others are closed.
func (h *Host) Members(all map[swarm.MemberID][]string) {
	known := make(map[peer.ID]bool, len(all))
	for id, addrs := range all {
		p, err := peer.Decode(string(id))
		if err != nil {
			continue
		}
		known[p] = true
		if id == h.self {
			continue
		}
		var at []ma.Multiaddr
		for _, text := range addrs {
			if a, err := ma.NewMultiaddr(text); err == nil {
				at = append(at, a)
			}
		}
		h.h.Peerstore().ClearAddrs(p)
		h.h.Peerstore().AddAddrs(p, at, 24*365*time.Hour)
	}
	h.gate.replace(known)
	for _, c := range h.h.Network().Conns() {
		if !h.gate.knows(c.RemotePeer()) {
			_ = c.Close()
		}
	}
	h.dropLinks(known)
}

func (h *Host) dropLinks(known map[peer.ID]bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for p, l := range h.links {
		if !known[p] {
			l.close()
			delete(h.links, p)
		}
	}
}

// link returns what is known of the way to a member.
func (h *Host) link(id swarm.MemberID) (*link, error) {
	p, err := peer.Decode(string(id))
	if err != nil {
		return nil, fmt.Errorf("reach member %q: %w", string(id), err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if l := h.links[p]; l != nil {
		return l, nil
	}
	l := newLink(h, p)
	h.links[p] = l
	return l, nil
}

// Reachable returns nil, or why a member was not reached the last time, if that
// was so shortly before that it was not tried again.
func (h *Host) Reachable(id swarm.MemberID) error {
	l, err := h.link(id)
	if err != nil {
		return err
	}
	return l.death.err(time.Now())
}

// Retry has a member tried with the next request, however short ago it was not
// reached.
func (h *Host) Retry(id swarm.MemberID) {
	if l, err := h.link(id); err == nil {
		l.death.revived()
	}
}

// met notes that a peer that was not to be reached is there: it came to us. Of
// strangers that came at one moment, so that the gate did not see them all, those
// beyond the bound go again.
func (h *Host) met(_ network.Network, c network.Conn) {
	if !h.gate.knows(c.RemotePeer()) && h.gate.strangers() > maxStrangers {
		h.serveOne(func() { _ = c.Close() })
		return
	}
	h.revive(c.RemotePeer())
}

// revive has a member tried with the next request, if it was ever spoken to.
func (h *Host) revive(p peer.ID) {
	h.mu.Lock()
	l := h.links[p]
	h.mu.Unlock()
	if l != nil {
		l.death.revived()
	}
}

// Listening returns the multiaddrs at which the host listens, as they were
// asked for.
func (h *Host) Listening() []string { return texts(h.h.Network().ListenAddresses()) }

// Connected reports whether there is a connection to a member now.
func (h *Host) Connected(id swarm.MemberID) bool {
	p, err := peer.Decode(string(id))
	return err == nil && h.h.Network().Connectedness(p) == network.Connected
}

// serveOne runs what others want of this host on a goroutine of its own, unless
// the host ends.
func (h *Host) serveOne(do func()) {
	if h.enter() {
		go func() {
			defer h.serving.Done()
			do()
		}()
	}
}

// enter has Close wait until serving.Done; false if the host ends.
func (h *Host) enter() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.life.Err() != nil {
		return false
	}
	h.serving.Add(1)
	return true
}

// Close ends all connections, and waits for what is being served.
func (h *Host) Close() error {
	h.mu.Lock()
	h.end()
	for _, l := range h.links {
		l.close()
	}
	h.mu.Unlock()
	var err error
	if h.discovery != nil {
		err = h.discovery.close()
	}
	err = errors.Join(err, h.h.Close())
	h.serving.Wait()
	if err != nil {
		return fmt.Errorf("close host: %w", err)
	}
	return nil
}
