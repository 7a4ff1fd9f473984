package integration

import (
	"testing"
	"time"
)

// heavy is the deadline of children that move gigabytes or a million names.
const heavy = 15 * time.Minute

// TestLargeFile streams 4 GiB through the drive and back.
func TestLargeFile(t *testing.T) {
	d := mounted(t)
	const size = "4294967296"
	d.job(heavy, "fill", d.dir+"/large", "9", size)
	d.pifs("sync")
	t.Logf("peak memory after writing: %d MiB", d.highWater()>>20)
	d.pifs("cache", "drop")
	d.job(heavy, "verify", d.dir+"/large", "9", size)
	if peak := d.highWater(); peak >= 512<<20 {
		t.Errorf("peak memory %d MiB", peak>>20)
	} else {
		t.Logf("peak memory %d MiB", peak>>20)
	}
	if s := d.status(); s.Logical != 4<<30 || s.Unique < 4<<30 || s.Overhead > 1.7 {
		t.Errorf("status %+v", s)
	}
}

// TestMillionEntries fills one directory with a million names, lists it cold
// and warm, and empties it.
func TestMillionEntries(t *testing.T) {
	d := mounted(t)
	const n = "1000000"
	d.sh(`mkdir "$D/many"`)
	timed(t, "create", func() { d.job(heavy, "many", d.dir+"/many", n) })
	d.firstWithin(100 * time.Millisecond)
	timed(t, "list", func() { d.job(heavy, "count", d.dir+"/many", n) })
	t.Logf("peak memory of the daemon that created: %d MiB", d.highWater()>>20)
	d.bounded(1 << 30)
	timed(t, "remount", d.remount)
	d.firstWithin(100 * time.Millisecond)
	timed(t, "list cold", func() { d.job(heavy, "count", d.dir+"/many", n) })
	timed(t, "remove", func() { d.job(heavy, "removeMany", d.dir+"/many", n) })
	d.bounded(1 << 30)
	d.sh(`rmdir "$D/many"`)
}

func timed(t *testing.T, what string, fn func()) {
	t.Helper()
	start := time.Now()
	fn()
	t.Logf("%s: %.1f s", what, time.Since(start).Seconds())
}

// firstWithin checks the time from opendir to the first entry.
func (d *drive) firstWithin(limit time.Duration) {
	d.t.Helper()
	took := time.Duration(number(d.job(deadline, "first", d.dir+"/many"))) * time.Microsecond
	if d.t.Logf("first entry after %v", took); took >= limit {
		d.t.Errorf("the first entry came after %v", took)
	}
}

func (d *drive) bounded(limit int64) {
	d.t.Helper()
	if peak := d.highWater(); peak >= limit {
		d.t.Errorf("peak memory %d MiB", peak>>20)
	} else {
		d.t.Logf("peak memory %d MiB", peak>>20)
	}
}
