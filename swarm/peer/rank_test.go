package peer

import (
	"testing"
	"time"

	ma "github.com/multiformats/go-multiaddr"
)

func TestRank(t *testing.T) {
	quic, tcp, relay := ma.StringCast("/ip4/192.0.2.1/udp/1/quic-v1"), ma.StringCast("/ip6/2001:db8::1/tcp/1"), ma.StringCast("/ip4/192.0.2.2/tcp/1/p2p/QmcgpsyWgH8Y8ajJz1Cu72KnS5uo2Aa2LpzU7kinSupNKC/p2p-circuit")
	ranked := tcpFirst([]ma.Multiaddr{relay, quic, tcp})
	for i, want := range []ma.Multiaddr{tcp, quic, relay} {
		if !ranked[i].Addr.Equal(want) || ranked[i].Delay != time.Duration(i)*nextKind {
			t.Errorf("%d: %v after %v", i, ranked[i].Addr, ranked[i].Delay)
		}
	}
	if only := tcpFirst([]ma.Multiaddr{quic}); len(only) != 1 || only[0].Delay != 0 {
		t.Errorf("what is the only one waits: %v", only)
	}
}
