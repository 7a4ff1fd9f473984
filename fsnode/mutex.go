package fsnode

import "sync"

// mutex is a sync.Mutex that a panic does not unlock. What it guards may be
// half changed then: nobody must see it, save it or answer from it in the
// moment until the process has ended.
type mutex struct{ m sync.Mutex }

var _ sync.Locker = (*mutex)(nil)

// Lock locks m.
func (m *mutex) Lock() { m.m.Lock() }

// Unlock unlocks m, unless it was deferred and runs because of a panic, which
// goes on.
func (m *mutex) Unlock() {
	if p := recover(); p != nil {
		panic(p)
	}
	m.m.Unlock()
}
