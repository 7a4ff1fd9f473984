package session

import (
	"context"
	"encoding/binary"
)

// Request is what a change is made for: a request of the kernel, served by the
// goroutine that owns the slot.
type Request struct {
	ID   uint64
	Slot int
}

type requestKey struct{}

// With returns a context whose operations are made for r. r may change between
// operations.
func With(ctx context.Context, r *Request) context.Context {
	return context.WithValue(ctx, requestKey{}, r)
}

// RequestOf returns what an operation is made for; the zero value if it is not
// a request of the kernel.
func RequestOf(ctx context.Context) Request {
	if r, ok := ctx.Value(requestKey{}).(*Request); ok {
		return *r
	}
	return Request{}
}

// NewSlot returns a slot that no goroutine of this daemon, and none of the
// last thousands of other daemons, has. Slots start from 1.
func (m *Memory) NewSlot() int { return int(m.field(atSlots).Add(1)) }

// Applied notes in a slot that request id was applied and made, or was about,
// ino. It replaces what the slot held.
func (m *Memory) Applied(r Request, ino uint64) {
	if r.ID == 0 || r.Slot == 0 {
		return
	}
	s := m.small[slotsAt+(r.Slot%slotCount)*slotSize:]
	binary.LittleEndian.PutUint64(s[8:], ino)
	binary.LittleEndian.PutUint64(s, r.ID)
}

// Results returns the requests that were applied and may not have been
// answered, with their inodes.
func (m *Memory) Results() map[uint64]uint64 {
	out := map[uint64]uint64{}
	for i := range slotCount {
		s := m.small[slotsAt+i*slotSize:]
		if id := binary.LittleEndian.Uint64(s); id != 0 {
			out[id] = binary.LittleEndian.Uint64(s[8:])
		}
	}
	return out
}

// SetTable replaces the table; false if b is longer than TableMax.
func (m *Memory) SetTable(b []byte) bool {
	if len(b) > TableMax {
		return false
	}
	other := 1 - m.field(atTable).Load()&1
	copy(m.small[tableAt+int(other)*TableMax:], b)
	m.field(atTableLen + int(other)*8).Store(uint64(len(b)))
	m.field(atTable).Store(other)
	return true
}

// Table returns a copy of the table.
func (m *Memory) Table() []byte {
	half := m.field(atTable).Load() & 1
	n := min(m.field(atTableLen+int(half)*8).Load(), TableMax)
	at := tableAt + int(half)*TableMax
	return append([]byte(nil), m.small[at:at+int(n)]...)
}
