package fsnode

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"pifs/blockstore"
)

const (
	metaFile   = "meta.db"
	guardFile  = "meta.state"
	maxGuard   = 1 << 10  // bytes of a guard that we are ready to read
	verifyRows = 32 << 20 // bytes of a database whose every row is read after a crash
)

// The states of a guard.
const (
	guardOpen    = 'O' // in use, or left by a crash
	guardClosed  = 'C'
	guardAltered = 'D' // closed, and changed since: the database is not to be opened again
)

// guard stands outside the database and knows how many saves it had, and what
// its file was when it was closed. So a database that was rolled back, lost
// its log or was changed while closed is noticed: SQLite takes a damaged log
// for one that a crash cut off, and a flipped bit for what was written.
//
//	meta.state   guardOpen, guardClosed or guardAltered, then guardNote sealed as row g/0/0
type guard struct {
	path string
	f    *os.File
	gen  uint64 // saves that the database has; guarded by Volume.saveMu
}

type guardNote struct {
	_struct bool     `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Gen     uint64   // saves
	Time    int64    // of the last, seconds since the epoch
	Hash    [32]byte // of meta.db when it was closed, else zero
}

// openGuarded opens the database and compares it with its guard; ErrDatabase
// if it is not what was saved last.
func (v *Volume) openGuarded(ctx context.Context) error {
	path := filepath.Join(v.o.Dir, metaFile)
	raw, err := readGuard(filepath.Join(v.o.Dir, guardFile))
	if err != nil {
		return err
	}
	if len(raw) > 0 && raw[0] == guardAltered {
		return errAltered
	}
	d, err := openVouched(path)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDatabase, err)
	}
	v.doubt = d
	if v.db, err = openMeta(path, v.o.Keys.Local); err != nil {
		return err
	}
	var gen uint64
	if _, err := v.db.value("save", &gen); err != nil {
		return fmt.Errorf("%w: %w", ErrDatabase, err)
	}
	v.guard = &guard{path: filepath.Join(v.o.Dir, guardFile), gen: gen}
	var note guardNote
	known := len(raw) > 1 && v.db.open('g', 0, 0, raw[1:], &note) == nil
	var count volumeCount
	if found, err := v.db.value("count", &count); err != nil {
		return fmt.Errorf("%w: %w", ErrDatabase, err)
	} else if !found {
		v.lostAll = known && note.Gen > 0
		close(d.done)
		return nil // it is filled from the newest head
	}
	switch {
	case known && note.Gen > gen:
		return fmt.Errorf("%w: its last %d saves are gone, up to the one of %s", ErrDatabase,
			note.Gen-gen, time.Unix(note.Time, 0).UTC().Format(time.RFC3339))
	case known && raw[0] == guardClosed && note.Gen == gen:
		d.hash = &note.Hash
	}
	return v.vouch(ctx)
}

var errAltered = fmt.Errorf("%w: the file is not as it was closed", ErrDatabase)

func readGuard(path string) ([]byte, error) {
	fi, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && fi.Size() > maxGuard {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read guard of metadata: %w", err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read guard of metadata: %w", err)
	}
	return raw, nil
}

// saved notes a save. It is not synced: after a power cut the guard may be
// behind the database, which is no damage.
func (g *guard) saved(db *metaDB) error {
	g.gen++
	return g.write(db, guardOpen, guardNote{Gen: g.gen, Time: time.Now().Unix()})
}

func (g *guard) write(db *metaDB, state byte, n guardNote) (err error) {
	sealed, err := db.seal('g', 0, 0, &n)
	if err != nil {
		return fmt.Errorf("seal guard: %w", err)
	}
	if g.f == nil {
		if g.f, err = os.OpenFile(g.path, os.O_CREATE|os.O_WRONLY, 0o600); err != nil {
			return fmt.Errorf("open guard: %w", err)
		}
	}
	text := append([]byte{state}, sealed...)
	if _, err := g.f.WriteAt(text, 0); err != nil {
		return fmt.Errorf("write guard: %w", err)
	}
	if err := g.f.Truncate(int64(len(text))); err != nil {
		return fmt.Errorf("write guard: %w", err)
	}
	return nil
}

// close notes what the database at path, which was just closed, consists of.
// One that left a log behind is not vouched for.
func (g *guard) close(db *metaDB, path string) error {
	if fi, err := os.Stat(path + "-wal"); err == nil && fi.Size() > 0 {
		return g.closeFile()
	}
	hash, err := blockstore.HashFile(path)
	if err != nil {
		return errors.Join(err, g.closeFile())
	}
	err = g.write(db, guardClosed, guardNote{Gen: g.gen, Time: time.Now().Unix(), Hash: hash})
	if err == nil {
		err = g.f.Sync()
	}
	return errors.Join(err, g.closeFile())
}

func (g *guard) closeFile() error {
	if g.f == nil {
		return nil
	}
	return g.f.Close()
}

// SetAside puts the database of the volume in dir out of the way, so that the
// next Open loads it again from the newest head. It stays with the suffix
// .damaged until the next time.
func SetAside(dir string) error {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		path := filepath.Join(dir, metaFile)
		err := os.Rename(path+suffix, path+".damaged"+suffix)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("set metadata aside: %w", err)
		}
	}
	if err := os.Remove(filepath.Join(dir, guardFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("set metadata aside: %w", err)
	}
	return nil
}
