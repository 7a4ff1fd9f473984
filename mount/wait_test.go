package mount

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"pifs/fsnode"
)

func waitChildren() map[string]childFunc {
	return map[string]childFunc{
		"read": childRead,
	}
}

// gate lets calls on files whose names begin with "slow" wait, as for a disk.
type gate struct {
	once    sync.Once
	open    chan struct{} // closed to let them pass
	waiting atomic.Int32
	deaf    bool // do not obey the context
}

// newGate makes a gate that opens, at the latest, when the test ends.
func newGate(t *testing.T, m *testMount, deaf bool) *gate {
	g := &gate{open: make(chan struct{}), deaf: deaf}
	t.Cleanup(g.release)
	m.fs.mu.Lock()
	m.fs.before = g.pass
	m.fs.mu.Unlock()
	return g
}

func (g *gate) release() { g.once.Do(func() { close(g.open) }) }

func (g *gate) pass(ctx context.Context, op, name string, wait bool) error {
	if !strings.HasPrefix(name, "slow") {
		return nil
	}
	select {
	case <-g.open:
		return nil
	default:
	}
	if !wait {
		return fsnode.ErrWouldBlock
	}
	g.waiting.Add(1)
	defer g.waiting.Add(-1)
	done := ctx.Done()
	if g.deaf {
		done = nil
	}
	select {
	case <-g.open:
		return nil
	case <-done:
		return ctx.Err()
	}
}

func (m *testMount) write(t *testing.T, name, data string) {
	t.Helper()
	ctx := context.Background()
	a, err := m.fs.Create(ctx, fsnode.RootIno, name, 0o644, fsnode.Cred{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.fs.Write(ctx, a.Ino, 0, []byte(data), true); err != nil {
		t.Fatal(err)
	}
	m.fs.Forget(a.Ino, 1)
}

// childRead reads a file, or writes it, or syncs it, and says how that ended.
// Signals of the user's are caught.
func childRead(args []string) error {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGUSR1)
	flags := os.O_RDONLY
	if args[2] != "read" {
		flags = os.O_WRONLY
	}
	f, err := os.OpenFile(filepath.Join(args[0], args[1]), flags, 0)
	if err != nil {
		return err
	}
	b := []byte("0123456789")
	switch args[2] {
	case "read":
		var n int
		n, err = syscall.Read(int(f.Fd()), b)
		b = b[:max(n, 0)]
	case "write":
		_, err = syscall.Write(int(f.Fd()), b)
	case "fsync":
		err = syscall.Fsync(int(f.Fd()))
	case "truncate":
		err = syscall.Ftruncate(int(f.Fd()), 3)
	}
	fmt.Printf("%s: %v", b, err)
	return nil
}

// TestWaiting: while calls wait, others are answered; those that wait end well.
func TestWaiting(t *testing.T) {
	m := mountMem(t, Options{Workers: 2})
	m.write(t, "fast", "fast bytes")
	ops := []string{"read", "write", "fsync", "truncate", "write", "write", "truncate", "read", "read", "read"}
	for i := range ops {
		m.write(t, fmt.Sprint("slow", i), "slow bytes")
	}
	g := newGate(t, m, false)
	var all []*running
	for i, op := range ops {
		all = append(all, start(t, "read", m.Dir(), fmt.Sprint("slow", i), op))
	}
	eventually(t, "both lanes are full", func() bool { return g.waiting.Load() == 4 })
	for range 3 {
		if out, err := start(t, "read", m.Dir(), "fast", "read").wait(); err != nil || out != "fast bytes: <nil>" {
			t.Fatalf("%v: %s", err, out)
		}
	}
	g.release()
	for _, r := range all {
		if out, err := r.wait(); err != nil || !strings.HasSuffix(out, ": <nil>") {
			t.Errorf("%v: %s", err, out)
		}
	}
}

// TestSignals: a call that waits goes on through a signal that is caught, and
// lets go of a process that is killed, at once or later. (Of reads the kernel
// takes care itself: its page cache, not the process, waits for the answer.)
func TestSignals(t *testing.T) {
	m := mountMem(t, Options{})
	for i := range 3 {
		m.write(t, fmt.Sprint("slow", i), "slow bytes")
	}
	g := newGate(t, m, false)
	waiting := func(n int32) {
		t.Helper()
		eventually(t, fmt.Sprint(n, " wait"), func() bool { return g.waiting.Load() == n })
	}
	noted := func(r *running) {
		t.Helper()
		before := m.Stats().Requests["interrupt"]
		r.signal(syscall.SIGUSR1)
		eventually(t, "the signal was noted", func() bool { return m.Stats().Requests["interrupt"] > before })
	}
	signalled := start(t, "read", m.Dir(), "slow0", "truncate")
	waiting(1)
	noted(signalled)

	killed := start(t, "read", m.Dir(), "slow1", "fsync")
	waiting(2)
	if err := killed.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	waiting(1)

	both := start(t, "read", m.Dir(), "slow2", "write")
	waiting(2)
	noted(both)
	if err := both.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	waiting(1)

	g.release()
	if out, err := signalled.wait(); err != nil || !strings.HasSuffix(out, ": <nil>") {
		t.Errorf("%v: %s", err, out)
	}
}

// TestDeadline: a call that nobody answers becomes EIO, is reported, and the
// mount goes on, even if the file system does not let go of the worker.
func TestDeadline(t *testing.T) {
	for _, deaf := range []bool{false, true} {
		t.Run(fmt.Sprintf("deaf=%v", deaf), func(t *testing.T) {
			m := mountMem(t, Options{Deadline: 300 * time.Millisecond})
			m.write(t, "slow", "slow bytes")
			m.write(t, "fast", "fast bytes")
			newGate(t, m, deaf)
			out, err := start(t, "read", m.Dir(), "slow", "fsync").wait()
			if err != nil || !strings.HasSuffix(out, ": input/output error") {
				t.Errorf("%v: %s", err, out)
			}
			told := regexp.MustCompile(`request waits" op=fsync inode=\d+ path=/slow pid=\d+ waited=\d.*\n(.*\n)*.*request is stuck" op=fsync inode=\d+ path=/slow pid=\d+ waited=\d.*outcome=.*EIO`)
			if m.Stats().Stuck != 1 || !told.MatchString(m.log.String()) {
				t.Errorf("stuck: %d; log: %s", m.Stats().Stuck, m.log)
			}
			if out, err := start(t, "read", m.Dir(), "fast", "read").wait(); err != nil || out != "fast bytes: <nil>" {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

// TestStuckReaders: calls that block although they must not take the readers
// with them; others come in their place.
func TestStuckReaders(t *testing.T) {
	m := mountMem(t, Options{Deadline: 300 * time.Millisecond})
	m.write(t, "slow", "slow bytes")
	m.write(t, "fast", "fast bytes")
	open := make(chan struct{})
	defer close(open)
	m.fs.mu.Lock()
	m.fs.before = func(_ context.Context, op, name string, wait bool) error {
		if name == "slow" {
			<-open
		}
		return nil
	}
	m.fs.mu.Unlock()
	var all []*running
	for range readers {
		all = append(all, start(t, "read", m.Dir(), "slow", "read"))
	}
	for _, r := range all {
		if out, err := r.wait(); err != nil || out != ": input/output error" {
			t.Errorf("%v: %s", err, out)
		}
	}
	if out, err := start(t, "read", m.Dir(), "fast", "read").wait(); err != nil || out != "fast bytes: <nil>" {
		t.Errorf("%v: %s", err, out)
	}
}
