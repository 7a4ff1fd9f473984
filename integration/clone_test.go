package integration

import (
	"context"
	"os/exec"
	"strings"
	"testing"
)

// TestCloneMovesNoData clones a file of 1 GiB and a tree of 10,000 files with
// bytes that were just written: nothing is stored but metadata, what was
// cloned is the same, and each side can be changed without the other.
func TestCloneMovesNoData(t *testing.T) {
	d := mounted(t)
	d.job(deadline, "fill", d.dir+"/small", "1", "8000000")
	d.sh(`for i in $(seq 128); do cat "$D/small"; done > "$D/big"`) // 977 MiB, of which 8 are unique
	d.job(deadline, "tree", d.dir+"/tree", "100", "100")
	d.pifs("sync")
	before := d.status()
	d.pifs("clone", d.dir+"/big", d.dir+"/big2")
	d.pifs("clone", d.dir+"/tree", d.dir+"/tree2")
	d.pifs("sync")
	after := d.status()
	if more := after.Unique - before.Unique; more > 4<<20 {
		t.Errorf("cloning stored %d bytes", more)
	}
	if more := after.Logical - before.Logical; more < 900<<20 {
		t.Errorf("the clones have %d bytes", more)
	}
	if a, b := d.root("tree"), d.root("tree2"); a != b {
		t.Errorf("the roots of a tree and its clone are %s and %s", a, b)
	}
	d.sh(`diff -r "$D/tree" "$D/tree2"; test "$(find "$D/tree2" -type f | wc -l)" = 10000`)

	d.sh(`printf changed | dd of="$D/big2" bs=1 seek=500000000 conv=notrunc status=none; rm -r "$D/tree2/7"; echo >> "$D/tree2/8/8"`)
	d.sh(`cmp -n 8000000 "$D/small" "$D/big"; cmp -i 496000000:496000000 "$D/big" "$D/big2" && exit 1; test -f "$D/tree/7/7"; ! cmp -s "$D/tree/8/8" "$D/tree2/8/8"`)
	d.remount()
	d.sh(`test -f "$D/tree/7/7"; test ! -e "$D/tree2/7"; cmp -i 496000000:0 -n 8000000 "$D/big" "$D/small"`)
}

// TestCloneSurvivesKill kills the daemon right after a clone was synced by an
// fsync of the folder it is in, and once more in the middle of cloning.
func TestCloneSurvivesKill(t *testing.T) {
	d := mounted(t)
	d.job(deadline, "fill", d.dir+"/old", "1", "3000000")
	d.job(deadline, "tree", d.dir+"/tree", "50", "50")
	d.job(deadline, "fill", d.dir+"/fresh", "2", "5000000") // not stored yet
	d.pifs("clone", d.dir+"/fresh", d.dir+"/fresh2")
	d.pifs("clone", d.dir+"/tree", d.dir+"/tree2")
	d.job(deadline, "syncPath", d.dir)
	d.kill()
	d.mount()
	d.job(deadline, "verify", d.dir+"/fresh2", "2", "5000000")
	d.sh(`diff -r "$D/tree" "$D/tree2"`)

	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	cloning := exec.CommandContext(ctx, "pifs", "clone", d.dir+"/tree", d.dir+"/tree3")
	if err := cloning.Start(); err != nil {
		t.Fatal(err)
	}
	d.pifs("sync")
	d.kill()
	_ = cloning.Wait() // it may end either way: the daemon died meanwhile
	d.mount()
	if left := d.sh(`ls "$D" | tr '\n' ' '`); strings.Contains(left, "tree3") {
		d.sh(`diff -r "$D/tree" "$D/tree3"`)
	} else if left != "fresh fresh2 old tree tree2" {
		t.Errorf("left by the crash: %s", left)
	}
	if o := d.try("check"); o.status != 0 {
		t.Errorf("check after the crash: status %d\n%s%s", o.status, o.stdout, o.stderr)
	}
}
