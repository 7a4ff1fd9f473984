package integration

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestPanicEndsDaemon panics in the middle of an operation, which holds the lock
// of the volume and has done half of its work. Nobody hangs, what was synced is
// there afterwards and nothing of the operation; a mount with a holder does the
// operation again.
func TestPanicEndsDaemon(t *testing.T) {
	program := failpointBuild(t)
	for _, holder := range []bool{false, true} {
		d := newDrive(t)
		d.program = program
		flags := []string{d.dir}
		if holder {
			flags = append([]string{"--holder"}, flags...)
		}
		d.mount()
		d.sh(`echo kept > "$D/kept"; sync "$D/kept"`)
		d.umount()
		d.env = []string{"PIFS_FAILPOINT=operation-half", "PIFS_FAILPOINT_PANIC=1",
			"PIFS_FAILPOINT_MARK=" + filepath.Join(t.TempDir(), "mark")}
		d.pifs(append([]string{"mount"}, flags...)...)
		d.env = nil
		pid := d.pid()
		o := child(t, deadline, nil, "mkdir", d.dir+"/half")
		if ok := o.status == 0; ok != holder {
			t.Errorf("holder %v: mkdir: status %d: %s", holder, o.status, o.stderr)
		}
		eventually(t, "the daemon has ended", func() bool { return !alive(pid) })
		d.sh(`grep 'msg="panic while serving a request' "$H/log" | grep -q 'op=mkdir.*fsnode.*make'; : > "$H/log"`)
		if !holder {
			d.mount()
		}
		want := "kept"
		if holder {
			want = "half\nkept"
		}
		if got := d.sh(`ls "$D"`); got != want {
			t.Errorf("holder %v: the mount has %q", holder, strings.Fields(got))
		}
		if got := d.sh(`cat "$D/kept"`); got != "kept" {
			t.Errorf("holder %v: what was synced reads %q", holder, got)
		}
		d.pifs("check")
	}
}
