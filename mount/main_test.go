package mount

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A process that serves a mount must not wait on it. Whatever these tests do to
// a mount is done by a child: the test binary again, told by this variable
// which of the functions named in children to run.
const childEnv = "PIFS_MOUNT_TEST_CHILD"

// limit is how long anything may take.
const limit = 20 * time.Second

func TestMain(m *testing.M) {
	if name := os.Getenv(childEnv); name != "" {
		os.Exit(runChild(name, os.Args[1:]))
	}
	code := m.Run()
	if left := leftovers(); len(left) > 0 {
		fmt.Fprintln(os.Stderr, "mounts were left behind:", left)
		for _, dir := range left {
			fmt.Fprintln(os.Stderr, Unmount(dir, true))
		}
		code = 1
	}
	os.Exit(code)
}

// runChild runs a child's function and prints what it reports.
func runChild(name string, args []string) int {
	fn, ok := children()[name]
	if !ok {
		fmt.Println("no such child:", name)
		return 2
	}
	if err := fn(args); err != nil {
		fmt.Fprintln(os.Stderr, err) // the first line of stdout may be all that is read
		return 1
	}
	return 0
}

// leftovers lists mounts made by this process that are still there.
func leftovers() (dirs []string) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return []string{err.Error()}
	}
	defer f.Close()
	err = eachMount(f, func(m mounted) {
		if strings.Contains(m.dir, mountPrefix()) {
			dirs = append(dirs, m.dir)
		}
	})
	if err != nil {
		dirs = append(dirs, err.Error())
	}
	return dirs
}

func mountPrefix() string { return fmt.Sprintf("/pifs-mount-test-%d-", os.Getpid()) }

// testMount is a mount of a memFS.
type testMount struct {
	*Server
	fs  *memFS
	log *lockedBuffer
}

// mountMem mounts a memFS that the test unmounts at its end.
func mountMem(t *testing.T, opts Options) *testMount {
	t.Helper()
	dir, err := os.MkdirTemp("", mountPrefix()[1:])
	if err != nil {
		t.Fatal(err)
	}
	m := &testMount{fs: newMemFS(), log: new(lockedBuffer)}
	opts.AllowOther = true
	opts.Logger = slog.New(slog.NewTextHandler(m.log, nil))
	m.Server, err = Mount(context.Background(), dir, m.fs, opts)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- m.Serve() }()
	t.Cleanup(func() {
		if err := m.Unmount(false); err != nil {
			t.Errorf("%v; busy: %v", err, Busy(dir))
			_ = m.Unmount(true)
		}
		select {
		case err := <-served:
			if err != nil {
				t.Errorf("serve: %v", err)
			}
		case <-time.After(limit):
			t.Error("serve did not return after unmounting")
		}
		if err := os.Remove(dir); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("log:\n%s", m.log)
		}
	})
	return m
}

// child prepares a child process. The caller starts it and waits for it.
func child(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	// Under the race detector a process otherwise sleeps for a second at its end.
	cmd.Env = append(os.Environ(), childEnv+"="+name, "GORACE=atexit_sleep_ms=0")
	cmd.WaitDelay = time.Second
	return cmd
}

// do runs a child to its end and fails the test with what it reports.
func do(t *testing.T, name string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	out, err := child(ctx, name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("child %s %q: %v\n%s", name, args, errors.Join(err, ctx.Err()), out)
	}
}

// running is a child that was started and can be talked with.
type running struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bytes.Buffer
	end chan error
}

// start starts a child that is killed, at the latest, when the test ends.
func start(t *testing.T, name string, args ...string) *running {
	t.Helper()
	return startTo(t, nil, name, args...)
}

// startTo is start for a child whose output the test reads.
func startTo(t *testing.T, out io.WriteCloser, name string, args ...string) *running {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	r := &running{t: t, cmd: child(ctx, name, args...), out: new(bytes.Buffer), end: make(chan error, 1)}
	r.cmd.Stdout, r.cmd.Stderr = r.out, r.out
	if out != nil {
		r.cmd.Stdout = out
	}
	var err error
	if r.in, err = r.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		r.end <- r.cmd.Wait()
		if out != nil {
			_ = out.Close()
		}
		close(ended)
	}()
	t.Cleanup(func() {
		cancel()
		_ = r.in.Close()
		<-ended
	})
	return r
}

// wait waits for the child's end and returns what it said.
func (r *running) wait() (string, error) {
	r.t.Helper()
	select {
	case err := <-r.end:
		return strings.TrimSpace(r.out.String()), err
	case <-time.After(limit):
		r.t.Fatal("child did not end")
		return "", nil
	}
}

// signal sends sig to every thread of the child. One sent to the process would
// go to any of them, and rarely to the one that waits.
func (r *running) signal(sig syscall.Signal) {
	r.t.Helper()
	pid := r.cmd.Process.Pid
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, task := range tasks {
		tid, err := strconv.Atoi(task.Name())
		if err == nil {
			err = unix.Tgkill(pid, tid, sig)
		}
		if err != nil && !errors.Is(err, syscall.ESRCH) {
			r.t.Fatal(err)
		}
	}
}

func after() <-chan time.Time { return time.After(limit) }

// eventually waits until ok holds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(limit)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never: %s", what)
		}
	}
}
