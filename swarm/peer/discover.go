package peer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	dht "github.com/libp2p/go-libp2p-kad-dht"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/discovery/mdns"
	ma "github.com/multiformats/go-multiaddr"
)

const (
	nearbyService = "_pifs._udp"     // by which members on one network find each other
	routingPrefix = "/pifs"          // of the protocol of the routing table
	seekPatience  = 30 * time.Second // of one search for a member
	foundTime     = 10 * time.Minute // for which an address is tried that its entry does not name
	maxFound      = 8                // addresses of a member that are taken at a time
)

// discovery finds members at addresses that their entries do not name: on the
// local network (mDNS), and through other members (Kademlia). It is never asked
// where a shard is. What it says is a hint: the handshake proves who is there.
type discovery struct {
	nearby mdns.Service
	table  *dht.IpfsDHT

	mu      sync.Mutex
	seeking map[peer.ID]bool // guarded by mu
}

// discover begins to find members, and to be found by them, also on the local
// network if near.
func (h *Host) discover(near bool) (*discovery, error) {
	table, err := dht.New(h.life, membersOnly{h.h, h.gate},
		dht.Mode(dht.ModeServer), dht.ProtocolPrefix(routingPrefix), dht.DisableProviders(), dht.DisableValues(),
		dht.RoutingTableFilter(func(_ any, p peer.ID) bool { return h.gate.isMember(p) }))
	if err != nil {
		return nil, fmt.Errorf("start routing table: %w", err)
	}
	d := &discovery{table: table, seeking: map[peer.ID]bool{}}
	if !near {
		return d, nil
	}
	service := mdns.NewMdnsService(h.h, nearbyService, nearby{h})
	if err := service.Start(); err != nil {
		h.log.Info("members on the local network are not looked for", "err", err) // there may be none
		return d, nil
	}
	d.nearby = service
	return d, nil
}

func (d *discovery) close() error {
	err := d.table.Close()
	if d.nearby != nil {
		err = errors.Join(err, d.nearby.Close())
	}
	return err
}

// seek asks other members where p is, once at a time.
func (d *discovery) seek(ctx context.Context, p peer.ID) (peer.AddrInfo, error) {
	d.mu.Lock()
	busy := d.seeking[p]
	d.seeking[p] = true
	d.mu.Unlock()
	if busy {
		return peer.AddrInfo{}, errors.New("it is being looked for")
	}
	defer func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.seeking, p)
	}()
	ctx, cancel := context.WithTimeout(ctx, seekPatience)
	defer cancel()
	return d.table.FindPeer(ctx, p)
}

// seek looks for a member that was not reached, beside what its caller does.
func (h *Host) seek(p peer.ID) {
	if h.discovery == nil {
		return
	}
	h.serveOne(func() {
		at, err := h.discovery.seek(h.life, p)
		if err != nil {
			h.log.Debug("a member is not found", "peer", p, "err", err)
			return
		}
		h.found(at)
	})
}

// found notes where a member is said to be. If that is news, it is tried with the
// next request.
func (h *Host) found(at peer.AddrInfo) {
	if at.ID == h.h.ID() || !h.gate.isMember(at.ID) {
		return
	}
	known := h.h.Peerstore().Addrs(at.ID)
	news := slices.DeleteFunc(slices.Clone(at.Addrs), func(a ma.Multiaddr) bool { return slices.ContainsFunc(known, a.Equal) })
	if len(news) == 0 || len(known) > 4*maxFound {
		return
	}
	h.h.Peerstore().AddAddrs(at.ID, news[:min(len(news), maxFound)], foundTime)
	h.revive(at.ID)
}

// nearby hears of those on the local network.
type nearby struct{ h *Host }

// HandlePeerFound implements mdns.Notifee.
func (n nearby) HandlePeerFound(at peer.AddrInfo) { n.h.found(at) }

// membersOnly is a host of which the streams of strangers are reset.
type membersOnly struct {
	host.Host
	gate *gate
}

// SetStreamHandler implements host.Host.
func (m membersOnly) SetStreamHandler(p protocol.ID, handle network.StreamHandler) {
	m.Host.SetStreamHandler(p, func(s network.Stream) {
		if !m.gate.isMember(s.Conn().RemotePeer()) {
			_ = s.Reset()
			return
		}
		handle(s)
	})
}
