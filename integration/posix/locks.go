package posix

import (
	"bufio"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

func lockCases() []Case {
	return []Case{
		{"locks/flock", lockFlock},
		{"locks/posix", lockPOSIX},
		{"locks/posix is lost at any close", lockClose},
		{"locks/open file descriptions", lockOFD},
		{"locks/deadlock", lockDeadlock},
		{"locks/wait", lockWait},
		{"locks/interrupted", lockInterrupted},
		{"locks/killed", lockKilled},
	}
}

// lockerRole holds one open file and obeys orders: "posix TYPE START LEN",
// "wait TYPE START LEN", "ofd …", "flock TYPE", "get START LEN", "reopen".
func lockerRole(path string) error {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	orders := bufio.NewScanner(os.Stdin)
	for orders.Scan() {
		fmt.Println(obey(fd, path, orders.Text()))
	}
	return unix.Close(fd)
}

func obey(fd int, path, order string) string {
	var verb, kind string
	var start, length int64
	_, _ = fmt.Sscan(order, &verb, &kind, &start, &length) // not all orders have all
	l := unix.Flock_t{Type: lockTypes[kind], Start: start, Len: length}
	switch verb {
	case "posix":
		return errName(unix.FcntlFlock(uintptr(fd), unix.F_SETLK, &l))
	case "wait":
		return errName(unix.FcntlFlock(uintptr(fd), unix.F_SETLKW, &l))
	case "ofd":
		return errName(unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLK, &l))
	case "ofdwait":
		return errName(unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLKW, &l))
	case "flock":
		return errName(unix.Flock(fd, map[string]int{"r": unix.LOCK_SH, "w": unix.LOCK_EX, "u": unix.LOCK_UN}[kind]|unix.LOCK_NB))
	case "flockwait":
		return errName(unix.Flock(fd, map[string]int{"r": unix.LOCK_SH, "w": unix.LOCK_EX}[kind]))
	case "get", "ofdget":
		cmd := unix.F_GETLK
		if verb == "ofdget" {
			cmd = unix.F_OFD_GETLK
		}
		err := unix.FcntlFlock(uintptr(fd), cmd, &l)
		return fmt.Sprintf("%s type %d start %d len %d pid %s", errName(err), l.Type, l.Start, l.Len, whose(l.Pid))
	case "reopen":
		again, err := unix.Open(path, unix.O_RDONLY, 0)
		if err == nil {
			err = unix.Close(again)
		}
		return errName(err)
	}
	return "bad order " + order
}

var lockTypes = map[string]int16{"r": unix.F_RDLCK, "w": unix.F_WRLCK, "u": unix.F_UNLCK}

// whose tells of a process what is the same in every run.
func whose(pid int32) string {
	switch pid {
	case 0, -1:
		return fmt.Sprint(pid)
	case int32(os.Getpid()):
		return "mine"
	case int32(os.Getppid()):
		return "parent"
	}
	return "another"
}

// askSoon asks for what somebody gave up by closing the last descriptor of an
// open file. On a disk that is free when close(2) returns; FUSE tells the daemon
// of it without waiting for an answer.
func (t *T) askSoon(p *partner, name, order string) {
	answer := ""
	t.wait(order, func() bool { answer = p.ask(order); return answer != "EAGAIN" })
	t.note(name+" "+order, answer)
}

func (t *T) ask(p *partner, name, order string) { t.note(name+" "+order, p.ask(order)) }

func (t *T) lockers() (*partner, *partner) {
	t.file("f", "0123456789", 0o644)
	return t.partner("locker", "f"), t.partner("locker", "f")
}

func lockFlock(t *T) {
	a, b := t.lockers()
	defer a.end()
	defer b.end()
	for _, order := range []string{"a flock w", "b flock w", "b flock r", "a flock r", "b flock r", "a flock w", "b flock u", "a flock w", "a flock u", "b flock w"} {
		who, what, _ := strings.Cut(order, " ")
		t.ask(map[string]*partner{"a": a, "b": b}[who], who, what)
	}
	b.end()
	t.askSoon(a, "a", "flock w")
	fd := t.fd("f", unix.O_RDONLY)
	t.do("flock", unix.Flock(fd, unix.LOCK_SH|unix.LOCK_NB))
	t.do("bad operation", unix.Flock(fd, 99))
	unix.Close(fd)
}

func lockPOSIX(t *T) {
	a, b := t.lockers()
	defer a.end()
	defer b.end()
	for _, order := range []string{
		"a posix w 0 10", "b posix w 5 1", "b posix r 5 1", "b posix w 10 5", "b get w 0 100", "a get w 0 100", "b get r 9 1",
		"a posix u 3 4", "b get w 3 4", "b posix w 3 4", "a posix w 0 0", "a get w 0 0", "b posix r 20 0", "a posix r 20 0",
		"a posix w 30 1", "b get r 100 1", "a posix r 0 3", "b posix r 0 3", "b get w 0 3", "a posix w -5 1", "a posix w 5 -3",
		"b posix u 0 0", "a posix w 0 0", "b posix w 1000 1", "a posix u 0 0",
	} {
		who, what, _ := strings.Cut(order, " ")
		t.ask(map[string]*partner{"a": a, "b": b}[who], who, what)
	}
	ro := t.fd("f", unix.O_RDONLY)
	defer unix.Close(ro)
	l := unix.Flock_t{Type: unix.F_WRLCK}
	t.do("write lock on what is read only", unix.FcntlFlock(uintptr(ro), unix.F_SETLK, &l))
	l = unix.Flock_t{Type: 77}
	t.do("bad type", unix.FcntlFlock(uintptr(ro), unix.F_SETLK, &l))
	t.ask(a, "a", "flock w")
	t.ask(b, "b", "posix w 0 0") // the two kinds do not see each other
}

func lockClose(t *T) {
	a, b := t.lockers()
	defer a.end()
	defer b.end()
	t.ask(a, "a", "posix w 0 10")
	t.ask(b, "b", "posix w 0 10")
	t.ask(a, "a", "reopen")
	t.ask(b, "b", "posix w 0 10")
	b.end()
	t.ask(a, "a", "posix w 0 10")
	t.ask(a, "a", "ofd w 20 10")
	t.ask(a, "a", "reopen")
	fd := t.fd("f", unix.O_RDWR)
	defer unix.Close(fd)
	l := unix.Flock_t{Type: unix.F_WRLCK, Start: 20, Len: 1}
	t.do("open file description's stays", unix.FcntlFlock(uintptr(fd), unix.F_SETLK, &l))
}

func lockOFD(t *T) {
	a, b := t.lockers()
	defer a.end()
	defer b.end()
	for _, order := range []string{
		"a ofd w 0 10", "b ofd w 5 1", "b posix w 5 1", "a ofdget w 0 100", "a posix w 0 10",
		"a ofd u 0 5", "b ofd w 0 5", "a ofdwait w 20 5", "b ofdget r 20 1",
	} {
		who, what, _ := strings.Cut(order, " ")
		t.ask(map[string]*partner{"a": a, "b": b}[who], who, what)
	}
	one, two := t.fd("f", unix.O_RDWR), t.fd("f", unix.O_RDWR)
	l := unix.Flock_t{Type: unix.F_WRLCK, Start: 100, Len: 1}
	t.do("one description", unix.FcntlFlock(uintptr(one), unix.F_OFD_SETLK, &l))
	l = unix.Flock_t{Type: unix.F_WRLCK, Start: 100, Len: 1}
	t.do("another of the same process", unix.FcntlFlock(uintptr(two), unix.F_OFD_SETLK, &l))
	unix.Close(one)
	t.wait("the lock is free", func() bool {
		l = unix.Flock_t{Type: unix.F_WRLCK, Start: 100, Len: 1}
		return unix.FcntlFlock(uintptr(two), unix.F_OFD_SETLK, &l) == nil
	})
	unix.Close(two)
}

// lockDeadlock: each waits for what the other holds. One of them, whoever came
// second, is told so; the other gets the lock when that one gives up.
func lockDeadlock(t *T) {
	a, b := t.lockers()
	defer a.end()
	defer b.end()
	t.ask(a, "a", "posix w 0 1")
	t.ask(b, "b", "posix w 1 1")
	a.tell("wait w 1 1")
	b.tell("wait w 0 1")
	answers := make(chan string, 2)
	go func() { answers <- "a " + a.hear() }()
	go func() { answers <- "b " + b.hear() }()
	who, what, _ := strings.Cut(<-answers, " ")
	t.note("the first answer", what)
	if who == "a" {
		t.note("the loser gives up", a.ask("posix u 0 0"))
	} else {
		t.note("the loser gives up", b.ask("posix u 0 0"))
	}
	_, what, _ = strings.Cut(<-answers, " ")
	t.note("the second answer", what)
}

// lockWait: a lock that is waited for comes when it is free.
func lockWait(t *T) {
	for _, kind := range []struct{ take, wait, drop string }{
		{"posix w 0 0", "wait w 0 0", "posix u 0 0"}, {"flock w", "flockwait w", "flock u"}, {"ofd w 0 0", "ofdwait w 0 0", "ofd u 0 0"},
	} {
		a, b := t.lockers()
		t.ask(a, "a", kind.take)
		b.tell(kind.wait)
		t.ask(a, "a", kind.drop)
		t.note("b "+kind.wait, b.hear())
		t.ask(b, "b", kind.drop)
		t.ask(a, "a", kind.take)
		b.tell(kind.wait)
		a.end() // its exit gives the lock up as well
		t.note("b after the end of a", b.hear())
		b.end()
		t.must("unlink", unix.Unlink("f"))
	}
}

// lockInterrupted: a signal whose handler does not restart calls ends a wait.
func lockInterrupted(t *T) {
	a, b := t.lockers()
	defer a.end()
	b.end()
	signals := make(chan os.Signal, 100)
	signal.Notify(signals, unix.SIGUSR2)
	defer signal.Stop(signals)
	t.must("set the handler", noRestart(unix.SIGUSR2))
	for _, kind := range []struct {
		take, drop string
		wait       func(fd int) error
	}{
		{"posix w 0 0", "posix u 0 0", func(fd int) error {
			return unix.FcntlFlock(uintptr(fd), unix.F_SETLKW, &unix.Flock_t{Type: unix.F_WRLCK})
		}},
		{"flock w", "flock u", func(fd int) error { return unix.Flock(fd, unix.LOCK_EX) }},
	} {
		t.ask(a, "a", kind.take)
		fd := t.fd("f", unix.O_RDWR)
		tid, result := make(chan int), make(chan error, 1)
		go func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			tid <- unix.Gettid()
			result <- kind.wait(fd)
		}()
		thread := <-tid
		var err error
		t.wait("the wait ends", func() bool { // a signal before the wait does nothing: send more
			_ = unix.Tgkill(unix.Getpid(), thread, unix.SIGUSR2) // it ended meanwhile
			select {
			case err = <-result:
				return true
			default:
				return false
			}
		})
		t.do("interrupted "+kind.take, err)
		unix.Close(fd)
		t.ask(a, "a", kind.drop)
	}
}

// noRestart takes SA_RESTART from the handler of a signal.
func noRestart(sig unix.Signal) error {
	const restart = 0x10000000
	var act struct {
		handler  uintptr
		flags    uint64
		restorer uintptr
		mask     uint64
	}
	p := uintptr(unsafe.Pointer(&act))
	if _, _, e := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), 0, p, 8, 0, 0); e != 0 {
		return e
	}
	act.flags &^= restart
	if _, _, e := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&act)), 0, 8, 0, 0); e != 0 {
		return e
	}
	return nil
}

// lockKilled: what a killed process held, or waited for, is free.
func lockKilled(t *T) {
	a, b := t.lockers()
	defer b.end()
	t.ask(a, "a", "posix w 0 10")
	t.ask(a, "a", "flock w")
	t.ask(a, "a", "ofd w 50 1")
	t.must("kill", a.cmd.Process.Kill())
	a.end()
	t.ask(b, "b", "posix w 0 10")
	t.askSoon(b, "b", "flock w")
	t.askSoon(b, "b", "ofd w 50 1")
	c := t.partner("locker", "f")
	c.tell("wait w 0 10")
	t.must("kill", c.cmd.Process.Kill())
	c.end()
	t.ask(b, "b", "posix u 0 0")
	d := t.partner("locker", "f")
	defer d.end()
	t.ask(d, "d", "posix w 0 10")
}
