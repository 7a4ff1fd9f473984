package session

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ErrUnsound says that a memory cannot be gone on with: it is not one, or it
// lacks changes that the state it is to be replayed upon does not have.
var ErrUnsound = errors.New("session memory is incomplete")

const (
	magic = 0x31306e6f73736573 // "sesson01"

	slotCount = 4096
	slotSize  = 16
	// TableMax is the largest table, in bytes.
	TableMax = 1 << 20

	slotsAt = 4096
	tableAt = slotsAt + slotCount*slotSize
	ringAt  = tableAt + 2*TableMax // page-aligned
)

// Places of the header, in bytes. Each is eight bytes long.
const (
	atMagic = iota * 8
	atID
	atRing // its size in bytes
	atHead
	atTail
	atBarrier
	atSlots // how many were ever given out
	atTable // which half is valid
	atTableLen
	_ // the length of the second half
)

// Memory is a session's memory. Log and slots are guarded by one lock of the
// caller, the table by another.
type Memory struct {
	f     *os.File
	small []byte // header, slots and table, mapped
	ring  uint64 // bytes
	used  uint64 // positions written since pages were last given back
}

// New makes a memory with room for size bytes of log.
func New(size int) (*Memory, error) {
	fd, err := unix.MemfdCreate("pifs-session", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("make session memory: %w", err)
	}
	f := os.NewFile(uintptr(fd), "session")
	if err := f.Truncate(int64(ringAt + size)); err != nil {
		f.Close()
		return nil, fmt.Errorf("make session memory: %w", err)
	}
	if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW); err != nil {
		f.Close()
		return nil, fmt.Errorf("seal session memory: %w", err)
	}
	m, err := mapped(f)
	if err != nil {
		return nil, err
	}
	var id [8]byte
	if _, err := rand.Read(id[:]); err != nil {
		return nil, errors.Join(fmt.Errorf("make session memory: %w", err), m.Close())
	}
	m.ring = uint64(size)
	m.field(atID).Store(binary.LittleEndian.Uint64(id[:]))
	m.field(atRing).Store(m.ring)
	m.field(atMagic).Store(magic)
	return m, nil
}

// Open goes on with the memory in f, which it takes over.
func Open(f *os.File) (*Memory, error) {
	fi, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open session memory: %w", err)
	}
	if fi.Size() <= ringAt {
		f.Close()
		return nil, fmt.Errorf("open session memory of %d bytes: %w", fi.Size(), ErrUnsound)
	}
	m, err := mapped(f)
	if err != nil {
		return nil, err
	}
	m.ring = m.field(atRing).Load()
	m.used = m.ring
	head, tail := m.Head(), m.field(atTail).Load()
	if m.field(atMagic).Load() != magic || m.ring != uint64(fi.Size()-ringAt) || tail > head || head-tail > m.ring {
		return nil, errors.Join(fmt.Errorf("open session memory: %w", ErrUnsound), m.Close())
	}
	return m, nil
}

func mapped(f *os.File) (*Memory, error) {
	small, err := unix.Mmap(int(f.Fd()), 0, ringAt, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("map session memory: %w", err)
	}
	return &Memory{f: f, small: small}, nil
}

// field returns a field of the header: aligned, as the mapping is to a page.
func (m *Memory) field(at int) *atomic.Uint64 {
	return (*atomic.Uint64)(unsafe.Pointer(&m.small[at]))
}

// ID tells one session from another.
func (m *Memory) ID() uint64 { return m.field(atID).Load() }

// File returns the memfd, to be handed to whoever keeps it.
func (m *Memory) File() *os.File { return m.f }

// Close unmaps the memory. What others hold of it stays.
func (m *Memory) Close() error {
	return errors.Join(unix.Munmap(m.small), m.f.Close())
}
