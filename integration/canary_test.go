package integration

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// canaries are strings that must not be found in a home: file names, file
// contents small and large, link targets, xattr names and values, snapshot
// names.
const (
	canaryName  = "canary-name-QxW7"
	canaryText  = "canary-text-QxW7"
	canaryLink  = "canary-link-QxW7"
	canaryXattr = "canary-xattr-QxW7"
	canarySnap  = "canary-snap-QxW7"
)

func canaries() []string {
	return []string{canaryName, canaryText, canaryLink, canaryXattr, canarySnap}
}

func (d *drive) writeCanaries(dir string) {
	d.t.Helper()
	d.sh(`mkdir "$D/` + dir + `"; cd "$D/` + dir + `"
		echo ` + canaryText + ` > ` + canaryName + `
		mkdir ` + canaryName + `-dir
		ln -s /nowhere/` + canaryLink + ` link
		setfattr -n user.` + canaryXattr + ` -v ` + canaryXattr + ` ` + canaryName + `
		yes ` + canaryText + ` | head -c 5000000 > large
		(head -c 3000000 /dev/urandom; echo ` + canaryText + `; head -c 3000000 /dev/urandom) > random`)
}

// TestNothingReadableAtRest looks for canaries in every file of the home while
// it is mounted, after a crash, and after umount.
func TestNothingReadableAtRest(t *testing.T) {
	d := mounted(t)
	d.writeCanaries("a")
	d.sh(`sync "$D/a/` + canaryName + `" "$D/a/large" "$D/a"`)
	d.noCanary("mounted, synced")
	d.pifs("snapshot", canarySnap)
	d.noCanary("mounted, committed")
	d.writeCanaries("b")
	d.sh(`sync "$D/b/random" "$D/b/` + canaryName + `"`)
	d.kill()
	d.noCanary("after a crash")
	d.mount()
	if got := d.sh(`cat "$D/b/` + canaryName + `"`); got != canaryText {
		t.Errorf("after the crash: %q", got)
	}
	d.umount()
	d.noCanary("after umount")
}

func (d *drive) noCanary(when string) {
	d.t.Helper()
	files, size := 0, 0
	err := filepath.WalkDir(d.home, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files, size = files+1, size+len(raw)
		for _, c := range canaries() {
			if bytes.Contains(raw, []byte(c)) || bytes.Contains([]byte(path), []byte(c)) {
				d.t.Errorf("%s: %s shows %q", when, path, c)
			}
		}
		return nil
	})
	if err != nil {
		d.t.Fatal(err)
	}
	if files < 10 || size < 3_000_000 {
		d.t.Errorf("%s: only %d files with %d bytes were looked at", when, files, size)
	}
}
