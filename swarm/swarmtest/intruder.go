package swarmtest

import (
	"context"
	"fmt"
	"sync"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"pifs/swarm"
	"pifs/swarm/wire"
)

// Intruder opens streams by its own rules.
type Intruder struct {
	ID   swarm.MemberID
	host host.Host

	mu     sync.Mutex
	answer map[string]Answer // by protocol
}

// Answer answers a request whose first frame was read. The stream is reset when
// it returns false.
type Answer func(op wire.Op, c *wire.Conn, raw network.Stream) bool

// NewIntruder returns an intruder with an identity, which may be one that a
// member lost, listening at the given multiaddrs.
func NewIntruder(id swarm.Identity, listen ...string) (*Intruder, error) {
	key, err := crypto.UnmarshalEd25519PrivateKey(id.Key)
	if err != nil {
		return nil, fmt.Errorf("start intruder: %w", err)
	}
	where := libp2p.NoListenAddrs
	if len(listen) > 0 {
		where = libp2p.ListenAddrStrings(listen...)
	}
	h, err := libp2p.New(libp2p.Identity(key), where, libp2p.DisableRelay(), libp2p.DisableMetrics(), libp2p.ResourceManager(&network.NullResourceManager{}))
	if err != nil {
		return nil, fmt.Errorf("start intruder: %w", err)
	}
	return &Intruder{ID: id.ID, host: h, answer: map[string]Answer{}}, nil
}

// Addrs returns where it listens, as multiaddrs without its id.
func (i *Intruder) Addrs() (out []string) {
	for _, a := range i.host.Addrs() {
		out = append(out, a.String())
	}
	return out
}

// Open opens a stream to whoever is at a multiaddr that ends in its id.
func (i *Intruder) Open(ctx context.Context, at string, proto string) (network.Stream, error) {
	info, err := peer.AddrInfoFromString(at)
	if err != nil {
		return nil, fmt.Errorf("open stream: %w", err)
	}
	if err := i.host.Connect(ctx, *info); err != nil {
		return nil, fmt.Errorf("open stream: %w", err)
	}
	s, err := i.host.NewStream(ctx, info.ID, protocol.ID(proto))
	if err != nil {
		return nil, fmt.Errorf("open stream: %w", err)
	}
	return s, nil
}

// Lie has the requests of a protocol answered so from now on, on all streams.
func (i *Intruder) Lie(proto string, answer Answer) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.answer[proto] = answer
	i.host.SetStreamHandler(protocol.ID(proto), func(s network.Stream) {
		c := wire.NewConn(s)
		for {
			op, err := c.ReadRequest()
			if err != nil || !i.lie(proto)(op, c, s) {
				_ = s.Reset()
				return
			}
		}
	})
}

func (i *Intruder) lie(proto string) Answer {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.answer[proto]
}

// Close ends all that it began.
func (i *Intruder) Close() error { return i.host.Close() }
