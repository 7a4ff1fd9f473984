package peer

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/network"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/x/rate"
)

// Bounds of what others may use of this host.
const (
	maxConns       = 4096     // in all: a swarm of some thousand nodes, one connection each
	maxPeerConns   = 8        // of one peer, whom a restart leaves with old ones
	maxPeerStreams = 64       // that one peer opened
	maxStreams     = 16 << 10 // in all
	maxMemory      = 256 << 20
	maxPeerMemory  = 64 << 20 // buffers of the connections of one peer
	maxGreeting    = 1024     // connections of which it is not known yet whose they are
	maxAddrConns   = 128      // from one address: a lab behind one router, several nodes on a machine
	maxSiteConns   = 512      // from one site of IPv6
	newAddrConns   = 8        // a second from one address that go on; maxAddrConns may come at once
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
	greeting := rcmgr.ResourceLimits{
		Conns: maxGreeting, ConnsInbound: maxGreeting, ConnsOutbound: maxGreeting, FD: maxGreeting,
		Streams: maxGreeting, StreamsInbound: maxGreeting, StreamsOutbound: maxGreeting, Memory: maxMemory / 4,
	}
	scaled := rcmgr.DefaultLimits
	libp2p.SetDefaultServiceLimits(&scaled)
	limits := rcmgr.PartialLimitConfig{System: all, Transient: greeting, PeerDefault: one}.Build(scaled.AutoScale())
	m, err := rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(limits), neighbours(), rcmgr.WithConnRateLimiters(pace()))
	if err != nil {
		return nil, fmt.Errorf("limit resources: %w", err)
	}
	return m, nil
}

// neighbours bounds connections by where they come from: the library's 8 of one
// address are too few for members behind one router.
func neighbours() rcmgr.Option {
	return rcmgr.WithLimitPerSubnet(
		[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 32, ConnCount: maxAddrConns}},
		[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 56, ConnCount: maxAddrConns}, {PrefixLength: 48, ConnCount: maxSiteConns}},
	)
}

// pace bounds how fast new connections come from one address: the library's one
// in 5 seconds is too slow for members that come back after a network was away.
func pace() *rate.Limiter {
	one, site := rate.Limit{RPS: newAddrConns, Burst: maxAddrConns}, rate.Limit{RPS: 4 * newAddrConns, Burst: maxSiteConns}
	return &rate.Limiter{
		NetworkPrefixLimits: []rate.PrefixLimit{{Prefix: netip.MustParsePrefix("127.0.0.0/8")}, {Prefix: netip.MustParsePrefix("::1/128")}},
		SubnetRateLimiter: rate.SubnetLimiter{
			IPv4SubnetLimits: []rate.SubnetLimit{{PrefixLength: 32, Limit: one}},
			IPv6SubnetLimits: []rate.SubnetLimit{{PrefixLength: 56, Limit: one}, {PrefixLength: 48, Limit: site}},
			GracePeriod:      time.Minute,
		},
	}
}
