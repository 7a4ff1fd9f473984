package integration

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestSameContentSameRoot copies one tree into two homes that share a genesis,
// in different orders and by different tools.
func TestSameContentSameRoot(t *testing.T) {
	a := mounted(t)
	b := newDrive(t)
	b.mount("--genesis", a.home+"/keys/genesis")
	src := goSource(t) + "/encoding"
	a.sh(`cp -a ` + src + ` "$D/tree"; setfattr -n user.note -v x "$D/tree/json"; ln -s json "$D/tree/link"`)
	b.sh(`mkdir "$D/tree"; ln -s json "$D/tree/link"; touch "$D/tree/zzz"
		cd ` + src + `; for f in $(ls -r); do cp -a "$f" "$D/tree/"; done
		rm "$D/tree/zzz"; setfattr -n user.note -v y "$D/tree/json"; setfattr -n user.note -v x "$D/tree/json"
		touch -h -r ` + a.dir + `/tree/link "$D/tree/link"; touch -r ` + src + ` "$D/tree"; touch -r ` + src + ` ` + a.dir + `/tree`)
	if x, y := a.root("tree"), b.root("tree"); x != y || len(x) != 64 {
		t.Errorf("roots differ: %s and %s", x, y)
	}
	b.sh(`chmod 600 "$D/tree/json/scanner.go"`)
	if a.root("tree") == b.root("tree") {
		t.Error("a changed mode does not change the root of the folder")
	}
	if a.root("tree/json/scanner.go") != b.root("tree/json/scanner.go") {
		t.Error("a changed mode changes the root of the file's bytes")
	}
	var info struct{ Root string }
	decode(t, a.pifs("info", "--json", a.dir+"/tree/json"), &info)
	if info.Root != a.root("tree/json") {
		t.Error("pifs info and user.pifs.root disagree")
	}
}

// TestPrivateScopesDiffer shows that equal files of private volumes have
// nothing in common.
func TestPrivateScopesDiffer(t *testing.T) {
	a, b := mounted(t, "--scope", "private"), newDrive(t)
	b.mount("--scope", "private", "--genesis", a.home+"/keys/genesis")
	for _, d := range []*drive{a, b} {
		d.job(deadline, "fill", d.dir+"/f", "1", "100000")
	}
	if a.root("f") == b.root("f") {
		t.Error("equal files of two private volumes have equal roots")
	}
}

// TestOneByteChanged changes a byte in the middle of a 64 MiB file.
func TestOneByteChanged(t *testing.T) {
	d := mounted(t)
	const size = 64 << 20
	d.job(deadline, "fill", d.dir+"/f", "1", "67108864")
	d.pifs("sync")
	before, root := chunks(t, d, "f"), d.root("f")
	unique := d.status().Unique
	d.job(deadline, "poke", d.dir+"/f", "30000000")
	d.pifs("sync")
	after := chunks(t, d, "f")
	fresh, total := 0, int64(0)
	for a, n := range after {
		total += n
		if _, old := before[a]; !old {
			fresh++
		}
	}
	if total != size || len(after) < 32 || fresh < 1 || fresh > 2 {
		t.Errorf("%d of %d chunks are new, %d bytes in all", fresh, len(after), total)
	}
	if d.root("f") == root {
		t.Error("the root did not change")
	}
	// Two chunks of at most 4 MiB and the nodes on the way to the root.
	if grown := d.status().Unique - unique; grown > 8<<20+64<<10 {
		t.Errorf("unique bytes grew by %d", grown)
	}
	d.job(deadline, "poke", d.dir+"/f", "30000000")
	if d.root("f") != root {
		t.Error("the old bytes do not have the old root")
	}
}

// chunks returns the lengths of a file's chunks by address.
func chunks(t *testing.T, d *drive, path string) map[string]int64 {
	t.Helper()
	var info struct {
		Chunks []struct {
			Address string
			Length  int64
		}
	}
	if err := json.NewDecoder(strings.NewReader(d.pifs("info", "--json", d.dir+"/"+path))).Decode(&info); err != nil {
		t.Fatal(err)
	}
	out := map[string]int64{}
	for _, c := range info.Chunks {
		out[c.Address] += c.Length
	}
	return out
}

// TestSecondCopyCostsNothing copies a tree under a second name.
func TestSecondCopyCostsNothing(t *testing.T) {
	d := mounted(t)
	d.sh(`cp -a ` + goSource(t) + `/cmd/compile "$D/one"`)
	d.pifs("sync")
	before := d.status()
	d.sh(`cp -a "$D/one" "$D/two"`)
	d.pifs("sync")
	after := d.status()
	if after.Unique-before.Unique > before.Unique/50 {
		t.Errorf("unique bytes grew from %d to %d", before.Unique, after.Unique)
	}
	if after.Logical < 2*before.Logical*95/100 || before.Overhead > 1.7 {
		t.Errorf("before %+v, after %+v", before, after)
	}
	d.sh(`diff -r "$D/one" "$D/two"`)
}
