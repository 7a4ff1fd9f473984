package mount

import (
	"errors"
	"slices"
	"syscall"
	"testing"

	"pgregory.net/rapid"
)

// modelBytes is how many bytes the model's files have. The last stands for all
// that follow.
const modelBytes = 8

// modelCell is what one owner holds of one byte: 0, 1 shared, 2 exclusive.
type modelCell struct{ held, handle int }

// modelLocks is the lock table, byte by byte.
type modelLocks struct {
	cells map[lockKey]*[modelBytes]map[int]modelCell // by owner
	queue []modelWaiter
}

type modelWaiter struct {
	id   uint64
	k    lockKey
	lock fileLock
}

func (m *modelLocks) file(k lockKey) *[modelBytes]map[int]modelCell {
	if m.cells[k] == nil {
		m.cells[k] = new([modelBytes]map[int]modelCell)
		for i := range m.cells[k] {
			m.cells[k][i] = make(map[int]modelCell)
		}
	}
	return m.cells[k]
}

func modelEnd(l fileLock) int { return int(min(l.end, modelBytes-1)) }

// holders returns the owners that l conflicts with.
func (m *modelLocks) holders(k lockKey, l fileLock) (owners []int) {
	for b := int(l.start); b <= modelEnd(l); b++ {
		for owner, cell := range m.file(k)[b] {
			if owner != int(l.owner) && (cell.held == 2 || cell.held == 1 && l.exclusive) {
				owners = append(owners, owner)
			}
		}
	}
	return owners
}

func (m *modelLocks) set(k lockKey, l fileLock) {
	cell := modelCell{held: 1, handle: int(l.handle)}
	if l.exclusive {
		cell.held = 2
	}
	for b := int(l.start); b <= modelEnd(l); b++ {
		m.file(k)[b][int(l.owner)] = cell
	}
}

// grant sets one lock after the other, beginning at the oldest.
func (m *modelLocks) grant() (ids []uint64) {
	for pass := 0; pass <= len(m.queue); pass++ {
		for i := 0; i < len(m.queue); i++ {
			if w := m.queue[i]; len(m.holders(w.k, w.lock)) == 0 {
				m.set(w.k, w.lock)
				ids = append(ids, w.id)
				m.queue = slices.Delete(m.queue, i, i+1)
				i--
				pass = 0
			}
		}
	}
	return ids
}

// waitsFor reports whether owner a waits, through others, for owner b.
func (m *modelLocks) waitsFor(a, b int) bool {
	seen := map[int]bool{a: true}
	for next := []int{a}; len(next) > 0; next = next[1:] {
		for _, w := range m.queue {
			if int(w.lock.owner) != next[0] || w.k.flock {
				continue
			}
			for _, h := range m.holders(w.k, w.lock) {
				if h == b {
					return true
				}
				if !seen[h] {
					seen[h] = true
					next = append(next, h)
				}
			}
		}
	}
	return false
}

// TestLocksModel drives the lock table and the model with the same requests.
func TestLocksModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := new(lockTable)
		model := &modelLocks{cells: make(map[lockKey]*[modelBytes]map[int]modelCell)}
		for id := uint64(1); id <= 60; id++ {
			k := lockKey{ino: rapid.Uint64Range(1, 2).Draw(t, "ino"), flock: rapid.IntRange(0, 3).Draw(t, "flock") == 0}
			l := drawLock(t, k.flock)
			var got, want []uint64
			switch op := rapid.SampledFrom([]string{"try", "wait", "wait", "unset", "close", "cancel", "release"}).Draw(t, "op"); op {
			case "try":
				got = checkTry(t, table, model, k, l)
			case "wait":
				if waiting(model, l.owner) {
					continue // its thread is asleep
				}
				got = checkWait(t, table, model, k, id, l)
			case "unset":
				got = table.unset(k, l.owner, l.start, l.end)
				for b := int(l.start); b <= modelEnd(l); b++ {
					delete(model.file(k)[b], int(l.owner))
				}
			case "close":
				got = table.unset(k, l.owner, 0, lockEnd)
				for b := range modelBytes {
					delete(model.file(k)[b], int(l.owner))
				}
			case "release":
				got = table.unsetHandle(k, l.handle)
				for b := range modelBytes {
					for owner, cell := range model.file(k)[b] {
						if cell.handle == int(l.handle) {
							delete(model.file(k)[b], owner)
						}
					}
				}
			case "cancel":
				checkCancel(t, table, model, rapid.Uint64Range(1, id).Draw(t, "cancelled"))
			}
			want = model.grant()
			if !slices.Equal(got, want) {
				t.Fatalf("granted %v, want %v", got, want)
			}
			checkHeld(t, table, model)
		}
	})
}

func drawLock(t *rapid.T, flock bool) fileLock {
	l := fileLock{
		owner:     rapid.Uint64Range(1, 4).Draw(t, "owner"),
		exclusive: rapid.Bool().Draw(t, "exclusive"),
		end:       lockEnd,
	}
	l.handle = l.owner*10 + rapid.Uint64Range(0, 1).Draw(t, "handle")
	if !flock {
		l.start = rapid.Uint64Range(0, modelBytes-1).Draw(t, "start")
		if end := rapid.Uint64Range(l.start, modelBytes).Draw(t, "end"); end < modelBytes-1 {
			l.end = end
		}
	}
	return l
}

func waiting(m *modelLocks, owner uint64) bool {
	return slices.ContainsFunc(m.queue, func(w modelWaiter) bool { return w.lock.owner == owner })
}

func checkTry(t *rapid.T, table *lockTable, model *modelLocks, k lockKey, l fileLock) []uint64 {
	blocked := len(model.holders(k, l)) > 0
	if held, found := table.test(k, l); found != blocked || found && !held.conflicts(l) {
		t.Fatalf("test found %v %v, want %v", held, found, blocked)
	}
	granted, err := table.try(k, l)
	if errors.Is(err, syscall.EAGAIN) != blocked || err != nil && !blocked {
		t.Fatalf("try: %v, want blocked=%v", err, blocked)
	}
	if !blocked {
		model.set(k, l)
	}
	return granted
}

func checkWait(t *rapid.T, table *lockTable, model *modelLocks, k lockKey, id uint64, l fileLock) []uint64 {
	holders := model.holders(k, l)
	cycle := !k.flock && slices.ContainsFunc(holders, func(h int) bool { return model.waitsFor(h, int(l.owner)) })
	queued, granted, err := table.wait(k, id, l)
	if errors.Is(err, syscall.EDEADLK) != cycle || err != nil && !cycle {
		t.Fatalf("wait: %v, want a cycle: %v", err, cycle)
	}
	if queued != (len(holders) > 0 && !cycle) {
		t.Fatalf("queued %v behind %v", queued, holders)
	}
	switch {
	case queued:
		if k.flock {
			for b := range modelBytes {
				delete(model.file(k)[b], int(l.owner))
			}
			// The model grants what that frees before the new one queues.
			want := model.grant()
			model.queue = append(model.queue, modelWaiter{id, k, l})
			if !slices.Equal(granted, want) {
				t.Fatalf("granted %v, want %v", granted, want)
			}
			return nil
		}
		model.queue = append(model.queue, modelWaiter{id, k, l})
	case err == nil:
		model.set(k, l)
	}
	return granted
}

func checkCancel(t *rapid.T, table *lockTable, model *modelLocks, id uint64) {
	i := slices.IndexFunc(model.queue, func(w modelWaiter) bool { return w.id == id })
	if table.cancel(id) != (i >= 0) {
		t.Fatalf("cancel %d: want found=%v", id, i >= 0)
	}
	if i >= 0 {
		model.queue = slices.Delete(model.queue, i, i+1)
	}
}

// checkHeld compares every byte, and that the table keeps its order.
func checkHeld(t *rapid.T, table *lockTable, model *modelLocks) {
	for k, sp := range table.spaces {
		if len(sp.held) == 0 && len(sp.queue) == 0 {
			t.Fatalf("an empty space is kept")
		}
		if !slices.IsSortedFunc(sp.held, func(a, b fileLock) int { return int(a.start) - int(b.start) }) {
			t.Fatalf("locks of %v are out of order: %v", k, sp.held)
		}
	}
	for k, file := range model.cells {
		for b := range modelBytes {
			got := make(map[int]modelCell)
			if sp := table.spaces[k]; sp != nil {
				for _, h := range sp.held {
					if !h.overlaps(uint64(b), uint64(b)) {
						continue
					}
					if _, twice := got[int(h.owner)]; twice {
						t.Fatalf("owner %d holds byte %d twice: %v", h.owner, b, sp.held)
					}
					cell := modelCell{held: 1, handle: int(h.handle)}
					if h.exclusive {
						cell.held = 2
					}
					got[int(h.owner)] = cell
				}
			}
			if len(got) != len(file[b]) {
				t.Fatalf("byte %d of %v: held %v, want %v", b, k, got, file[b])
			}
			for owner, cell := range file[b] {
				if got[owner] != cell {
					t.Fatalf("byte %d of %v: held %v, want %v", b, k, got, file[b])
				}
			}
		}
	}
}
