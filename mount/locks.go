package mount

import (
	"math"
	"slices"
	"syscall"

	"pifs/fsnode"
)

// lockKey names a space of locks. Those of flock(2) and those of fcntl(2) on
// one file do not see each other.
type lockKey struct {
	ino   fsnode.Ino
	flock bool
}

// fileLock is a lock on the bytes [start, end] of a file, both included.
type fileLock struct {
	owner      uint64 // a process, or an open file description
	handle     uint64 // the open file through which it was set
	pid        int32
	start, end uint64
	exclusive  bool
}

// lockEnd is the end of a lock that reaches however far the file will grow.
const lockEnd = math.MaxInt64

func (l fileLock) overlaps(start, end uint64) bool { return l.start <= end && start <= l.end }

// conflicts reports whether l and m can not both be held.
func (l fileLock) conflicts(m fileLock) bool {
	return l.owner != m.owner && (l.exclusive || m.exclusive) && l.overlaps(m.start, m.end)
}

// waitingLock is a lock that somebody waits for, in request id.
type waitingLock struct {
	id   uint64
	lock fileLock
}

// lockSpace is the state of one key.
type lockSpace struct {
	held  []fileLock    // by start; those of one owner do not overlap
	queue []waitingLock // in order of arrival
}

// lockTable decides about locks. It is a pure state machine: requests go in,
// and what is granted comes out. The zero value is empty.
type lockTable struct {
	spaces map[lockKey]*lockSpace
}

func (t *lockTable) empty() bool { return len(t.spaces) == 0 }

// test returns a lock that l would have to wait for.
func (t *lockTable) test(k lockKey, l fileLock) (fileLock, bool) {
	if sp := t.spaces[k]; sp != nil {
		return sp.obstacle(l)
	}
	return fileLock{}, false
}

// try sets l in place of what its owner held there, or returns EAGAIN. A lock
// that becomes weaker can let others in: granted are their requests.
func (t *lockTable) try(k lockKey, l fileLock) (granted []uint64, err error) {
	sp := t.space(k)
	defer t.tidy(k)
	if _, blocked := sp.obstacle(l); blocked {
		return nil, syscall.EAGAIN
	}
	sp.set(l)
	return sp.grant(), nil
}

// wait is try for a request that may wait: it returns queued if it does. If it
// would then wait for itself, it returns EDEADLK. As in flock(2), a lock of
// that kind which is to be converted is lost before the waiting begins.
func (t *lockTable) wait(k lockKey, id uint64, l fileLock) (queued bool, granted []uint64, err error) {
	sp := t.space(k)
	defer t.tidy(k)
	if _, blocked := sp.obstacle(l); !blocked {
		sp.set(l)
		return false, sp.grant(), nil
	}
	if k.flock {
		sp.clear(l.owner, 0, lockEnd)
		granted = sp.grant()
	} else if t.closesCycle(sp, l) {
		return false, nil, syscall.EDEADLK
	}
	sp.queue = append(sp.queue, waitingLock{id: id, lock: l})
	return true, granted, nil
}

// unset gives up what owner holds of [start, end].
func (t *lockTable) unset(k lockKey, owner, start, end uint64) (granted []uint64) {
	sp := t.spaces[k]
	if sp == nil {
		return nil
	}
	sp.clear(owner, start, end)
	granted = sp.grant()
	t.tidy(k)
	return granted
}

// unsetHandle gives up what was set through an open file.
func (t *lockTable) unsetHandle(k lockKey, handle uint64) (granted []uint64) {
	sp := t.spaces[k]
	if sp == nil {
		return nil
	}
	sp.held = slices.DeleteFunc(sp.held, func(l fileLock) bool { return l.handle == handle })
	granted = sp.grant()
	t.tidy(k)
	return granted
}

// cancel takes a waiting request out of its queue.
func (t *lockTable) cancel(id uint64) bool {
	for k, sp := range t.spaces {
		i := slices.IndexFunc(sp.queue, func(w waitingLock) bool { return w.id == id })
		if i >= 0 {
			sp.queue = slices.Delete(sp.queue, i, i+1)
			t.tidy(k)
			return true
		}
	}
	return false
}

func (t *lockTable) space(k lockKey) *lockSpace {
	sp := t.spaces[k]
	if sp == nil {
		if t.spaces == nil {
			t.spaces = make(map[lockKey]*lockSpace)
		}
		sp = new(lockSpace)
		t.spaces[k] = sp
	}
	return sp
}

func (t *lockTable) tidy(k lockKey) {
	if sp := t.spaces[k]; sp != nil && len(sp.held) == 0 && len(sp.queue) == 0 {
		delete(t.spaces, k)
	}
}

// closesCycle reports whether l's owner would wait for somebody who, through
// any number of others, waits for a lock of that owner.
func (t *lockTable) closesCycle(sp *lockSpace, l fileLock) bool {
	seen := make(map[uint64]bool)
	var reaches func(sp *lockSpace, l fileLock, target uint64) bool
	reaches = func(sp *lockSpace, l fileLock, target uint64) bool {
		for _, h := range sp.held {
			if !h.conflicts(l) {
				continue
			}
			if h.owner == target {
				return true
			}
			if seen[h.owner] {
				continue
			}
			seen[h.owner] = true
			for k, other := range t.spaces {
				for _, w := range other.queue {
					if !k.flock && w.lock.owner == h.owner && reaches(other, w.lock, target) {
						return true
					}
				}
			}
		}
		return false
	}
	return reaches(sp, l, l.owner)
}

// obstacle returns a lock that is held and conflicts with l.
func (sp *lockSpace) obstacle(l fileLock) (fileLock, bool) {
	for _, h := range sp.held {
		if h.start > l.end {
			break
		}
		if h.conflicts(l) {
			return h, true
		}
	}
	return fileLock{}, false
}

// set puts l in place of what its owner holds there. Neighbours of the same
// kind become one.
func (sp *lockSpace) set(l fileLock) {
	sp.clear(l.owner, l.start, l.end)
	sp.held = slices.DeleteFunc(sp.held, func(h fileLock) bool {
		if h.owner != l.owner || h.exclusive != l.exclusive || h.handle != l.handle {
			return false
		}
		switch {
		case h.end+1 == l.start:
			l.start = h.start
		case l.end+1 == h.start:
			l.end = h.end
		default:
			return false
		}
		return true
	})
	sp.insert(l)
}

func (sp *lockSpace) insert(l fileLock) {
	i, _ := slices.BinarySearchFunc(sp.held, l.start, func(h fileLock, start uint64) int {
		if h.start < start {
			return -1
		}
		return 1
	})
	sp.held = slices.Insert(sp.held, i, l)
}

// clear cuts [start, end] out of what owner holds.
func (sp *lockSpace) clear(owner, start, end uint64) {
	var rest []fileLock
	sp.held = slices.DeleteFunc(sp.held, func(h fileLock) bool {
		if h.owner != owner || !h.overlaps(start, end) {
			return false
		}
		if h.start < start {
			left := h
			left.end = start - 1
			rest = append(rest, left)
		}
		if h.end > end {
			right := h
			right.start = end + 1
			rest = append(rest, right)
		}
		return true
	})
	for _, l := range rest {
		sp.insert(l)
	}
}

// grant sets every waiting lock that nothing stands against any more, the
// oldest first, and returns the requests. A lock that is granted in place of a
// stronger one can make way for an older request: so it goes round again.
func (sp *lockSpace) grant() (ids []uint64) {
	for again := true; again; {
		again = false
		sp.queue = slices.DeleteFunc(sp.queue, func(w waitingLock) bool {
			if _, blocked := sp.obstacle(w.lock); blocked {
				return false
			}
			sp.set(w.lock)
			ids = append(ids, w.id)
			again = true
			return true
		})
	}
	return ids
}
