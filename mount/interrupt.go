package mount

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"bazil.org/fuse"
)

// flight holds the calls that wait, so that an interrupt finds its call. It is
// consulted by the readers themselves, in the order in which they read.
type flight struct {
	mu    sync.Mutex
	calls map[uint64]*call

	// early holds interrupts that overtook their request between two readers.
	// Most in it came too late instead: it is a ring that forgets the oldest.
	early [64]uint64
	next  int
}

// add registers a call that is about to wait.
func (f *flight) add(id uint64, c *call) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.calls == nil {
		f.calls = make(map[uint64]*call)
	}
	f.calls[id] = c
	for _, e := range f.early {
		if e == id {
			c.signalled()
		}
	}
}

func (f *flight) remove(id uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.calls, id)
}

// interrupt notes a signal to the thread that waits for request id.
func (f *flight) interrupt(id uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c := f.calls[id]; c != nil {
		c.signalled()
		return
	}
	f.early[f.next] = id
	f.next = (f.next + 1) % len(f.early)
}

// overtaken reports whether the interrupt of request id came before it.
func (f *flight) overtaken(id uint64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.early {
		if e == id {
			return true
		}
	}
	return false
}

// each calls fn for every call that waits.
func (f *flight) each(fn func(c *call)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.calls {
		fn(c)
	}
}

// signalled notes a signal to the caller. The kernel tells of the first one
// only, whether it kills or not. Reading and writing files goes on through a
// signal that does not kill, as on a disk: few programs expect EINTR there.
// The watchdog looks again for one that does.
func (c *call) signalled() {
	c.signals.Store(true)
	c.letGo()
}

// letGo cancels a call whose caller is about to die. Of direct reads the kernel
// tells no signal at all, and their callers wait in a way that SIGKILL does not
// end: the watchdog looks at every read. Writes may be of pages that others
// made dirty, and a thread that is gone may have left its I/O to others: these
// need a signal.
func (c *call) letGo() {
	told := c.signals.Load()
	if !told && kind(c.kind.Load()) != kindRead {
		return
	}
	if killed, gone := dying(c.pid.Load()); killed || gone && told {
		c.cancel()
	}
}

// dying reports whether thread tid has SIGKILL pending, which is how the kernel
// marks every thread of a process that a signal is about to end, and whether
// there is no such thread. Of 0, one in another namespace, nothing is known.
func dying(tid uint32) (killed, gone bool) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", tid))
	if err != nil {
		return false, tid != 0 && os.IsNotExist(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		name, mask, _ := strings.Cut(lines.Text(), ":")
		if name != "SigPnd" && name != "ShdPnd" {
			continue
		}
		bits, err := strconv.ParseUint(strings.TrimSpace(mask), 16, 64)
		if err == nil && bits&(1<<(syscall.SIGKILL-1)) != 0 {
			return true, false
		}
	}
	return false, false
}

// interrupted serves an interrupt. Nothing answers it but the end of the call
// that it is about; one for a call that does not wait is out of date. It is
// noted before the locks are looked at, as a lock that has to wait is put in
// the queue before the notes are looked at: one of the two sees the other.
func (s *Server) interrupted(r *fuse.InterruptRequest) {
	id := uint64(r.IntrID)
	s.flight.interrupt(id)
	if s.locks.cancel(id) {
		s.refuse(id, syscall.EINTR)
	}
}
