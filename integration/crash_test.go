package integration

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"testing"
)

// writer is a child that writes until the daemon dies under it.
type writer struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
}

func startJob(ctx context.Context, t *testing.T, name string, args ...string) *writer {
	t.Helper()
	cmd := exec.CommandContext(ctx, "/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), jobVariable+"="+name)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return &writer{cmd, bufio.NewScanner(out)}
}

// TestKillDuringCopy kills the daemon while one child copies a tree and
// another writes, syncs and acknowledges files. What was acknowledged is
// there afterwards, and everything that is there is sound.
func TestKillDuringCopy(t *testing.T) {
	d := mounted(t)
	d.sh(`mkdir "$D/acked"`)
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	copying := exec.CommandContext(ctx, "cp", "-a", goSource(t), d.dir+"/copy")
	if err := copying.Start(); err != nil {
		t.Fatal(err)
	}
	w := startJob(ctx, t, "fsync", d.dir+"/acked")
	var acked []string
	for len(acked) < 60 && w.lines.Scan() {
		acked = append(acked, w.lines.Text())
	}
	d.kill()
	for w.lines.Scan() {
		acked = append(acked, w.lines.Text())
	}
	if err := w.cmd.Wait(); err == nil {
		t.Error("the writer did not notice that its drive was gone")
	}
	if err := copying.Wait(); err == nil {
		t.Error("the copy ended before the daemon was killed: the test shows nothing")
	}
	if len(acked) < 60 {
		t.Fatalf("only %d files were acknowledged", len(acked))
	}
	d.mount()
	d.job(deadline, "acked", append([]string{d.dir + "/acked"}, acked...)...)
	if o := d.try("check"); o.status != 0 {
		t.Errorf("check after the crash: status %d\n%s%s", o.status, o.stdout, o.stderr)
	}
	d.umount()
	d.mount()
	d.job(deadline, "acked", append([]string{d.dir + "/acked"}, acked...)...)
}

// goSource returns Go's own source tree.
func goSource(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out[:len(out)-1]) + "/src"
}
