package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// auditLine is the part of a line of pifs audit --json that tests look at.
type auditLine struct {
	ID, Outcome string
	Right       int
	Held        uint64
}

// audits has nodes challenged by a site, and returns what they answered and the
// exit status.
func (s *site) audits(args ...string) (lines []auditLine, status int) {
	s.t.Helper()
	o := s.try(append([]string{"audit", "--json"}, args...)...)
	var r struct{ Nodes []auditLine }
	s.parse(&r, o.stdout)
	return r.Nodes, o.status
}

// TestSwarmProofs has four nodes prove each other round by round what they hold.
// One of them loses most of it behind its own back, and goes on: it passes no more, an audit of it
// fails as one of the file does, and no other node is found wanting. Nobody is convicted, since
// nobody lied.
func TestSwarmProofs(t *testing.T) {
	nodes := foundedWith(t, "8s", "DE", "CH", "JP", "US")
	user := newSites(t, 1)[0]
	user.pifs("swarm", "join", strings.TrimSpace(nodes[0].pifs("swarm", "invite")))
	user.mount()
	file := filepath.Join(user.dir, "file")
	user.job(deadline, "fill", file, "9", "12582912")
	user.pifs("sync", user.dir)
	all := func(want int) func() bool {
		return func() bool {
			for _, n := range nodes {
				if p := n.node().Proofs; p.Recent != want || p.Leaves == 0 || p.Convicted != 0 {
					return false
				}
			}
			return true
		}
	}
	before(t, 3*time.Minute, "all nodes pass", all(4))
	before(t, time.Minute, "what was written is stated", func() bool {
		lines, status := user.audits()
		for _, l := range lines {
			if l.Outcome != "passed" || l.Right != 256 || l.Held < 1000 {
				return false
			}
		}
		return status == 0 && len(lines) == 4
	})
	if out := user.pifs("audit", file); !strings.Contains(out, "256 leaves were asked for, all of them right: a loss of 1 % would have shown with 92.37 %") {
		t.Errorf("audit of a file:\n%s", out)
	}

	loser := nodes[2]
	loser.stop()
	damagePacks(t, filepath.Join(loser.home, "node"))
	loser.run()
	before(t, time.Minute, "the audit of a node that lost its shards fails", func() bool {
		lines, status := user.audits("--node", loser.node().ID[20:])
		return status == 13 && len(lines) == 1 && lines[0].Outcome == "silent"
	})
	if o := user.try("audit", file); o.status != 0 && o.status != 7 {
		t.Errorf("audit of a file of which shards are lost: status %d: %s", o.status, o.stderr)
	}
	before(t, 3*time.Minute, "the others do not believe it any more, or repaired what it lost", func() bool {
		for _, n := range []*site{nodes[0], nodes[1], nodes[3]} {
			if p := n.node().Proofs; p.Convicted != 0 {
				t.Fatal("a node that lost data was convicted as a liar")
			}
		}
		_, status := user.audits()
		return status == 0 // mended in place, and proved again
	})
	user.pifs("cache", "drop")
	user.job(deadline, "verify", file, "9", "12582912")
	user.umount()
}

// before is eventually with another deadline.
func before(t *testing.T, limit time.Duration, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !done(); time.Sleep(500 * time.Millisecond) { // polls
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

// damagePacks overwrites most of each large file of shards below dir.
func damagePacks(t *testing.T, dir string) {
	t.Helper()
	damaged := 0
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.Contains(e.Name(), ".db") || strings.Contains(path, "proofs") {
			return err
		}
		info, err := e.Info()
		if err != nil || info.Size() < 1<<20 {
			return err
		}
		damaged++
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		junk := make([]byte, 1<<16)
		for off := info.Size() / 4; off+int64(len(junk)) < info.Size(); off += int64(len(junk)) {
			if _, err := f.WriteAt(junk, off); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if damaged == 0 {
		t.Fatal("nothing was found to damage")
	}
}
