package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// deadline is how long a child may take that does nothing heavy.
const deadline = 2 * time.Minute

// outcome is how a child ended.
type outcome struct {
	status         int
	stdout, stderr string
}

// child runs a program with a deadline; at the deadline the test fails.
func child(t *testing.T, limit time.Duration, env []string, name string, args ...string) outcome {
	t.Helper()
	return childIn(t, nil, limit, env, name, args...)
}

// childIn is child in a network namespace.
func childIn(t *testing.T, in *space, limit time.Duration, env []string, name string, args ...string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Dir = "/"
	cmd.WaitDelay = 5 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := in.start(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	if ctx.Err() != nil {
		t.Fatalf("%s %q did not end within %v\n%s", name, args, limit, stderr.String())
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s %q: %v", name, args, err)
	}
	return outcome{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// drive is a home with a place to mount it.
type drive struct {
	t    *testing.T
	home string
	dir  string

	program string   // empty: pifs
	env     []string // of the commands that are run, besides PIFS_HOME
	space   *space   // network of the commands that are run; nil: that of the test
}

// newDrive returns a drive that is not mounted yet, nor its home created.
func newDrive(t *testing.T) *drive {
	t.Helper()
	base, err := os.MkdirTemp("", "drive-")
	if err != nil {
		t.Fatal(err)
	}
	d := &drive{t: t, home: filepath.Join(base, "home"), dir: filepath.Join(base, "mnt")}
	if err := os.Mkdir(d.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		d.end()
		log, _ := os.ReadFile(filepath.Join(d.home, "log")) // none if no daemon ever ran
		if what := outcry(log); what != "" {
			t.Errorf("the daemon's log has a %s", what)
		}
		if t.Failed() {
			t.Logf("log of the daemon:\n%s", log[max(0, len(log)-8<<10):])
		}
		if err := os.RemoveAll(base); err != nil {
			t.Error(err)
		}
	})
	return d
}

// outcry returns what must never be in a daemon's log, if it is.
func outcry(log []byte) string {
	for _, bad := range []string{"DATA RACE", "panic", "fatal error", "level=ERROR"} {
		if bytes.Contains(log, []byte(bad)) {
			return bad
		}
	}
	return ""
}

// mounted returns a drive that is mounted.
func mounted(t *testing.T, flags ...string) *drive {
	t.Helper()
	d := newDrive(t)
	d.mount(flags...)
	return d
}

// end takes the mount away whatever state it is in.
func (d *drive) end() {
	pid := d.pid()
	if d.isMounted() {
		o := d.try("umount", d.dir)
		if o.status == 11 { // a test killed the daemon, and it was dying when it was asked
			o = d.try("umount", d.dir)
		}
		if o.status != 0 {
			d.t.Errorf("umount at the end: status %d: %s", o.status, o.stderr)
		}
	}
	if d.isMounted() {
		_ = syscall.Unmount(d.dir, syscall.MNT_DETACH) // reported above
	}
	eventually(d.t, "the daemon has ended", func() bool { return !alive(pid) })
}

// try runs pifs on the drive's home and returns how it ended.
func (d *drive) try(args ...string) outcome {
	d.t.Helper()
	program := "pifs"
	if d.program != "" {
		program = d.program
	}
	return childIn(d.t, d.space, deadline, append([]string{"PIFS_HOME=" + d.home}, d.env...), program, args...)
}

// pifs runs pifs, which must succeed, and returns its stdout.
func (d *drive) pifs(args ...string) string {
	d.t.Helper()
	o := d.try(args...)
	if o.status != 0 {
		d.t.Fatalf("pifs %q: status %d: %s%s", args, o.status, o.stderr, o.stdout)
	}
	return o.stdout
}

func (d *drive) mount(flags ...string) {
	d.t.Helper()
	d.pifs(append(append([]string{"mount"}, flags...), d.dir)...)
}

func (d *drive) umount() {
	d.t.Helper()
	d.pifs("umount", d.dir)
}

func (d *drive) remount() {
	d.t.Helper()
	d.umount()
	d.mount()
}

// sh runs a shell script in a child, with the mount in $D; it must succeed.
func (d *drive) sh(script string) string {
	d.t.Helper()
	return d.shWithin(deadline, script)
}

func (d *drive) shWithin(limit time.Duration, script string) string {
	d.t.Helper()
	o := child(d.t, limit, []string{"D=" + d.dir, "H=" + d.home, "LC_ALL=C"}, "sh", "-euc", script)
	if o.status != 0 {
		d.t.Fatalf("%s\nstatus %d: %s%s", script, o.status, o.stderr, o.stdout)
	}
	return strings.TrimSpace(o.stdout)
}

// job runs one of this binary's jobs in a child; it must succeed.
func (d *drive) job(limit time.Duration, name string, args ...string) string {
	d.t.Helper()
	o := child(d.t, limit, []string{jobVariable + "=" + name}, "/proc/self/exe", args...)
	if o.status != 0 {
		d.t.Fatalf("job %s %q: %s", name, args, o.stderr)
	}
	return strings.TrimSpace(o.stdout)
}

// root returns user.pifs.root of a path inside the mount.
func (d *drive) root(path string) string {
	d.t.Helper()
	return d.sh(`getfattr --absolute-names --only-values -n user.pifs.root "$D/` + path + `"`)
}

// status is the part of pifs status --json that tests look at.
type status struct {
	Daemon  int
	Version string
	Holder  *struct {
		PID, Takeovers int
		Gone           bool
	}
	Class                                       string
	MayDie                                      int
	Logical, Unique, Compressed, Stored, Blocks int64
	Overhead                                    float64
	Dirty, Outbox, Owed                         int64
	Cache                                       struct{ Memory, Disk, Degraded int64 }
	Stores                                      []struct{ Path, State string }
	Volumes                                     []struct {
		Name, Mount, Error string
		Head               *struct {
			Seq  uint64
			Root string
		}
		LastCheck *struct{ Damaged, Fixed, Lost int64 }
		Activity  activity
		Oldest    *struct {
			Op, Path string
			PID      int
		}
	}
	Process  struct{ Goroutines int }
	Activity activity
}

type activity struct {
	Requests                          map[string]uint64
	Transactions, Queries, ShardReads uint64
}

func (d *drive) status() status {
	d.t.Helper()
	var s status
	decode(d.t, d.pifs("status", "--json"), &s)
	return s
}

func decode(t *testing.T, text string, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
}

// pid returns the process that uses the home, or used it last; 0 if none did.
func (d *drive) pid() int {
	raw, err := os.ReadFile(filepath.Join(d.home, "lock"))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil {
		return 0
	}
	return pid
}

// kill ends the daemon as a crash does, and waits until it is gone.
func (d *drive) kill() {
	d.t.Helper()
	pid := d.pid()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		d.t.Fatalf("kill daemon %d: %v", pid, err)
	}
	eventually(d.t, "the daemon is dead", func() bool { return !alive(pid) })
}

// highWater returns the daemon's peak memory in bytes.
func (d *drive) highWater() int64 {
	d.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.pid()))
	if err != nil {
		d.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var kib int64
		if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kib); n == 1 {
			return kib << 10
		}
	}
	d.t.Fatal("no VmHWM")
	return 0
}

func (d *drive) isMounted() bool {
	table, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		d.t.Fatal(err)
	}
	return bytes.Contains(table, []byte(" "+d.dir+" fuse.pifs "))
}

// alive reports whether a process runs that is one of ours.
func alive(pid int) bool {
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return err == nil && strings.HasSuffix(exe, "/pifs")
}

// eventually polls until ok, and fails the test after a while.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	timeout := time.After(30 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-timeout:
			t.Fatalf("not true within 30 s: %s", what)
		case <-tick.C:
		}
	}
}
