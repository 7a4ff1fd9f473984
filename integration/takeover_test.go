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

// users are programs that write, read, lock, map and list while daemons come
// and go, and must notice nothing.
type users struct {
	d                           *drive
	size                        int64
	rewriting, mapped, guarding *worker
	counters, others            []*worker
}

func (d *drive) use(ctx context.Context) *users {
	d.t.Helper()
	u := &users{d: d, size: 8 << 20}
	d.sh(`mkdir "$D/write" "$D/names"`)
	d.job(deadline, "fill", d.dir+"/known", "5", fmt.Sprint(u.size))
	d.job(deadline, "many", d.dir+"/names", "2000")
	start := func(name string, args ...string) *worker { return startWorker(ctx, d.t, name, args...) }
	u.rewriting = start("rewrite", d.dir+"/write")
	u.mapped = start("mapping", d.dir+"/mapped")
	u.counters = []*worker{start("add", d.dir+"/counter"), start("add", d.dir+"/counter")}
	u.guarding = start("guard", d.dir+"/guarded").ready(d.t)
	u.others = []*worker{
		start("nameless", d.dir+"/nameless").ready(d.t),
		start("reread", d.dir+"/known", "5", fmt.Sprint(u.size)),
		start("juggle", d.dir+"/names"),
		start("walk", d.dir+"/names", "2000"),
		start("intrude", d.dir+"/guarded"),
	}
	return u
}

// settle ends the programs, none of which may have met an error. What they
// wrote must be what is there, now and when it is mounted again.
func (u *users) settle() {
	d, t := u.d, u.d.t
	t.Helper()
	sums, mappedSum := u.rewriting.stop(t), u.mapped.stop(t)
	added := 0
	for _, w := range u.counters {
		for _, line := range w.stop(t) {
			n, _ := strconv.Atoi(line)
			added += n
		}
	}
	for _, w := range u.others {
		w.stop(t)
	}
	u.guarding.stop(t)
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
		d.job(deadline, "verify", d.dir+"/known", "5", fmt.Sprint(u.size))
		d.remount()
	}
	if o := d.try("check"); o.status != 0 {
		t.Errorf("check: status %d\n%s%s", o.status, o.stdout, o.stderr)
	}
}

// killsVariable asks TestTakeover for another number of kills, and for no EIO.
const killsVariable = "PIFS_TAKEOVERS"

// TestTakeover kills the daemon 50 times while programs use the mount.
func TestTakeover(t *testing.T) {
	kills := 50
	if text := os.Getenv(killsVariable); text != "" {
		kills = int(number(text))
	}
	d := mounted(t, "--holder")
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute+time.Duration(kills)*3*time.Second)
	defer cancel()
	u := d.use(ctx)
	seed := time.Now().UnixNano()
	t.Log("seed", seed)
	random := rand.New(rand.NewPCG(uint64(seed), 0))
	for n := range kills {
		<-time.After(time.Duration(random.IntN(250)) * time.Millisecond)
		old := d.killDaemon()
		if n%6 == 5 { // and its successor, before it serves
			eventually(t, "a successor has begun", func() bool { return d.pid() != old && alive(d.pid()) })
			old = d.killDaemon()
		}
		d.succeeded(old)
	}
	u.settle()
}
