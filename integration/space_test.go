package integration

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// space is a network namespace with one TUN device, whose packets go through a
// wires. It is gone when its descriptors are closed: nothing can be left behind.
type space struct {
	addr string // IPv4
	ns   *os.File
	tun  *os.File
}

// start starts a command in the namespace; of no namespace, in ours.
func (s *space) start(cmd *exec.Cmd) error {
	if s == nil {
		return cmd.Start()
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		err := unix.Setns(int(s.ns.Fd()), unix.CLONE_NEWNET)
		if err == nil {
			err = cmd.Start()
		}
		done <- err
	}()
	return <-done
}

// newSpace makes a namespace whose device has the address 10.77.0.last.
func newSpace(last byte) (s *space, err error) {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // as above
		s, err = enterSpace(last)
		done <- err
	}()
	return s, <-done
}

func enterSpace(last byte) (*space, error) {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return nil, fmt.Errorf("make network namespace: %w", err)
	}
	ns, err := os.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()))
	if err != nil {
		return nil, err
	}
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open TUN device: %w", err)
	}
	sock, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(sock)
	ioctl := func(fd int, what uint, name string, set func(*unix.Ifreq) error) error {
		r, err := unix.NewIfreq(name)
		if err == nil {
			err = set(r)
		}
		if err == nil {
			err = unix.IoctlIfreq(fd, what, r)
		}
		return err
	}
	flags := func(f uint16) func(*unix.Ifreq) error {
		return func(r *unix.Ifreq) error { r.SetUint16(f); return nil }
	}
	inet := func(a ...byte) func(*unix.Ifreq) error {
		return func(r *unix.Ifreq) error { return r.SetInet4Addr(a) }
	}
	const device = "pifs0"
	err = errors.Join(
		ioctl(fd, unix.TUNSETIFF, device, flags(unix.IFF_TUN|unix.IFF_NO_PI)),
		ioctl(sock, unix.SIOCSIFADDR, device, inet(10, 77, 0, last)),
		ioctl(sock, unix.SIOCSIFNETMASK, device, inet(255, 255, 255, 0)),
		ioctl(sock, unix.SIOCSIFFLAGS, device, flags(unix.IFF_UP|unix.IFF_RUNNING)),
		ioctl(sock, unix.SIOCSIFFLAGS, "lo", flags(unix.IFF_UP|unix.IFF_RUNNING)),
	)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("set up network namespace: %w", err), ns.Close(), unix.Close(fd))
	}
	return &space{addr: fmt.Sprintf("10.77.0.%d", last), ns: ns, tun: os.NewFile(uintptr(fd), device)}, nil
}

// line is how packets go from one space to another.
type line struct {
	delay time.Duration
	loss  float64 // of packets
	rate  int     // bytes a second, 0 for no bound
	cut   bool
}

// backlog is how long a packet waits for its turn on a line with a rate, before it is dropped.
const backlog = 500 * time.Millisecond

// wires carry packets between spaces as lines say. The kernel's netem could do the same, where
// it has one.
type wires struct {
	spaces []*space

	mu    sync.RWMutex
	lines [][]line

	queues  [][]chan packet
	running sync.WaitGroup
	ctx     context.Context
	carried atomic.Int64
}

type packet struct {
	due   time.Time
	bytes []byte
}

// newWires makes n spaces that reach each other.
func newWires(t *testing.T, n int) *wires {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	w := &wires{ctx: ctx}
	t.Cleanup(func() {
		cancel()
		for _, s := range w.spaces {
			_, _ = s.tun.Close(), s.ns.Close()
		}
		w.running.Wait()
	})
	for i := range n {
		s, err := newSpace(byte(i + 1))
		if err != nil {
			t.Fatal(err)
		}
		w.spaces = append(w.spaces, s)
		w.lines = append(w.lines, make([]line, n))
		var out []chan packet
		for range n {
			out = append(out, make(chan packet, 4096))
		}
		w.queues = append(w.queues, out)
	}
	for i := range n {
		w.running.Go(func() { w.read(i) })
		for j := range n {
			w.running.Go(func() { w.deliver(i, j) })
		}
	}
	return w
}

// set changes all lines.
func (w *wires) set(rule func(from, to int) line) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.lines {
		for j := range w.lines[i] {
			w.lines[i][j] = rule(i, j)
		}
	}
}

// read takes what a space sends.
func (w *wires) read(from int) {
	busy := make([]time.Time, len(w.spaces)) // until when the line is
	for {
		b := make([]byte, 2048)
		n, err := w.spaces[from].tun.Read(b)
		if err != nil {
			return
		}
		if n < 20 || b[0]>>4 != 4 || binary.BigEndian.Uint32(b[16:])>>8 != 10<<16|77<<8 {
			continue // not IPv4, or for nobody here
		}
		to := int(b[19]) - 1
		if to < 0 || to >= len(w.spaces) {
			continue
		}
		w.mu.RLock()
		l := w.lines[from][to]
		w.mu.RUnlock()
		if l.cut || l.loss > 0 && rand.Float64() < l.loss {
			continue
		}
		now := time.Now()
		if l.rate > 0 {
			if busy[to].Before(now) {
				busy[to] = now
			}
			if busy[to].Sub(now) > backlog {
				continue
			}
			busy[to] = busy[to].Add(time.Duration(n) * time.Second / time.Duration(l.rate))
			now = busy[to]
		}
		select {
		case w.queues[from][to] <- packet{now.Add(l.delay), b[:n]}:
		default: // too many on their way
		}
	}
}

// deliver gives a space what another sent, in order.
func (w *wires) deliver(from, to int) {
	for {
		select {
		case <-w.ctx.Done():
			return
		case p := <-w.queues[from][to]:
			if wait := time.Until(p.due); wait > 0 {
				timer := time.NewTimer(wait)
				select {
				case <-w.ctx.Done():
					timer.Stop()
					return
				case <-timer.C:
				}
			}
			if _, err := w.spaces[to].tun.Write(p.bytes); err == nil {
				w.carried.Add(1)
			}
		}
	}
}
