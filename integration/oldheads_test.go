package integration

import (
	"strconv"
	"strings"
	"testing"
)

// TestOldHeadsMakeRoom rewrites a file until its versions are twice what the
// stores hold: the oldest heads go, the snapshot with a name stays.
func TestOldHeadsMakeRoom(t *testing.T) {
	d := onDisks(t, 0, [5]int{32, 32, 32, 32, 32})
	const size = 18 << 20
	text := strconv.Itoa(size)
	d.job(deadline, "fill", d.dir+"/kept", "1", text)
	d.pifs("snapshot", "first")
	d.sh(`rm "$D/kept"`)
	for seed := 2; seed < 10; seed++ {
		d.job(deadline, "fill", d.dir+"/f", strconv.Itoa(seed), text)
		d.pifs("sync")
	}
	if log := d.pifs("log"); !strings.Contains(log, "(forgotten)") || !strings.Contains(log, "first") {
		t.Errorf("which heads are kept:\n%s", log)
	}
	d.pifs("cache", "drop")
	d.job(deadline, "verify", d.dir+"/f", "9", text)
	d.job(deadline, "verify", d.dir+"/.pifs/snapshots/first/kept", "1", text)
	if o := d.try("check"); o.status != 0 {
		t.Errorf("check: status %d\n%.2000s%s", o.status, o.stdout, o.stderr)
	}
}
