package session

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

const (
	frame    = 16      // position, length of meta, length of data
	giveBack = 4 << 20 // bytes written before pages of an empty log are given back
)

// Head returns the position after the newest record.
func (m *Memory) Head() uint64 { return m.field(atHead).Load() }

// Room returns how many bytes of records the log takes before it has to be
// trimmed.
func (m *Memory) Room() int { return int(m.ring - (m.Head() - m.field(atTail).Load())) }

// Size returns the bytes that the log can hold.
func (m *Memory) Size() int { return int(m.ring) }

// Append adds a record of two parts and returns the position after it. The
// caller knows that there is room.
func (m *Memory) Append(meta, data []byte) (uint64, error) {
	head := m.Head()
	size := uint64(frame + len(meta) + len(data))
	if size > uint64(m.Room()) {
		return head, fmt.Errorf("append %d bytes to session log: %w", size, unix.ENOSPC)
	}
	b := make([]byte, frame, frame+len(meta))
	binary.LittleEndian.PutUint64(b, head)
	binary.LittleEndian.PutUint32(b[8:], uint32(len(meta)))
	binary.LittleEndian.PutUint32(b[12:], uint32(len(data)))
	b = append(b, meta...)
	if err := m.write(head, b); err != nil {
		return head, err
	}
	if err := m.write(head+uint64(len(b)), data); err != nil {
		return head, err
	}
	m.used += size
	m.field(atHead).Store(head + size)
	return head + size, nil
}

// Barrier notes a change that no record tells of, and returns the position
// from which on it is contained.
func (m *Memory) Barrier() uint64 {
	at := m.Head() + frame
	m.field(atBarrier).Store(at)
	m.field(atHead).Store(at)
	return at
}

// Trim gives up the records before pos.
func (m *Memory) Trim(pos uint64) error {
	m.field(atTail).Store(pos)
	if pos != m.Head() || m.used < giveBack {
		return nil
	}
	m.used = 0
	err := unix.Fallocate(int(m.f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, ringAt, int64(m.ring))
	if err != nil {
		return fmt.Errorf("give back session memory: %w", err)
	}
	return nil
}

// Replay calls fn for the records from position from on, with the position
// after each, oldest first. Both parts are valid during the call only.
func (m *Memory) Replay(from uint64, fn func(after uint64, meta, data []byte) error) error {
	head := m.Head()
	if from < m.field(atTail).Load() || from > head || m.field(atBarrier).Load() > from {
		return fmt.Errorf("replay from %d: %w", from, ErrUnsound)
	}
	var head16 [frame]byte
	var body []byte
	for pos := from; pos < head; {
		if err := m.read(pos, head16[:]); err != nil {
			return err
		}
		nmeta, ndata := binary.LittleEndian.Uint32(head16[8:]), binary.LittleEndian.Uint32(head16[12:])
		n := uint64(nmeta) + uint64(ndata)
		if binary.LittleEndian.Uint64(head16[:]) != pos || n > head-pos-frame {
			return fmt.Errorf("replay record at %d: %w", pos, ErrUnsound)
		}
		if uint64(cap(body)) < n {
			body = make([]byte, n)
		}
		body = body[:n]
		if err := m.read(pos+frame, body); err != nil {
			return err
		}
		pos += frame + n
		if err := fn(pos, body[:nmeta], body[nmeta:]); err != nil {
			return err
		}
	}
	return nil
}

// write writes b at a position, around the end of the ring if need be.
func (m *Memory) write(pos uint64, b []byte) error {
	return m.around(pos, b, func(p []byte, off int64) error {
		_, err := m.f.WriteAt(p, off)
		return err
	})
}

func (m *Memory) read(pos uint64, b []byte) error {
	return m.around(pos, b, func(p []byte, off int64) error {
		_, err := m.f.ReadAt(p, off)
		return err
	})
}

func (m *Memory) around(pos uint64, b []byte, fn func(p []byte, off int64) error) error {
	for len(b) > 0 {
		at := pos % m.ring
		n := min(uint64(len(b)), m.ring-at)
		if err := fn(b[:n], int64(ringAt+at)); err != nil {
			return fmt.Errorf("session log at %d: %w", pos, err)
		}
		b, pos = b[n:], pos+n
	}
	return nil
}
