package peer

import (
	"fmt"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/network"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
)

// Bounds of what others may use of this host.
const (
	maxConns       = 4096     // in all: a swarm of some thousand nodes, one connection each
	maxPeerConns   = 8        // of one peer, whom a restart leaves with old ones
	maxPeerStreams = 64       // that one peer opened
	maxStreams     = 16 << 10 // in all
	maxMemory      = 256 << 20
	maxPeerMemory  = 64 << 20 // buffers of the connections of one peer
)

// resourceManager bounds connections, streams and their buffers, in all and by
// peer. What requests need besides is bounded where they are served.
func resourceManager() (network.ResourceManager, error) {
	all := rcmgr.ResourceLimits{
		Conns: maxConns, ConnsInbound: maxConns, ConnsOutbound: maxConns, FD: maxConns,
		Streams: maxStreams, StreamsInbound: maxStreams, StreamsOutbound: maxStreams, Memory: maxMemory,
	}
	one := rcmgr.ResourceLimits{
		Conns: maxPeerConns, ConnsInbound: maxPeerConns, ConnsOutbound: maxPeerConns, FD: maxPeerConns,
		Streams: 2 * maxPeerStreams, StreamsInbound: maxPeerStreams, StreamsOutbound: maxPeerStreams, Memory: maxPeerMemory,
	}
	scaled := rcmgr.DefaultLimits
	libp2p.SetDefaultServiceLimits(&scaled)
	limits := rcmgr.PartialLimitConfig{System: all, PeerDefault: one}.Build(scaled.AutoScale())
	m, err := rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(limits))
	if err != nil {
		return nil, fmt.Errorf("limit resources: %w", err)
	}
	return m, nil
}
