package cache

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"pifs/blockstore"
	"pifs/blockstore/failpoint"
)

const (
	journalSegment   = 64 << 20 // a new segment starts beyond this
	keepSegment      = 1 << 20  // a segment that nobody needs goes when it is larger
	maxJournalRecord = 2 << 20  // plaintext bytes of one record
	journalOverhead  = 12 + 16  // nonce and tag
)

// JournalPos says where bytes stand in the journal.
type JournalPos struct {
	_struct bool   `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Segment uint32 // 0: not in the journal
	At      uint64 // offset of the record in its segment
	Size    uint32 // plaintext bytes of the record
	Skip    uint32 // bytes of the record before those meant
}

// Journal keeps fresh writes on disk until they are stored in blocks. It is
// an append-only sequence of sealed records in segment files; where a record
// stands is remembered by whoever appended it. Records are sealed with
// AES-256-GCM under the volume's local key and bound to their position.
type Journal struct {
	dir  string
	aead cipher.AEAD

	mu    sync.Mutex
	there map[uint32]bool // segments in the folder
	files map[uint32]*os.File
	cur   uint32
	size  uint64
	dirty map[uint32]bool // segments written since the last Sync
	names bool            // a segment was made since the folder was synced
	buf   []byte
}

// OpenJournal opens the journal in dir, creating the folder. Appending starts
// in a new segment, so that a torn tail is never written over.
func OpenJournal(dir string, key [32]byte) (*Journal, error) {
	if err := blockstore.MakeDir(dir); err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	blk, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(blk)
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	j := &Journal{dir: dir, aead: aead, there: map[uint32]bool{}, files: map[uint32]*os.File{}, dirty: map[uint32]bool{}, size: journalSegment}
	segs, err := j.segments()
	if err != nil {
		return nil, err
	}
	for _, s := range segs {
		j.cur = max(j.cur, s)
		j.there[s] = true
	}
	if j.cur == 0 {
		// Numbers are not used again: a database that was rolled back must not
		// find other bytes where it expects some.
		j.cur = 1 + rand.Uint32N(1<<31)
	}
	return j, nil
}

func (j *Journal) path(seg uint32) string { return filepath.Join(j.dir, fmt.Sprintf("%08d", seg)) }

func (j *Journal) segments() ([]uint32, error) {
	ents, err := os.ReadDir(j.dir)
	if err != nil {
		return nil, fmt.Errorf("list journal: %w", err)
	}
	var segs []uint32
	for _, e := range ents {
		n, err := strconv.ParseUint(strings.TrimLeft(e.Name(), "0"), 10, 32)
		if err == nil && n > 0 {
			segs = append(segs, uint32(n))
		}
	}
	return segs, nil
}

// aad binds a record to its position.
func aad(seg uint32, at uint64) []byte {
	var b [12]byte
	binary.LittleEndian.PutUint32(b[:], seg)
	binary.LittleEndian.PutUint64(b[4:], at)
	return b[:]
}

// Append adds p, at most 2 MiB, and returns where it stands. It is durable
// after Sync.
func (j *Journal) Append(p []byte) (JournalPos, error) {
	if len(p) == 0 || len(p) > maxJournalRecord {
		return JournalPos{}, fmt.Errorf("append %d bytes to journal: %w", len(p), blockstore.ErrTooLarge)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	f, err := j.current()
	if err != nil {
		return JournalPos{}, err
	}
	j.buf = j.aead.Seal(j.buf[:0], nil, p, aad(j.cur, j.size))
	if _, err := f.WriteAt(j.buf, int64(j.size)); err != nil {
		return JournalPos{}, fmt.Errorf("append to journal: %w", err)
	}
	failpoint.Hit(failpoint.JournalAppended)
	pos := JournalPos{Segment: j.cur, At: j.size, Size: uint32(len(p))}
	j.size += uint64(len(j.buf))
	j.dirty[j.cur] = true
	return pos, nil
}

// current returns the segment to append to; j.mu is held.
func (j *Journal) current() (*os.File, error) {
	if f := j.files[j.cur]; f != nil && j.size < journalSegment {
		return f, nil
	}
	seg := j.cur + 1
	f, err := os.OpenFile(j.path(seg), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("start journal segment: %w", err)
	}
	failpoint.Hit(failpoint.JournalStarted)
	j.cur, j.size, j.files[seg], j.there[seg], j.names = seg, 0, f, true, true
	return f, nil
}

// Sync makes everything appended before it durable.
func (j *Journal) Sync() error {
	j.mu.Lock()
	files := make([]*os.File, 0, len(j.dirty))
	for seg := range j.dirty {
		if f := j.files[seg]; f != nil {
			files = append(files, f)
		}
	}
	fresh, names := j.dirty, j.names
	j.dirty, j.names = map[uint32]bool{}, false
	j.mu.Unlock()
	if len(files) == 0 {
		return nil
	}
	var err error
	if names {
		err = syncDir(j.dir)
	}
	for _, f := range files {
		if e := datasync(f); e != nil && !errors.Is(e, fs.ErrClosed) {
			err = errors.Join(err, e)
		}
	}
	if err == nil {
		failpoint.Hit(failpoint.JournalSynced)
		return nil
	}
	j.mu.Lock()
	for seg := range fresh {
		j.dirty[seg] = true
	}
	j.names = j.names || names
	j.mu.Unlock()
	return fmt.Errorf("sync journal: %w", err)
}

// Read fills p with the bytes at pos. A record that does not open is
// ErrCorrupt.
func (j *Journal) Read(pos JournalPos, p []byte) error {
	if pos.Size > maxJournalRecord || int64(pos.Skip)+int64(len(p)) > int64(pos.Size) {
		return fmt.Errorf("read journal: position out of bounds: %w", blockstore.ErrCorrupt)
	}
	f, err := j.file(pos.Segment)
	if err != nil {
		return err
	}
	sealed := make([]byte, pos.Size+journalOverhead)
	if _, err := f.ReadAt(sealed, int64(pos.At)); err != nil {
		return fmt.Errorf("read journal segment %d: %w: %w", pos.Segment, blockstore.ErrCorrupt, err)
	}
	plain, err := j.aead.Open(sealed[:0], nil, sealed, aad(pos.Segment, pos.At))
	if err != nil {
		return fmt.Errorf("open journal record %d/%d: %w", pos.Segment, pos.At, blockstore.ErrCorrupt)
	}
	copy(p, plain[pos.Skip:])
	return nil
}

func (j *Journal) file(seg uint32) (*os.File, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if f := j.files[seg]; f != nil {
		return f, nil
	}
	f, err := os.OpenFile(j.path(seg), os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("open journal segment: %w: %w", blockstore.ErrCorrupt, err)
	}
	j.files[seg] = f
	return f, nil
}

// Retain deletes the segments that used does not name, save the current one
// while it is small: nobody remembers a position in them.
func (j *Journal) Retain(used map[uint32]bool) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for s := range j.there {
		if used[s] || s == j.cur && j.size < keepSegment {
			continue
		}
		if f := j.files[s]; f != nil {
			f.Close()
			delete(j.files, s)
		}
		delete(j.dirty, s)
		if err := os.Remove(j.path(s)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("delete journal segment: %w", err)
		}
		delete(j.there, s)
		failpoint.Hit(failpoint.JournalTrimmed)
	}
	return nil
}

// Close closes the files. It does not sync.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	var err error
	for _, f := range j.files {
		err = errors.Join(err, f.Close())
	}
	j.files = map[uint32]*os.File{}
	return err
}

// datasync leaves out the times, which nobody reads.
func datasync(f *os.File) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	closed := conn.Control(func(fd uintptr) {
		for err = unix.EINTR; errors.Is(err, unix.EINTR); {
			err = unix.Fdatasync(int(fd))
		}
	})
	if closed != nil {
		return fs.ErrClosed
	}
	if err != nil {
		return &os.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
