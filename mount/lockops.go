package mount

import (
	"sync"
	"sync/atomic"
	"syscall"

	"bazil.org/fuse"

	"pifs/fsnode"
	"pifs/fsnode/session"
)

// lockServer is the lock table of a server. A request that waits for a lock
// occupies nobody: whoever gives the lock up answers it. There is no deadline,
// because a lock may rightly be waited for without end.
type lockServer struct {
	mu    sync.Mutex
	table lockTable
	used  atomic.Bool // the table is not empty

	session *session.Memory // where the table is kept too; may be nil
	scratch []byte
}

// do runs fn on the table and answers whom it granted.
func (s *Server) withLocks(fn func(t *lockTable) (granted []uint64)) {
	s.locks.mu.Lock()
	granted := fn(&s.locks.table)
	s.locks.used.Store(!s.locks.table.empty())
	s.locks.keep()
	s.locks.mu.Unlock()
	for _, id := range granted {
		s.refuse(id, 0)
	}
}

// keep puts what is held where it outlives the daemon. l.mu is held.
func (l *lockServer) keep() {
	if l.session == nil {
		return
	}
	l.scratch = l.table.encode(l.scratch[:0])
	l.session.SetTable(l.scratch) // it fits: full sees to that
}

// full refuses what could make more locks than can be kept. l.mu is held.
func (l *lockServer) full() error {
	if l.session != nil && l.table.count() >= maxLocks {
		return syscall.ENOLCK
	}
	return nil
}

// cancel ends the waiting of request id. Its caller then answers it.
func (l *lockServer) cancel(id uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	found := l.table.cancel(id)
	l.used.Store(!l.table.empty())
	return found
}

func lockOf(r *fuse.LockRequest) (lockKey, fileLock) {
	k := lockKey{ino: fsnode.Ino(r.Node), flock: r.LockFlags&fuse.LockFlock != 0}
	return k, fileLock{
		owner:     uint64(r.LockOwner),
		handle:    uint64(r.Handle),
		pid:       r.Lock.PID,
		start:     r.Lock.Start,
		end:       min(r.Lock.End, lockEnd),
		exclusive: r.Lock.Type == fuse.LockWrite,
	}
}

// lock serves F_SETLK, F_SETLKW and flock.
func (s *Server) lock(c *call, r *fuse.LockRequest, wait bool) error {
	k, l := lockOf(r)
	if l.start > l.end {
		return syscall.EINVAL
	}
	id := uint64(r.ID)
	var queued bool
	var err error
	s.withLocks(func(t *lockTable) (granted []uint64) {
		if err = s.locks.full(); err != nil {
			return nil
		}
		if !wait {
			granted, err = t.try(k, l)
			return granted
		}
		queued, granted, err = t.wait(k, id, l)
		if queued && !c.claim(id) { // the watchdog was faster
			t.cancel(id)
		}
		return granted
	})
	if !queued {
		return s.answer(c, err)
	}
	if s.flight.overtaken(id) && s.locks.cancel(id) {
		s.refuse(id, syscall.EINTR)
	}
	return nil
}

func (s *Server) unlock(c *call, r *fuse.LockRequest) error {
	k, l := lockOf(r)
	var err error
	s.withLocks(func(t *lockTable) []uint64 {
		if l.start > 0 || l.end < lockEnd { // it may leave more locks than there were
			if err = s.locks.full(); err != nil {
				return nil
			}
		}
		return t.unset(k, l.owner, l.start, l.end)
	})
	return s.answer(c, err)
}

// queryLock serves F_GETLK.
func (s *Server) queryLock(c *call, r *fuse.QueryLockRequest) error {
	k, l := lockOf((*fuse.LockRequest)(&fuse.LockRequest{
		Header: r.Header, Handle: r.Handle, LockOwner: r.LockOwner, Lock: r.Lock, LockFlags: r.LockFlags,
	}))
	s.locks.mu.Lock()
	held, blocked := s.locks.table.test(k, l)
	s.locks.mu.Unlock()
	w := c.reply()
	if !blocked {
		w.u64(l.start)
		w.u64(l.end)
		w.u32(uint32(fuse.LockUnlock))
		w.u32(0)
		return c.send(nil)
	}
	w.u64(held.start)
	w.u64(held.end)
	w.u32(uint32(lockType(held)))
	w.u32(uint32(held.pid))
	return c.send(nil)
}

func lockType(l fileLock) fuse.LockType {
	if l.exclusive {
		return fuse.LockWrite
	}
	return fuse.LockRead
}

// dropPOSIX ends the locks of a process that closes a descriptor of ino: POSIX
// wants all of them gone, through whatever descriptor they were set.
func (s *Server) dropPOSIX(ino fsnode.Ino, owner uint64) {
	if !s.locks.used.Load() {
		return
	}
	s.withLocks(func(t *lockTable) []uint64 { return t.unset(lockKey{ino: ino}, owner, 0, lockEnd) })
}

// dropHandle ends the locks that were set through an open file that is gone.
func (s *Server) dropHandle(ino fsnode.Ino, handle uint64) {
	if !s.locks.used.Load() {
		return
	}
	s.withLocks(func(t *lockTable) []uint64 {
		granted := t.unsetHandle(lockKey{ino: ino}, handle)
		return append(granted, t.unsetHandle(lockKey{ino: ino, flock: true}, handle)...)
	})
}
