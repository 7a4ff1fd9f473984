package integration

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSwarmStoresFiles has a home that is no node put a file into a swarm of
// five. Every node keeps some of it; with two of them switched off and nothing in
// the cache it reads back. The home takes everything with it when it leaves, and does
// not begin to as long as its own disks have no room for that.
func TestSwarmStoresFiles(t *testing.T) {
	nodes := founded(t, "DE", "CH", "JP", "US", "BR")
	user := &site{drive: onDisks(t, 0, [5]int{32, 32, 32, 32, 32})}
	user.umount()
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
	user.sh(`for disk in "$H"/../store?; do head -c 25165824 /dev/zero > "$disk/other"; done`)
	if o := user.try("swarm", "leave"); o.status != 8 || !strings.Contains(o.stderr, "its own stores have room for") {
		t.Errorf("leaving without room: status %d: %s", o.status, o.stderr)
	}
	if s := user.moveStatus(); s.Move == nil || s.Move.Home || s.Move.Blocks != 0 {
		t.Errorf("after that: %+v", s.Move)
	}
	user.sh(`rm "$H"/../store?/other`)
	user.pifs("swarm", "leave")
	for _, i := range []int{0, 2, 4} {
		nodes[i].stop()
	}
	user.mount()
	user.job(deadline, "verify", filepath.Join(user.dir, "file"), "7", "25165824")
	user.umount()
}

// TestSwarmHeals switches two of seven nodes off for good. The others, told
// nothing, rebuild what those held: with two more of them off the file reads
// back, which needs three shards of each stripe that had five.
func TestSwarmHeals(t *testing.T) {
	nodes := foundedWith(t, "8s", "DE", "CH", "JP", "US", "BR", "IS", "CA")
	user := newSites(t, 1)[0]
	user.pifs("swarm", "join", strings.TrimSpace(nodes[0].pifs("swarm", "invite")))
	user.mount()
	file := filepath.Join(user.dir, "file")
	user.job(deadline, "fill", file, "9", "12582912")
	user.pifs("sync", user.dir)
	before := storedAt(nodes...)
	nodes[2].stop()
	nodes[5].stop()
	left := []*site{nodes[0], nodes[1], nodes[3], nodes[4], nodes[6]}
	passes := passesOf(left)
	for end := time.Now().Add(4 * time.Minute); storedAt(left...) < before || !healed(left, passes); time.Sleep(time.Second) { // polls
		if time.Now().After(end) {
			t.Fatalf("the nodes that are left keep %d of %d bytes", storedAt(left...), before)
		}
	}
	repaired := 0
	for _, n := range left {
		repaired += n.node().Repair.Repaired
	}
	if repaired == 0 {
		t.Error("nobody says that it repaired anything")
	}
	saysWhatIsSurvived(t, user, len(left))
	user.remount()
	nodes[3].stop()
	nodes[4].stop()
	user.pifs("cache", "drop")
	user.job(deadline, "verify", file, "9", "12582912")
	user.umount()
}

// saysWhatIsSurvived looks at what a home is told of a swarm in which so many
// nodes hold one shard of (3,5) each of every stripe.
func saysWhatIsSurvived(t *testing.T, user *site, nodes int) {
	t.Helper()
	r := user.swarmStatus().Repair
	if r.Told != nodes || r.Stripes < 12 || r.Endangered != 0 || r.Queue != 0 || r.Repaired == 0 || r.Nodes != 2 || r.Jurisdictions != 2 {
		t.Errorf("what the nodes say together: %+v", r)
	}
	const survives = "survives any 2 nodes, any 2 operators, any 2 jurisdictions"
	if text := user.pifs("status"); !strings.Contains(text, survives) || !strings.Contains(text, " of 7 nodes say: ") {
		t.Errorf("pifs status does not say that it %s:\n%s", survives, text)
	}
}

// passesOf returns how often nodes have looked after their stripes.
func passesOf(nodes []*site) (passes []int) {
	for _, n := range nodes {
		passes = append(passes, n.node().Repair.Passes)
	}
	return passes
}

// healed reports whether each node has looked after its stripes so often since
// that it has noticed who is gone, and has nothing left to do.
func healed(nodes []*site, since []int) bool {
	for i, n := range nodes {
		if r := n.node().Repair; r.Passes < since[i]+6 || r.Endangered > 0 || r.Queue > 0 {
			return false
		}
	}
	return true
}

// storedAt returns the bytes of the shards that nodes keep together.
func storedAt(nodes ...*site) (sum uint64) {
	for _, n := range nodes {
		sum += n.node().Stored
	}
	return sum
}

// TestTwoUsersOneCopy has two members store the same file: the nodes keep it
// once. One of them removes it, and has its garbage collected; the other reads
// on.
func TestTwoUsersOneCopy(t *testing.T) {
	nodes := founded(t, "DE", "CH", "JP")
	invitation := strings.TrimSpace(nodes[0].pifs("swarm", "invite", "--uses", "2"))
	stored := func() uint64 { return storedAt(nodes...) }
	users := newSites(t, 2)
	var before uint64
	for i, u := range users {
		u.pifs("swarm", "join", invitation)
		u.mount()
		u.job(deadline, "fill", filepath.Join(u.dir, "file"), "7", "25165824")
		u.pifs("sync", u.dir)
		now := stored()
		if i == 1 && (now-before)*50 > before {
			t.Errorf("the nodes keep %d bytes for one, %d for two", before, now)
		}
		before = now
	}
	users[0].sh(`rm "$D/file"`)
	users[0].pifs("sync", users[0].dir)
	users[0].pifs("prune", "--keep", "1")
	users[1].remount()
	users[1].pifs("cache", "drop")
	users[1].job(deadline, "verify", filepath.Join(users[1].dir, "file"), "7", "25165824")
	for _, u := range users {
		u.umount()
	}
}
