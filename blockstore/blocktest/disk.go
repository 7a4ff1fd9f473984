package blocktest

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"pifs/blockstore"
)

// Failures of a disk. They wrap ErrInjected and the errno that a real disk
// would give.
var (
	ErrDiskFull  = fmt.Errorf("%w: %w", ErrInjected, syscall.ENOSPC)
	ErrDiskIO    = fmt.Errorf("%w: %w", ErrInjected, syscall.EIO)
	ErrShort     = fmt.Errorf("half written: %w", ErrDiskFull) // a write that did half its work
	ErrForgetful = fmt.Errorf("pages dropped: %w", ErrDiskIO)  // a sync after which nothing unsynced is left
)

// Disk is a blockstore.FS over the real one that fails on demand and
// remembers what has not been synced, so that Crash can lose it.
type Disk struct {
	real blockstore.OSFS

	mu      sync.Mutex
	fail    func(op string) error // nil while the disk is in order
	pending map[string][]write    // by path, oldest first
	created map[string]bool       // not yet in a synced directory
}

// write is one unsynced change of a file.
type write struct {
	off          int64
	before, data []byte // data is nil for a truncation to off
	size         int64  // of the file before
}

var _ blockstore.FS = (*Disk)(nil)

// NewDisk returns a disk in order.
func NewDisk() *Disk {
	return &Disk{pending: make(map[string][]write), created: make(map[string]bool)}
}

// Fail makes decide choose the error of every operation from now on: "create",
// "open", "read", "write", "truncate", "sync", "remove" or "syncdir"; nil lets it
// pass. A nil decide puts the disk in order.
func (d *Disk) Fail(decide func(op string) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = decide
}

func (d *Disk) check(op string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail == nil {
		return nil
	}
	return d.fail(op)
}

// Create makes a file that a crash may lose until its directory is synced.
func (d *Disk) Create(path string) (blockstore.File, error) {
	if err := d.check("create"); err != nil {
		return nil, err
	}
	f, err := d.real.Create(path)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.created[path] = true
	return &diskFile{File: f, disk: d, path: path}, nil
}

// Open opens a file.
func (d *Disk) Open(path string) (blockstore.File, error) {
	if err := d.check("open"); err != nil {
		return nil, err
	}
	f, err := d.real.Open(path)
	if err != nil {
		return nil, err
	}
	return &diskFile{File: f, disk: d, path: path}, nil
}

// Remove removes a file at once.
func (d *Disk) Remove(path string) error {
	if err := d.check("remove"); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.pending, path)
	delete(d.created, path)
	return d.real.Remove(path)
}

// SyncDir makes the files in the directory survive a crash.
func (d *Disk) SyncDir(dir string) error {
	if err := d.check("syncdir"); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for path := range d.created {
		if filepath.Dir(path) == dir {
			delete(d.created, path)
		}
	}
	return nil
}

// Crash takes back what was not synced, as a machine that loses power does,
// and fails every operation from then on. Of the unsynced writes only those that keep allows take effect, and files
// whose directory was not synced vanish unless keep allows them.
func (d *Disk) Crash(keep func() bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = func(string) error { return ErrDiskIO }
	// In order, so that a seed replays.
	for _, path := range slices.Sorted(maps.Keys(d.pending)) {
		if err := d.undo(path, keep); err != nil {
			return err
		}
	}
	for _, path := range slices.Sorted(maps.Keys(d.created)) {
		if !keep() {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	clear(d.created)
	return nil
}

// undo takes back the unsynced writes to path and repeats those that are
// kept.
func (d *Disk) undo(path string, keep func() bool) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	writes := d.pending[path]
	delete(d.pending, path)
	var errs []error
	for i := len(writes) - 1; i >= 0; i-- {
		_, err := f.WriteAt(writes[i].before, writes[i].off)
		errs = append(errs, err, f.Truncate(writes[i].size))
	}
	for _, w := range writes {
		switch {
		case !keep():
		case w.data == nil:
			errs = append(errs, f.Truncate(w.off))
		default:
			_, err := f.WriteAt(w.data, w.off)
			errs = append(errs, err)
		}
	}
	return errors.Join(append(errs, f.Close())...)
}

type diskFile struct {
	blockstore.File
	disk *Disk
	path string
}

func (f *diskFile) ReadAt(b []byte, off int64) (int, error) {
	if err := f.disk.check("read"); err != nil {
		return 0, err
	}
	return f.File.ReadAt(b, off)
}

func (f *diskFile) WriteAt(b []byte, off int64) (int, error) {
	fault := f.disk.check("write")
	if fault != nil && !errors.Is(fault, ErrShort) {
		return 0, fault
	}
	if fault != nil {
		b = b[:len(b)/2]
	}
	if err := f.remember(off, append([]byte{}, b...)); err != nil {
		return 0, err
	}
	n, err := f.File.WriteAt(b, off)
	return n, errors.Join(fault, err)
}

// ReadDirect reads as ReadAt does.
func (f *diskFile) ReadDirect(b []byte, off int64) (int, error) {
	n, err := f.ReadAt(b, off)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

// WriteDirect writes as WriteAt does: what is durable is this disk's business
// alone.
func (f *diskFile) WriteDirect(b []byte, off int64) error {
	_, err := f.WriteAt(b, off)
	return err
}

func (f *diskFile) Truncate(size int64) error {
	if err := f.disk.check("truncate"); err != nil {
		return err
	}
	if err := f.remember(size, nil); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

// remember notes an unsynced change of the bytes at off, or with nil data of
// everything from there.
func (f *diskFile) remember(off int64, data []byte) error {
	size, err := f.File.Size()
	if err != nil {
		return err
	}
	touched := int64(len(data))
	if data == nil {
		touched = size - off
	}
	before := make([]byte, max(0, min(touched, size-off)))
	if _, err := f.File.ReadAt(before, off); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	f.disk.pending[f.path] = append(f.disk.pending[f.path], write{off: off, before: before, data: data, size: size})
	return nil
}

func (f *diskFile) Sync() error {
	fault := f.disk.check("sync")
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if errors.Is(fault, ErrForgetful) {
		return errors.Join(fault, f.disk.undo(f.path, func() bool { return false }))
	}
	if fault == nil {
		delete(f.disk.pending, f.path) // the real file need not be synced: the machine stays up
	}
	return fault
}
