package peer

import (
	"testing"

	"github.com/libp2p/go-libp2p/core/network"
	ma "github.com/multiformats/go-multiaddr"
)

// TestNeighbours: a hundred connections come from behind one router at once, a
// thousand do not, and keep nobody else from connecting.
func TestNeighbours(t *testing.T) {
	m, err := resourceManager()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	router := ma.StringCast("/ip4/192.0.2.1/tcp/4001")
	for i := range 100 {
		if _, err := m.OpenConnection(network.DirInbound, true, router); err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
	}
	n := 100
	for range 1000 {
		if _, err := m.OpenConnection(network.DirInbound, true, router); err == nil {
			n++
		}
	}
	if n > maxAddrConns {
		t.Errorf("%d connections from one address", n)
	}
	if _, err := m.OpenConnection(network.DirInbound, true, ma.StringCast("/ip4/198.51.100.1/tcp/4001")); err != nil {
		t.Errorf("from another: %v", err)
	}
}
