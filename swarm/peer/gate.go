package peer

import (
	"context"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/connmgr"
	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

const (
	maxStrangers = 16               // connections of those who want to join
	strangerTime = 30 * time.Second // after which they have joined, or go
)

// gate lets members connect, and a few strangers while somebody may join.
type gate struct {
	mu      sync.Mutex
	conns   func() []network.Conn // of the host; nil until it has begun
	members map[peer.ID]bool
	dialled map[peer.ID]int // strangers that we speak to, in order to join
	open    bool            // strangers may join here
}

var _ connmgr.ConnectionGater = (*gate)(nil)

func newGate() *gate { return &gate{members: map[peer.ID]bool{}, dialled: map[peer.ID]int{}} }

func (g *gate) replace(members map[peer.ID]bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.members = members
}

func (g *gate) isMember(p peer.ID) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.members[p]
}

// letJoin says whether strangers may connect.
func (g *gate) letJoin(open bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = open
}

// dial lets us speak to a stranger until done is called.
func (g *gate) dial(p peer.ID) (done func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.dialled[p]++
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.dialled[p]--; g.dialled[p] == 0 {
			delete(g.dialled, p)
		}
	}
}

// InterceptPeerDial implements connmgr.ConnectionGater.
func (g *gate) InterceptPeerDial(p peer.ID) bool { return g.knows(p) }

// InterceptAddrDial implements connmgr.ConnectionGater.
func (g *gate) InterceptAddrDial(peer.ID, ma.Multiaddr) bool { return true }

// InterceptAccept implements connmgr.ConnectionGater. Who it is, is not known
// yet; the resource manager bounds how many there are.
func (g *gate) InterceptAccept(network.ConnMultiaddrs) bool { return true }

// InterceptSecured implements connmgr.ConnectionGater.
func (g *gate) InterceptSecured(dir network.Direction, p peer.ID, _ network.ConnMultiaddrs) bool {
	if g.knows(p) {
		return true
	}
	return dir == network.DirInbound && g.isOpen() && g.strangers() < maxStrangers
}

func (g *gate) isOpen() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open
}

// knows reports whether p is a member, or one that we dialled to join.
func (g *gate) knows(p peer.ID) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.members[p] || g.dialled[p] > 0
}

// watch tells where the host's connections are to be seen.
func (g *gate) watch(conns func() []network.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.conns = conns
}

func (g *gate) strangers() (n int) {
	g.mu.Lock()
	conns := g.conns
	g.mu.Unlock()
	if conns == nil {
		return 0
	}
	for _, c := range conns() {
		if !g.knows(c.RemotePeer()) {
			n++
		}
	}
	return n
}

// InterceptUpgraded implements connmgr.ConnectionGater. A stranger's time begins
// here.
func (g *gate) InterceptUpgraded(c network.Conn) (bool, control.DisconnectReason) {
	if !g.knows(c.RemotePeer()) {
		time.AfterFunc(strangerTime, func() {
			if !g.knows(c.RemotePeer()) {
				_ = c.Close()
			}
		})
	}
	return true, 0
}

// relays offers members that we are connected to as relays, through which others
// begin to punch holes. Who can be reached from everywhere serves as one.
func (g *gate) relays(_ context.Context, n int) <-chan peer.AddrInfo {
	out := make(chan peer.AddrInfo, n)
	defer close(out)
	g.mu.Lock()
	conns := g.conns
	g.mu.Unlock()
	if conns == nil {
		return out
	}
	for _, c := range conns() {
		if p := c.RemotePeer(); g.isMember(p) && len(out) < n {
			out <- peer.AddrInfo{ID: p, Addrs: []ma.Multiaddr{c.RemoteMultiaddr()}}
		}
	}
	return out
}
