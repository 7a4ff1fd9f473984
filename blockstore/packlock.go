package blockstore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// The marker says that a directory is a store, and carries the lock.
const (
	markerName = "store"
	markerText = "pifs shard store 1\n"
)

// lockStore makes sure that dir is a store, or makes it one unless mustExist,
// and locks it for this process until the returned file is closed.
func lockStore(dir string, mustExist bool) (*os.File, error) {
	flags := os.O_RDWR
	if !mustExist {
		flags |= os.O_CREATE
		if err := MakeDir(dir); err != nil {
			return nil, err
		}
	}
	packs, err := checkNames(dir)
	if err != nil {
		return nil, err
	}
	if packs {
		flags |= os.O_CREATE // the marker was lost; what it marked is there
	}
	f, err := os.OpenFile(filepath.Join(dir, markerName), flags, 0o600)
	if err != nil {
		return nil, err
	}
	if err := flock(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if err := checkMarker(f, dir, packs); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func flock(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return ErrInUse
	}
	if err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	return nil
}

// checkMarker reads the marker, or writes it where a store is being made. A
// wrong one beside packs is damage: packs say themselves which version made
// them.
func checkMarker(f *os.File, dir string, packs bool) error {
	text := make([]byte, len(markerText)+1)
	n, _ := f.ReadAt(text, 0) // what cannot be read does not match
	// Zeros are a marker whose size survived a crash and whose bytes did not.
	switch text := strings.Trim(string(text[:n]), "\x00"); {
	case text == markerText:
		return nil
	case text != "" && !packs:
		return fmt.Errorf("%w: marker %q, this program knows %q", ErrFormat, text, markerText)
	}
	if err := f.Truncate(0); err != nil {
		return fmt.Errorf("write marker: %w", err)
	}
	if _, err := f.WriteAt([]byte(markerText), 0); err != nil {
		return fmt.Errorf("write marker: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("write marker: %w", err)
	}
	return OSFS{}.SyncDir(dir)
}

// checkNames refuses a directory that has no marker and holds things that are
// not ours, and reports whether it holds what a store consists of. A marker
// alone can be lost without harm.
func checkNames(dir string) (packs bool, err error) {
	names, err := os.ReadDir(dir)
	if err != nil {
		return false, err
	}
	marked, stranger := false, ""
	for _, e := range names {
		name := e.Name()
		_, pack := parsePackName(name)
		switch {
		case name == markerName:
			marked = true
		case pack || name == indexName:
			packs = true
		case !strings.HasPrefix(name, indexName) && name != "lost+found":
			stranger = name
		}
	}
	if stranger != "" && !marked && !packs {
		return false, fmt.Errorf("%w: not a shard store: it holds %q", ErrFormat, stranger)
	}
	return packs, nil
}

// packNumbers returns the numbers of the pack files in dir, ascending.
func packNumbers(dir string) ([]uint32, error) {
	names, err := os.ReadDir(dir) // sorted, and so are numbers of equal width
	if err != nil {
		return nil, err
	}
	var packs []uint32
	for _, e := range names {
		if n, ok := parsePackName(e.Name()); ok && e.Type().IsRegular() {
			packs = append(packs, n)
		}
	}
	return packs, nil
}
