package meet

import (
	"fmt"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"

	"pifs/swarm"
)

// Listen returns the host of id at the given multiaddrs.
func Listen(id swarm.Identity, addrs []string) (host.Host, error) {
	key, err := crypto.UnmarshalEd25519PrivateKey(id.Key)
	if err != nil {
		return nil, fmt.Errorf("read identity: %w", err)
	}
	h, err := libp2p.New(libp2p.Identity(key), libp2p.ListenAddrStrings(addrs...))
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return h, nil
}
