package peer

import (
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	ma "github.com/multiformats/go-multiaddr"
)

// How long the next kind of address waits for the one before: RFC 8305.
const nextKind = 250 * time.Millisecond

// tcpFirst has a member dialled over TCP, then over QUIC, then through a relay:
// a MiB over QUIC costs three times the processor time, and what can be had only
// over QUIC is had a quarter of a second later. The library ranks QUIC first.
func tcpFirst(addrs []ma.Multiaddr) []network.AddrDelay {
	kinds := [3][]ma.Multiaddr{}
	for _, a := range addrs {
		k := 1
		if has(a, ma.P_CIRCUIT) {
			k = 2
		} else if has(a, ma.P_TCP) {
			k = 0
		}
		kinds[k] = append(kinds[k], a)
	}
	var out []network.AddrDelay
	delay := time.Duration(0)
	for _, kind := range kinds {
		for _, a := range kind {
			out = append(out, network.AddrDelay{Addr: a, Delay: delay})
		}
		if len(kind) > 0 {
			delay += nextKind
		}
	}
	return out
}

func has(a ma.Multiaddr, code int) bool {
	_, err := a.ValueForProtocol(code)
	return err == nil
}
