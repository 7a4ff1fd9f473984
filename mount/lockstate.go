package mount

import (
	"encoding/binary"
	"errors"
	"slices"

	"pifs/fsnode/session"
)

// The locks that are held, as they outlive the daemon: lockBytes for each, all
// little-endian:
//
//	 0  inode         24  process          36  1: flock(2), 2: exclusive
//	 8  owner         28  zero             40  first byte
//	16  open file     32  zero             48  last byte
//
// Requests that wait are not among them: the kernel asks those again.
const lockBytes = 56

// maxLocks is how many locks one mount holds at most: no process can hold more
// than fit into the session.
const maxLocks = session.TableMax/lockBytes - 2 // unlocking the middle of one leaves two

var errLockState = errors.New("locks of the last daemon cannot be read")

func (t *lockTable) count() int {
	n := 0
	for _, sp := range t.spaces {
		n += len(sp.held)
	}
	return n
}

func (t *lockTable) encode(b []byte) []byte {
	for k, sp := range t.spaces {
		for _, l := range sp.held {
			var r [lockBytes]byte
			binary.LittleEndian.PutUint64(r[0:], k.ino)
			binary.LittleEndian.PutUint64(r[8:], l.owner)
			binary.LittleEndian.PutUint64(r[16:], l.handle)
			binary.LittleEndian.PutUint32(r[24:], uint32(l.pid))
			if k.flock {
				r[36] |= 1
			}
			if l.exclusive {
				r[36] |= 2
			}
			binary.LittleEndian.PutUint64(r[40:], l.start)
			binary.LittleEndian.PutUint64(r[48:], l.end)
			b = append(b, r[:]...)
		}
	}
	return b
}

func decodeLocks(b []byte) (t lockTable, err error) {
	if len(b)%lockBytes != 0 {
		return t, errLockState
	}
	for r := range slices.Chunk(b, lockBytes) {
		k := lockKey{ino: binary.LittleEndian.Uint64(r[0:]), flock: r[36]&1 != 0}
		l := fileLock{
			owner: binary.LittleEndian.Uint64(r[8:]), handle: binary.LittleEndian.Uint64(r[16:]),
			pid: int32(binary.LittleEndian.Uint32(r[24:])), exclusive: r[36]&2 != 0,
			start: binary.LittleEndian.Uint64(r[40:]), end: binary.LittleEndian.Uint64(r[48:]),
		}
		sp := t.space(k)
		if _, blocked := sp.obstacle(l); blocked || l.start > l.end || l.end > lockEnd {
			return t, errLockState
		}
		sp.insert(l)
	}
	return t, nil
}
