package blockstore

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
)

// maxOpenPacks bounds the file descriptors of one store.
const maxOpenPacks = 64

// packFiles opens pack files when they are asked for and closes the least
// recently used. It is safe for concurrent use.
type packFiles struct {
	fs  FS
	dir string

	mu     sync.Mutex
	open   map[uint32]*packFile
	clock  uint64
	closed bool
}

// packFile is an open pack. It stays open while refs > 0, even if it has been
// dropped from the set or its file removed.
type packFile struct {
	File
	refs int
	used uint64 // clock at the last use
	gone bool   // no longer in the set: close at the last release
}

func newPackFiles(fs FS, dir string) *packFiles {
	return &packFiles{fs: fs, dir: dir, open: make(map[uint32]*packFile)}
}

func (s *packFiles) path(n uint32) string { return filepath.Join(s.dir, packName(n)) }

// acquire returns pack n, opened if need be; release must follow.
func (s *packFiles) acquire(n uint32) (*packFile, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	if f, ok := s.open[n]; ok {
		return s.use(f), nil
	}
	f, err := s.fs.Open(s.path(n))
	if err != nil {
		return nil, err
	}
	return s.add(n, f), nil
}

// create makes pack n with its header and returns it; release must follow.
func (s *packFiles) create(n uint32) (*packFile, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, err := s.fs.Create(s.path(n))
	if err != nil {
		return nil, err
	}
	if _, err := f.WriteAt(packHeader(), 0); err != nil {
		return nil, errors.Join(err, f.Close(), s.fs.Remove(s.path(n)))
	}
	return s.add(n, f), nil
}

func (s *packFiles) add(n uint32, f File) *packFile {
	p := &packFile{File: f}
	s.open[n] = p
	s.evict()
	return s.use(p)
}

func (s *packFiles) use(f *packFile) *packFile {
	s.clock++
	f.used = s.clock
	f.refs++
	return f
}

// evict closes idle files until the set is within its bound. A file that was
// written keeps its dirty pages: a later Sync through a new descriptor
// reaches them.
func (s *packFiles) evict() {
	for len(s.open) > maxOpenPacks {
		var oldest uint32
		for n, f := range s.open {
			if idle := f.refs == 0 && f.used > 0; idle && (oldest == 0 || f.used < s.open[oldest].used) {
				oldest = n
			}
		}
		if oldest == 0 {
			return
		}
		_ = s.open[oldest].Close() // nothing is buffered in the descriptor
		delete(s.open, oldest)
	}
}

func (s *packFiles) release(f *packFile) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.refs--
	if f.gone && f.refs == 0 {
		_ = f.Close() // whatever was to be durable has been synced
	}
}

// remove deletes pack n. Whoever has it acquired may go on reading.
func (s *packFiles) remove(n uint32) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f, ok := s.open[n]; ok {
		delete(s.open, n)
		f.gone = true
		if f.refs == 0 {
			_ = f.Close()
		}
	}
	if err := s.fs.Remove(s.path(n)); err != nil {
		return fmt.Errorf("remove pack: %w", err)
	}
	return nil
}

// sync makes pack n durable.
func (s *packFiles) sync(n uint32) error {
	f, err := s.acquire(n)
	if err != nil {
		return err
	}
	defer s.release(f)
	return f.Sync()
}

// close closes all that is idle; the rest follows when it is released.
func (s *packFiles) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	var errs []error
	for n, f := range s.open {
		delete(s.open, n)
		f.gone = true
		if f.refs == 0 {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}
