package integration

import (
	"context"
	"fmt"
	"os/exec"
	"testing"
)

// TestCollectWhileWriting collects all the time while two volumes write, drop
// and rewrite the same few contents; then it kills the daemon while it
// collects. Whatever is there is whole, and check finds nothing.
func TestCollectWhileWriting(t *testing.T) {
	d := mounted(t)
	other := t.TempDir()
	d.pifs("volume", "create", "other")
	d.pifs("mount", "--volume", "other", other)
	t.Cleanup(func() { d.pifs("umount", other) })
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	churn := func(dir string) *exec.Cmd {
		w := startJob(ctx, t, "churn", dir, "8")
		go func() {
			for w.lines.Scan() { // nothing is printed: this waits for the end
			}
		}()
		return w.cmd
	}
	for round := range 2 {
		writers := []*exec.Cmd{churn(d.dir), churn(other)}
		for range 4 {
			d.pifs("prune", "--keep", "1")
		}
		for _, w := range writers {
			if err := w.Wait(); err != nil {
				t.Errorf("round %d: a writer failed: %v", round, err)
			}
		}
		if round == 0 {
			d.pifs("prune", "--keep", "1")
		} else {
			pruning := exec.CommandContext(ctx, "pifs", "--home", d.home, "prune", "--keep", "0")
			if err := pruning.Start(); err != nil {
				t.Fatal(err)
			}
			d.kill()
			_ = pruning.Wait() // with or without an answer
			d.mount()
			d.pifs("mount", "--volume", "other", other)
		}
		for _, dir := range []string{d.dir, other} {
			d.pifs("cache", "drop")
			d.job(deadline, "churned", dir)
		}
		if o := d.try("check"); o.status != 0 {
			t.Fatalf("round %d: check: status %d\n%s%s", round, o.status, o.stdout, o.stderr)
		}
	}
	d.pifs("prune", "--keep", "0")
	before := d.status()
	d.sh(fmt.Sprintf("rm -r \"$D\"/churn %s/churn", other))
	d.pifs("prune", "--keep", "0")
	if after := d.status(); after.Stored > before.Stored/10 {
		t.Errorf("of %d bytes in the stores %d are left after everything was removed", before.Stored, after.Stored)
	}
}
