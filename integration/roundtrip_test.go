package integration

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestRoundTrips takes a tree of everything that is hard to copy to the mount
// and back with rsync, tar and cp, and compares every byte and attribute.
func TestRoundTrips(t *testing.T) {
	d := mounted(t)
	base := filepath.Dir(d.dir)
	d.job(deadline, "odd", base+"/tree")
	want := d.job(deadline, "manifest", base+"/tree")
	for _, r := range []struct{ name, copy string }{
		{"rsync", `rsync -aHAX --checksum --modify-window=-1 "$1/" "$2/"
			again=$(rsync -aHAX --checksum --modify-window=-1 --itemize-changes "$1/" "$2/")
			test -z "$again" || { echo "rsync wants to do again: $again" >&2; exit 1; }`},
		{"sparse", `rsync -aHX --modify-window=-1 --sparse "$1/" "$2/"`},
		{"tar", `mkdir "$2"; tar -C "$1" --xattrs --xattrs-include='*' --sparse --format=posix -cf - . |
			tar -C "$2" --xattrs --xattrs-include='*' --same-owner -xpf -`},
		{"cp", `cp -a --sparse=always "$1" "$2"`},
	} {
		// tar, which looks for holes, and then back, which finds them.
		there, back := d.dir+"/"+r.name, base+"/"+r.name
		script := `go() { ` + r.copy + "\n}\ngo "
		d.shWithin(heavy, script+`"`+base+`/tree" "`+there+`"`)
		same(t, r.name+" to the mount", want, d.job(deadline, "manifest", there))
		d.shWithin(heavy, script+`"`+there+`" "`+back+`"`)
		same(t, r.name+" from the mount", want, d.job(deadline, "manifest", back))
		d.sh(`rm -rf "` + back + `"`)
	}
	// Holes take no room, whether a copy wrote them or not.
	for _, name := range []string{"rsync", "sparse", "tar", "cp"} {
		d.pifs("sync")
		if blocks := d.sh(`stat -c %b "$D/` + name + `/holes"`); blocks != "1024" {
			t.Errorf("%s: the file with holes has %s blocks, of 1024 that are data", name, blocks)
		}
	}
	d.remount()
	for _, name := range []string{"rsync", "tar", "cp"} {
		same(t, name+" after a remount", want, d.job(deadline, "manifest", d.dir+"/"+name))
	}
}

// same compares two manifests.
func same(t *testing.T, what, want, have string) {
	t.Helper()
	if want == have {
		return
	}
	lines := map[string]bool{}
	for line := range strings.Lines(have) {
		lines[line] = true
	}
	for line := range strings.Lines(want) {
		if !lines[line] {
			t.Errorf("%s: missing %s", what, line)
		}
		delete(lines, line)
	}
	for line := range lines {
		t.Errorf("%s: there is %s", what, line)
	}
}
