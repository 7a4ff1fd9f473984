package integration

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// killHolder kills the holder only, and returns which process it was.
func (d *drive) killHolder() int {
	d.t.Helper()
	h := d.status().Holder
	if h == nil || h.PID == 0 || h.Gone {
		d.t.Fatalf("status tells of no holder: %+v", h)
	}
	if err := syscall.Kill(h.PID, syscall.SIGKILL); err != nil {
		d.t.Fatalf("kill holder %d: %v", h.PID, err)
	}
	return h.PID
}

// TestHolderDies kills the holder. The mount goes on, status and log tell that
// it ends with its daemon now, an upgrade is refused rather than ending it, and
// it is unmounted as ever.
func TestHolderDies(t *testing.T) {
	d := mounted(t, "--holder")
	d.sh(`echo one > "$D/file"; mv "$H/log" "$H/log.1"`)
	d.succeeded(d.killDaemon())
	// The holder writes to the log by its present name.
	d.sh(`grep -q 'the daemon died, and another goes on.*holder=' "$H/log"`)
	if h := d.status().Holder; h == nil || h.Takeovers != 1 {
		t.Errorf("status after a takeover: holder %+v", h)
	}
	pid, daemon := d.killHolder(), d.pid()
	eventually(t, "the daemon notices", func() bool { return d.status().Holder.Gone })
	if text := d.pifs("status"); !strings.Contains(text, fmt.Sprintf("its holder %d is gone: mounts end with it", pid)) {
		t.Errorf("status: %s", text)
	}
	eventually(t, "the log says so", func() bool {
		log, err := os.ReadFile(filepath.Join(d.home, "log"))
		return err == nil && strings.Contains(string(log), "the holder is gone: mounts end with this daemon")
	})
	if o := d.try("upgrade", d.dir); o.status != 11 || !strings.Contains(o.stderr, "the holder is gone: the mount ends with its daemon") {
		t.Errorf("upgrade without a holder: status %d: %s", o.status, o.stderr)
	}
	if got := d.sh(`echo two >> "$D/file"; sync "$D/file"; cat "$D/file"`); got != "one\ntwo" || d.pid() != daemon {
		t.Errorf("the mount without a holder reads %q, from daemon %d, want %d", got, d.pid(), daemon)
	}
	d.remount()
	if got := d.sh(`cat "$D/file"`); got != "one\ntwo" {
		t.Errorf("the next mount reads %q", got)
	}
}

// TestHolderAndDaemonDie kills both under a writer. The dead mount is cleared
// by the next mount, or by umount, and what was fsynced is there.
func TestHolderAndDaemonDie(t *testing.T) {
	d := mounted(t, "--holder")
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	for round, clear := range []func(){func() {}, d.umount} {
		dir := fmt.Sprintf("%s/acked%d", d.dir, round)
		d.sh(fmt.Sprintf("mkdir %s", dir))
		w := startJob(ctx, t, "fsync", dir)
		var acked []string
		for len(acked) < 30 && w.lines.Scan() {
			acked = append(acked, w.lines.Text())
		}
		daemon := d.pid()
		d.killHolder()
		if err := syscall.Kill(daemon, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		for w.lines.Scan() {
			acked = append(acked, w.lines.Text())
		}
		if err := w.cmd.Wait(); err == nil || len(acked) < 30 {
			t.Errorf("round %d: the writer acknowledged %d files and ended with: %v", round, len(acked), err)
		}
		// A process that dies has its socket and the device for a moment longer.
		eventually(t, "the daemon is dead", func() bool {
			return !alive(daemon) && !d.answers() && child(t, deadline, nil, "stat", d.dir).status != 0
		})
		clear()
		d.mount("--holder")
		d.job(deadline, "acked", append([]string{dir}, acked...)...)
		if o := d.try("check"); o.status != 0 {
			t.Errorf("round %d: check: status %d\n%s%s", round, o.status, o.stdout, o.stderr)
		}
	}
}
