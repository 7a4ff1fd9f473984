package blockstore

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// FS is what the pack store needs of a file system. Tests put one in between
// that fails on demand.
type FS interface {
	// Create makes a new empty file, open for reading and writing.
	Create(path string) (File, error)
	// Open opens an existing file for reading and writing.
	Open(path string) (File, error)
	Remove(path string) error
	// SyncDir makes the directory's entries durable.
	SyncDir(path string) error
}

// File is an open pack file.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Truncate(size int64) error
	// Sync makes the contents and the size durable.
	Sync() error
	Size() (int64, error)
}

// puncher is a File of which parts can be given back to the disk. They read
// as zeros then.
type puncher interface {
	Punch(off, length int64) error
}

// OSFS is the operating system's file system.
type OSFS struct{}

var _ FS = OSFS{}

func (OSFS) Create(path string) (File, error) {
	return openFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL)
}

func (OSFS) Open(path string) (File, error) { return openFile(path, os.O_RDWR) }

func (OSFS) Remove(path string) error { return os.Remove(path) }

func (OSFS) SyncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func openFile(path string, flags int) (File, error) {
	f, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		return nil, err
	}
	return &osFile{File: f}, nil
}

type osFile struct {
	*os.File
	bypass bypass
}

var (
	_ File    = (*osFile)(nil)
	_ puncher = (*osFile)(nil)
)

// Sync leaves out the times, which nobody reads.
func (f *osFile) Sync() error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EINTR) {
			return &os.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
		}
	}
}

// Punch implements puncher. It works on a disk that is full.
func (f *osFile) Punch(off, length int64) error {
	const mode = unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE
	if err := unix.Fallocate(int(f.Fd()), mode, off, length); err != nil {
		return &os.PathError{Op: "punch hole", Path: f.Name(), Err: err}
	}
	return nil
}

// Close closes both descriptors.
func (f *osFile) Close() error { return errors.Join(f.bypass.close(), f.File.Close()) }

func (f *osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
