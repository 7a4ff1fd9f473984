package integration

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// oldHome is a home as version 0.1 wrote it. It must open for ever; only a
// format that was never released may be written again, with
// PIFS_WRITE_V1=1 go test -run TestOldHome ./integration
const oldHome = "testdata/v1/home.tar.gz"

// TestOldHome opens a home of the first version, reads everything in it, and
// goes on writing.
func TestOldHome(t *testing.T) {
	archive, err := filepath.Abs(oldHome)
	if err != nil {
		t.Fatal(err)
	}
	d := newDrive(t)
	if os.Getenv("PIFS_WRITE_V1") != "" {
		d.writeOldHome(archive)
	}
	d.sh(`tar -C "${H%/*}" -xzf ` + archive)
	d.moveStores()
	d.mount()
	d.readOldHome()
	if o := d.try("check"); o.status != 0 {
		t.Errorf("check: status %d\n%s%s", o.status, o.stdout, o.stderr)
	}
	d.sh(`echo new > "$D/dir/new"; rm "$D/link"`)
	d.remount()
	if got := d.sh(`cat "$D/dir/new"; ls "$D/.pifs/snapshots/first"`); got != "new\ndir\nhard\nlarge\nlink\nsmall" {
		t.Errorf("after going on: %q", got)
	}
}

func (d *drive) writeOldHome(archive string) {
	d.t.Helper()
	d.mount()
	d.job(deadline, "fill", d.dir+"/large", "11", "40000")
	d.sh(`cd "$D"; echo small > small; ln small hard; ln -s small link; mkdir -m 750 dir
		setfattr -n user.note -v noted dir; touch -d @1000000000 small`)
	d.pifs("snapshot", "first")
	d.umount()
	d.sh(`mkdir -p ` + filepath.Dir(archive) + `; tar -C "${H%/*}" --exclude=log --sort=name -czf ` + archive + ` home; rm -r "$H"`)
}

// moveStores makes the configuration name the stores where they are now.
func (d *drive) moveStores() {
	d.t.Helper()
	path := d.home + "/config.json"
	raw, err := os.ReadFile(path)
	if err != nil {
		d.t.Fatal(err)
	}
	var config map[string]any
	decode(d.t, string(raw), &config)
	for _, s := range config["stores"].([]any) {
		store := s.(map[string]any)
		store["path"] = d.home + "/stores/" + filepath.Base(store["path"].(string))
	}
	raw, err = json.Marshal(config)
	if err != nil {
		d.t.Fatal(err)
	}
	restoreFile(d.t, path, raw)
}

func (d *drive) readOldHome() {
	d.t.Helper()
	d.job(deadline, "verify", d.dir+"/large", "11", "40000")
	got := d.sh(`cd "$D"; cat small; readlink link; stat -c '%h %Y' small; stat -c %a dir; getfattr --only-values -n user.note dir`)
	if want := "small\nsmall\n2 1000000000\n750\nnoted"; got != want {
		d.t.Errorf("it holds %q, want %q", got, want)
	}
}
