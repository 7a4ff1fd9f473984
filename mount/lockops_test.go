package mount

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func lockChildren() map[string]childFunc {
	return map[string]childFunc{
		"ranges": childRanges,
		"locker": childLocker,
	}
}

// TestRanges: one process, two descriptors of one file: POSIX locks belong to
// the process and go with any close; those of open file descriptions and of
// flock belong to the description.
func TestRanges(t *testing.T) {
	m := mountMem(t, Options{})
	do(t, "ranges", m.Dir())
	eventually(t, "no lock is left", func() bool { return !m.locks.used.Load() })
}

func rangeLock(f *os.File, cmd int, typ int16, start, length int64) error {
	return unix.FcntlFlock(f.Fd(), cmd, &unix.Flock_t{Type: typ, Start: start, Len: length})
}

func childRanges(args []string) error {
	var c checks
	open := func() *os.File {
		f, err := os.OpenFile(filepath.Join(args[0], "f"), os.O_RDWR|os.O_CREATE, 0o600)
		c.ok(err, "open")
		return f
	}
	a, b := open(), open()
	defer a.Close()
	c.ok(rangeLock(a, unix.F_OFD_SETLK, unix.F_WRLCK, 0, 10), "OFD lock")
	c.fails(rangeLock(b, unix.F_OFD_SETLK, unix.F_RDLCK, 9, 1), syscall.EAGAIN, "OFD lock of another description")
	c.ok(rangeLock(b, unix.F_OFD_SETLK, unix.F_RDLCK, 10, 0), "OFD lock beside it")
	c.fails(rangeLock(a, unix.F_SETLK, unix.F_WRLCK, 50, 1), syscall.EAGAIN, "POSIX lock against an OFD lock")
	ask := &unix.Flock_t{Type: unix.F_WRLCK, Start: 0, Len: 0}
	c.ok(unix.FcntlFlock(b.Fd(), unix.F_OFD_GETLK, ask), "ask")
	c.equal([]any{ask.Type, ask.Start, ask.Len}, []any{unix.F_WRLCK, 0, 10}, "what stands against it")
	c.ok(b.Close(), "close the reader")
	c.ok(rangeLock(a, unix.F_SETLK, unix.F_UNLCK, 50, 1), "unlock what is not locked")
	d := open()
	defer d.Close()
	c.ok(rangeLock(d, unix.F_OFD_SETLK, unix.F_WRLCK, 10, 0), "OFD lock of what a close freed")

	c.ok(unix.Flock(int(a.Fd()), unix.LOCK_SH), "flock shared")
	c.ok(unix.Flock(int(d.Fd()), unix.LOCK_SH|unix.LOCK_NB), "flock shared twice")
	c.fails(unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB), syscall.EWOULDBLOCK, "flock exclusive")
	c.ok(unix.Flock(int(a.Fd()), unix.LOCK_UN), "flock unlock")
	c.ok(unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB), "flock exclusive")
	return c.err()
}

// childLocker does as it is told on its input, a line at a time, and answers a
// line for each: lock, trylock and unlock with a kind and a range.
func childLocker(args []string) error {
	f, err := os.OpenFile(filepath.Join(args[0], "f"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGUSR1)
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		var op, kind string
		var start, length int64
		if _, err := fmt.Sscan(in.Text(), &op, &kind, &start, &length); err != nil {
			return err
		}
		fmt.Printf("%s: %v\n", in.Text(), lockAs(f, op, kind, start, length))
	}
	return f.Close()
}

func lockAs(f *os.File, op, kind string, start, length int64) error {
	if kind == "flock" {
		return unix.Flock(int(f.Fd()), map[string]int{
			"lock": unix.LOCK_EX, "trylock": unix.LOCK_EX | unix.LOCK_NB, "unlock": unix.LOCK_UN,
		}[op])
	}
	typ := map[string]int16{"read": unix.F_RDLCK, "write": unix.F_WRLCK}[kind]
	if op == "unlock" {
		typ = unix.F_UNLCK
	}
	cmd := unix.F_SETLKW
	if op == "trylock" {
		cmd = unix.F_SETLK
	}
	return rangeLock(f, cmd, typ, start, length)
}

// locker talks with a childLocker.
type locker struct {
	*running
	answers *bufio.Reader
}

func startLocker(t *testing.T, dir string) *locker {
	t.Helper()
	r, w := io.Pipe()
	l := &locker{running: startTo(t, w, "locker", dir), answers: bufio.NewReader(r)}
	return l
}

func (l *locker) tell(line string) {
	l.t.Helper()
	if _, err := io.WriteString(l.in, line+"\n"); err != nil {
		l.t.Fatal(err)
	}
}

func (l *locker) hear(want string) {
	l.t.Helper()
	got := make(chan string, 1)
	go func() {
		line, err := l.answers.ReadString('\n')
		if err != nil {
			line = err.Error()
		}
		got <- strings.TrimSpace(line)
	}()
	select {
	case line := <-got:
		if line != want {
			l.t.Fatalf("locker said %q, want %q", line, want)
		}
	case <-l.t.Context().Done():
	case <-after():
		l.t.Fatalf("locker said nothing, want %q", want)
	}
}

func (m *testMount) waiters() int {
	m.locks.mu.Lock()
	defer m.locks.mu.Unlock()
	n := 0
	for _, sp := range m.locks.table.spaces {
		n += len(sp.queue)
	}
	return n
}

// TestLockWait: a lock that has to wait is granted when its holder unlocks, or
// dies, and is asked for anew after a signal.
func TestLockWait(t *testing.T) {
	for _, kind := range []string{"write 0 10", "flock 0 0"} {
		t.Run(strings.Fields(kind)[0], func(t *testing.T) {
			m := mountMem(t, Options{})
			a, b := startLocker(t, m.Dir()), startLocker(t, m.Dir())
			a.tell("lock " + kind)
			a.hear("lock " + kind + ": <nil>")
			b.tell("trylock " + kind)
			b.hear("trylock " + kind + ": resource temporarily unavailable")
			waits := func() {
				t.Helper()
				b.tell("lock " + kind)
				eventually(t, "a lock is waited for", func() bool { return m.waiters() == 1 })
			}
			waits()
			a.tell("unlock " + kind)
			a.hear("unlock " + kind + ": <nil>")
			b.hear("lock " + kind + ": <nil>")
			b.tell("unlock " + kind)
			b.hear("unlock " + kind + ": <nil>")

			a.tell("lock " + kind)
			a.hear("lock " + kind + ": <nil>")
			waits()
			// A signal ends the request; the kernel then restarts the call if
			// the handler, as the runtime's do, wants that.
			asked := m.Stats().Requests["lock"]
			b.signal(syscall.SIGUSR1)
			eventually(t, "it is asked for anew", func() bool {
				return m.Stats().Requests["lock"] > asked && m.waiters() == 1
			})
			if err := a.cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			b.hear("lock " + kind + ": <nil>")
			if err := b.in.Close(); err != nil {
				t.Fatal(err)
			}
			if out, err := b.wait(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			eventually(t, "no lock is left", func() bool { return !m.locks.used.Load() })
		})
	}
}

// TestLockDeadlock: the second of two that wait for each other is told so.
func TestLockDeadlock(t *testing.T) {
	m := mountMem(t, Options{})
	a, b := startLocker(t, m.Dir()), startLocker(t, m.Dir())
	for _, step := range []struct {
		l        *locker
		do, hear string
	}{
		{a, "lock write 0 1", "lock write 0 1: <nil>"},
		{b, "lock write 1 1", "lock write 1 1: <nil>"},
		{a, "lock write 1 1", ""},
		{b, "lock write 0 1", "lock write 0 1: resource deadlock avoided"},
		{b, "unlock write 1 1", "unlock write 1 1: <nil>"},
	} {
		step.l.tell(step.do)
		if step.hear == "" {
			eventually(t, "a lock is waited for", func() bool { return m.waiters() == 1 })
			continue
		}
		step.l.hear(step.hear)
	}
	a.hear("lock write 1 1: <nil>")
}

// TestLockKilled: a process that is killed while it waits leaves the queue.
func TestLockKilled(t *testing.T) {
	m := mountMem(t, Options{})
	a, b := startLocker(t, m.Dir()), startLocker(t, m.Dir())
	a.tell("lock write 0 0")
	a.hear("lock write 0 0: <nil>")
	b.tell("lock write 0 0")
	eventually(t, "a lock is waited for", func() bool { return m.waiters() == 1 })
	if err := b.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "nobody waits", func() bool { return m.waiters() == 0 })
}
