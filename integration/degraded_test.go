package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTwoStoresLost reads everything back after two of five stores are gone,
// and repairs what is damaged when they return.
func TestTwoStoresLost(t *testing.T) {
	d := mounted(t)
	d.sh(`cp -a ` + goSource(t) + `/encoding "$D/tree"`)
	d.job(deadline, "fill", d.dir+"/big", "7", "20000000")
	d.umount()
	away := t.TempDir()
	for _, n := range []string{"1", "3"} {
		rename(t, d.home+"/stores/"+n, away+"/"+n)
	}
	d.mount()
	d.pifs("cache", "drop")
	d.job(deadline, "verify", d.dir+"/big", "7", "20000000")
	d.sh(`diff -r ` + goSource(t) + `/encoding "$D/tree"`)
	if s := d.status(); s.MayDie != 0 || s.Cache.Degraded == 0 {
		t.Errorf("without two stores: %d may still die, %d degraded reads", s.MayDie, s.Cache.Degraded)
	}
	if o := d.try("check"); o.status != 7 || !strings.Contains(o.stdout, "/big: shard on ") {
		t.Errorf("check without two stores: status %d\n%.2000s", o.status, o.stdout)
	}
	d.umount()
	for _, n := range []string{"1", "3"} {
		rename(t, away+"/"+n, d.home+"/stores/"+n)
	}
	damage(t, d.home+"/stores/3")
	d.mount()
	if o := d.try("check"); o.status != 7 {
		t.Errorf("check with a damaged store: status %d\n%.2000s%s", o.status, o.stdout, o.stderr)
	}
	if o := d.try("check", "--repair"); o.status != 9 || !strings.Contains(o.stdout, "repaired") {
		t.Errorf("check --repair: status %d\n%.2000s%s", o.status, o.stdout, o.stderr)
	}
	if o := d.try("check"); o.status != 0 {
		t.Errorf("check after the repair: status %d\n%.2000s%s", o.status, o.stdout, o.stderr)
	}
	if s := d.status(); s.MayDie != 2 || s.Volumes[0].LastCheck == nil || s.Volumes[0].LastCheck.Damaged != 0 {
		t.Errorf("status after the repair: %+v", s)
	}
}

// TestThreeStoresLost shows that too many losses are said and not invented.
func TestThreeStoresLost(t *testing.T) {
	d := mounted(t)
	d.job(deadline, "fill", d.dir+"/big", "7", "3000000")
	d.umount()
	away := t.TempDir()
	for _, n := range []string{"0", "1", "2"} {
		rename(t, d.home+"/stores/"+n, away+"/"+n)
	}
	o := d.try("mount", d.dir)
	if o.status != 13 || !strings.Contains(o.stderr, "only 2 of 5 stores") {
		t.Errorf("mount with two stores: status %d: %s", o.status, o.stderr)
	}
	rename(t, away+"/0", d.home+"/stores/0")
	d.mount()
	d.job(deadline, "verify", d.dir+"/big", "7", "3000000")
}

// TestWritesWhileStoresAreAway stores with three of five and fills up the
// stripes when the others are back.
func TestWritesWhileStoresAreAway(t *testing.T) {
	d := mounted(t)
	d.umount()
	away := t.TempDir()
	for _, n := range []string{"2", "4"} {
		rename(t, d.home+"/stores/"+n, away+"/"+n)
	}
	d.mount()
	d.job(deadline, "fill", d.dir+"/f", "3", "5000000")
	if o := d.try("sync"); o.status == 0 {
		t.Errorf("sync says that stripes are full with two stores away: %s", o.stdout)
	}
	if s := d.status(); s.Outbox == 0 {
		t.Errorf("three shards are less than the quorum of (3,5), but the outbox is empty: %+v", s)
	}
	d.umount()
	d.mount()
	d.job(deadline, "verify", d.dir+"/f", "3", "5000000")
	d.umount()
	for _, n := range []string{"2", "4"} {
		rename(t, away+"/"+n, d.home+"/stores/"+n)
	}
	d.mount()
	d.pifs("sync")
	if s := d.status(); s.Outbox != 0 || s.Owed != 0 {
		t.Errorf("after sync with all stores: %+v", s)
	}
	if o := d.try("check"); o.status != 0 {
		t.Errorf("check: status %d\n%.2000s%s", o.status, o.stdout, o.stderr)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// damage overwrites some bytes in the middle of every pack of a store.
func damage(t *testing.T, store string) {
	t.Helper()
	packs, err := filepath.Glob(store + "/pack-*")
	if err != nil || len(packs) == 0 {
		t.Fatalf("packs of %s: %v, %v", store, packs, err)
	}
	for _, p := range packs {
		f, err := os.OpenFile(p, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		fi, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		for i := range int64(8) {
			if _, err := f.WriteAt([]byte("damaged"), fi.Size()/9*(i+1)); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
