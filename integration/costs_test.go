package integration

import (
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"pifs/integration/bench/job"
)

// cost is what something done n times may ask of the daemon, each time:
// requests of the kernel, each of which is two switches of context, SQLite
// transactions, most of which wait for the disk, and queries for what memory
// does not have. None of them depends on how fast the machine is.
type cost struct {
	name         string
	n            int
	remount      bool     // the kernel and the daemon know nothing
	work         job.Spec // Path is below the mount
	script       string   // in place of work, with the mount in $D
	requests     float64  // each
	transactions float64  // each, but for those that are made by the clock
	queries      float64  // of the volume's database, each
}

const (
	// late is how many requests of what was done before may come late: the
	// kernel does not wait for all.
	late = 8
	// clocked is how many transactions a second may take without anybody
	// asking: a save with its blocks, in five stores and two databases, and
	// now and then a commit.
	clocked = 8
	// asked is how many queries beside these may be about something else: the
	// folders on the way, a commit.
	asked = 50
)

// costs are in the order in which they are done. Most requests are what the
// kernel asks of any file system without write-back: it looks at the attributes
// of a folder again after each change in it, and for capabilities of a file
// before it first writes to it.
func costs() []cost {
	const n, synced, blocks, entries = 1000, 100, 64, 20 * (50 + 1)
	overwrite := job.Spec{Do: "overwrite", Path: "big", Size: 8 << 20, Block: 4 << 10, Count: n}
	overwriteSync := overwrite
	overwriteSync.Count, overwriteSync.Every = synced, 1
	stat := job.Spec{Do: "stat-some", Path: "a", Size: n, Count: n}
	return []cost{
		{name: "create, write 4 KiB, close", n: n, requests: 7, work: job.Spec{Do: "create", Path: "a", Size: 4 << 10, Count: n}},
		{name: "stat of what was written", n: n, requests: 1, work: stat},
		{name: "stat once more", n: n, requests: 0, work: stat},
		{name: "stat after a new mount", n: n, requests: 1, queries: 0.13, remount: true, work: stat},
		{name: "create, write 4 KiB, fsync, close", n: synced, requests: 8, transactions: 1,
			work: job.Spec{Do: "create", Path: "b", Size: 4 << 10, Count: synced, Every: 1}},
		{name: "append 100 bytes", n: n, requests: 1.03, work: job.Spec{Do: "append", Path: "log", Block: 100, Count: n}},
		{name: "write 128 KiB in order", n: blocks, requests: 1, work: job.Spec{Do: "write", Path: "big", Size: blocks * 128 << 10}},
		{name: "write 4 KiB anywhere", n: n, requests: 1, work: overwrite},
		{name: "write 4 KiB anywhere, fsync", n: synced, requests: 2, transactions: 1, work: overwriteSync},
		{name: "read 128 KiB in order", n: blocks, requests: 1, remount: true, work: job.Spec{Do: "read", Path: "big", Size: blocks * 128 << 10}},
		{name: "untar", n: entries, requests: 10.9, script: `mkdir "$D/t"; tar -xf "$D/../tree.tar" -C "$D/t"`},
		{name: "ls -lR after a new mount", n: entries, requests: 0.1, queries: 0.05, remount: true, script: `ls -lR "$D/t" >/dev/null`},
		{name: "ls -lR once more", n: entries, requests: 0.07, script: `ls -lR "$D/t" >/dev/null`},
		{name: "rm -rf", n: entries, requests: 2.07, script: `rm -rf "$D/t"`},
	}
}

// TestCosts holds what is done often to a number of requests and transactions.
func TestCosts(t *testing.T) {
	d := mounted(t)
	d.sh(`mkdir "$D/a" "$D/b"`)
	tree := filepath.Join(t.TempDir(), "tree")
	d.job(deadline, "tree", tree, "20", "50")
	d.sh(`tar -cf "$D/../tree.tar" -C '` + tree + `' .`)
	for _, c := range costs() {
		if c.remount {
			d.remount()
		}
		before, begun := d.activity(), time.Now()
		if c.script != "" {
			d.sh(c.script)
		} else {
			c.work.Path = filepath.Join(d.dir, c.work.Path)
			spec, err := json.Marshal(c.work)
			if err != nil {
				t.Fatal(err)
			}
			d.job(deadline, "work", string(spec))
		}
		c.check(t, before, d.activity(), time.Since(begun))
	}
}

func (c cost) check(t *testing.T, before, after activity, taken time.Duration) {
	t.Helper()
	kinds, total := map[string]uint64{}, uint64(0)
	for kind, count := range after.Requests {
		// Forgets come when the kernel likes.
		if count -= before.Requests[kind]; count > 0 && kind != "forget" && kind != "interrupt" {
			kinds[kind] = count
			total += count
		}
	}
	transactions := after.Transactions - before.Transactions
	t.Logf("%-28s %6.3f requests, %6.3f transactions, %6.3f queries: %v", c.name, float64(total)/float64(c.n),
		float64(transactions)/float64(c.n), float64(after.Queries-before.Queries)/float64(c.n), kinds)
	if most := c.requests*float64(c.n) + late; float64(total) > most {
		t.Errorf("%s: %d requests, at most %.0f: %v", c.name, total, most, kinds)
	}
	if most := c.queries*float64(c.n) + asked; float64(after.Queries-before.Queries) > most {
		t.Errorf("%s: %d queries, at most %.0f", c.name, after.Queries-before.Queries, most)
	}
	if most := c.transactions*float64(c.n) + clocked*(taken.Seconds()+2); float64(transactions) > most {
		t.Errorf("%s: %d transactions, at most %.0f within %v", c.name, transactions, most, taken)
	}
}

// activity returns what the daemon did so far, for its only volume.
func (d *drive) activity() activity {
	d.t.Helper()
	s := d.status()
	a := s.Volumes[0].Activity
	a.Transactions += s.Activity.Transactions
	return a
}
