package integration

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// worker is a child that uses a mount until it is told to stop.
type worker struct {
	name   string
	cmd    *exec.Cmd
	stdin  io.Closer
	stderr *strings.Builder
	lines  *bufio.Scanner
}

func startWorker(ctx context.Context, t *testing.T, name string, args ...string) *worker {
	t.Helper()
	w := &worker{name: name, stderr: new(strings.Builder)}
	w.cmd = exec.CommandContext(ctx, "/proc/self/exe", args...)
	w.cmd.Env = append(os.Environ(), jobVariable+"="+name)
	w.cmd.Stderr = w.stderr
	in, err := w.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	w.stdin, w.lines = in, bufio.NewScanner(out)
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return w
}

// stop ends a worker, which must have met no error, and returns what it said.
func (w *worker) stop(t *testing.T) []string {
	t.Helper()
	w.stdin.Close()
	var said []string
	for w.lines.Scan() {
		said = append(said, w.lines.Text())
	}
	if err := w.cmd.Wait(); err != nil {
		t.Errorf("%s: %v: %s", w.name, err, w.stderr)
	}
	return said
}

// ready waits for the line by which a worker says that it has begun.
func (w *worker) ready(t *testing.T) *worker {
	t.Helper()
	if !w.lines.Scan() {
		t.Fatalf("%s did not begin: %s", w.name, w.stderr)
	}
	return w
}

// answers reports whether a daemon takes calls.
func (d *drive) answers() bool {
	c, err := net.Dial("unix", filepath.Join(d.home, "daemon.sock"))
	if err != nil {
		return false
	}
	return c.Close() == nil
}

// succeeded waits until another daemon than old has the mount.
func (d *drive) succeeded(old int) {
	d.t.Helper()
	eventually(d.t, "another daemon goes on", func() bool {
		pid := d.pid()
		return pid != old && alive(pid) && d.answers()
	})
}

// killDaemon kills the daemon only: the holder stays.
func (d *drive) killDaemon() int {
	d.t.Helper()
	pid := d.pid()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		d.t.Fatalf("kill daemon %d: %v", pid, err)
	}
	return pid
}

// TestTakeover kills the daemon 50 times while programs write, read, lock, map
// and list. They notice nothing, and what they wrote is what is there.
func TestTakeover(t *testing.T) {
	d := mounted(t, "--holder")
	const size = 8 << 20
	d.sh(`mkdir "$D/write" "$D/names"`)
	d.job(deadline, "fill", d.dir+"/known", "5", fmt.Sprint(size))
	d.job(deadline, "many", d.dir+"/names", "2000")
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	rewriting := startWorker(ctx, t, "rewrite", d.dir+"/write")
	mapped := startWorker(ctx, t, "mapping", d.dir+"/mapped")
	counters := []*worker{startWorker(ctx, t, "add", d.dir+"/counter"), startWorker(ctx, t, "add", d.dir+"/counter")}
	guarding := startWorker(ctx, t, "guard", d.dir+"/guarded").ready(t)
	others := []*worker{
		startWorker(ctx, t, "nameless", d.dir+"/nameless").ready(t),
		startWorker(ctx, t, "reread", d.dir+"/known", "5", fmt.Sprint(size)),
		startWorker(ctx, t, "juggle", d.dir+"/names"),
		startWorker(ctx, t, "walk", d.dir+"/names", "2000"),
		startWorker(ctx, t, "intrude", d.dir+"/guarded"),
	}
	seed := time.Now().UnixNano()
	t.Log("seed", seed)
	random := rand.New(rand.NewPCG(uint64(seed), 0))
	for n := range 50 {
		<-time.After(time.Duration(random.IntN(250)) * time.Millisecond)
		old := d.killDaemon()
		if n%6 == 5 { // and its successor, before it serves
			eventually(t, "a successor has begun", func() bool { return d.pid() != old && alive(d.pid()) })
			old = d.killDaemon()
		}
		d.succeeded(old)
	}
	sums, mappedSum := rewriting.stop(t), mapped.stop(t)
	added := 0
	for _, w := range counters {
		for _, line := range w.stop(t) {
			n, _ := strconv.Atoi(line)
			added += n
		}
	}
	for _, w := range others {
		w.stop(t)
	}
	guarding.stop(t)
	if t.Failed() {
		return
	}
	for _, when := range []string{"before", "after"} {
		for file, want := range map[string]string{"write/log": sums[0], "write/data": sums[1], "mapped": mappedSum[0]} {
			if got := d.sh(`sha256sum < "$D/` + file + `"`); !strings.HasPrefix(got, want) {
				t.Errorf("%s the next mount: %s differs", when, file)
			}
		}
		for _, kind := range []string{"flock", "fcntl"} {
			if got := d.sh(`cat "$D/counter.` + kind + `"`); got != strconv.Itoa(added) {
				t.Errorf("%s the next mount: the number under %s is %s after %d additions", when, kind, got, added)
			}
		}
		d.job(deadline, "verify", d.dir+"/known", "5", fmt.Sprint(size))
		d.remount()
	}
	if o := d.try("check"); o.status != 0 {
		t.Errorf("check: status %d\n%s%s", o.status, o.stdout, o.stderr)
	}
}
