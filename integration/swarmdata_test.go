package integration

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestSwarmStoresFiles has a home that is no node put a file into a swarm of
// five. Every node keeps some of it; with two of them switched off and nothing in
// the cache it reads back. The home does not leave as long as it needs them.
func TestSwarmStoresFiles(t *testing.T) {
	nodes := founded(t, "DE", "CH", "JP", "US", "BR")
	user := newSites(t, 1)[0]
	user.pifs("swarm", "join", strings.TrimSpace(nodes[0].pifs("swarm", "invite")))
	user.mount()
	const size = 24 << 20
	user.job(deadline, "fill", filepath.Join(user.dir, "file"), "7", "25165824")
	user.pifs("sync", user.dir)
	var stored uint64
	for i, n := range nodes {
		r := n.node()
		if r.Shards == 0 {
			t.Errorf("node %d keeps nothing", i)
		}
		stored += r.Stored
	}
	if stored < size*3/2 {
		t.Errorf("the nodes keep %d bytes of a file of %d", stored, size)
	}
	nodes[1].stop()
	nodes[3].stop()
	user.remount()
	user.pifs("cache", "drop")
	user.job(deadline, "verify", filepath.Join(user.dir, "file"), "7", "25165824")
	user.umount()
	if o := user.try("swarm", "leave"); o.status != 4 || !strings.Contains(o.stderr, "could not be read any more") {
		t.Errorf("leaving what lies on the nodes: status %d: %s", o.status, o.stderr)
	}
}
