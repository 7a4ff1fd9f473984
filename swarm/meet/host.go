package meet

import (
	"fmt"
	"slices"
	"strings"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	ma "github.com/multiformats/go-multiaddr"

	"pifs/swarm"
)

// Listen returns the host of id at the given multiaddrs, all of which it
// listens at; those of IPv6 may be missing, since a machine may have none.
// Without addresses it only connects to others.
func Listen(id swarm.Identity, addrs []string) (host.Host, error) {
	key, err := crypto.UnmarshalEd25519PrivateKey(id.Key)
	if err != nil {
		return nil, fmt.Errorf("read identity: %w", err)
	}
	where := libp2p.NoListenAddrs
	if len(addrs) > 0 {
		where = libp2p.ListenAddrStrings(addrs...)
	}
	h, err := libp2p.New(libp2p.Identity(key), libp2p.UserAgent("pifs"), where)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if missing := absent(h.Network().ListenAddresses(), addrs); len(missing) > 0 {
		h.Close()
		return nil, fmt.Errorf("listen at %s: the address is not this machine's, or in use", strings.Join(missing, ", "))
	}
	return h, nil
}

// absent returns the wanted addresses that are not among have.
func absent(have []ma.Multiaddr, wanted []string) (missing []string) {
	for _, text := range wanted {
		there := slices.ContainsFunc(have, func(a ma.Multiaddr) bool { return sameButPort(a.String(), text) })
		if !there && !strings.HasPrefix(text, "/ip6/") {
			missing = append(missing, text)
		}
	}
	return missing
}

// sameButPort compares addresses of which the second may have port 0, for any.
func sameButPort(have, want string) bool {
	h, w := strings.Split(have, "/"), strings.Split(want, "/")
	if len(h) != len(w) {
		return false
	}
	for i := range h {
		if h[i] != w[i] && w[i] != "0" {
			return false
		}
	}
	return true
}
