package blockstore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/zeebo/blake3"
)

// A closing mark stands beside a database that was closed in good order and
// holds the hash of the file: SQLite does not notice a bit that flipped while
// nobody looked, nor a file that is an older one.
//
//	NAME.mark   hash of the file (32 bytes) ‖ first 8 bytes of BLAKE3 of that
const markSuffix = ".mark"

// Mark is what a closing mark says of its file.
type Mark uint8

const (
	Unmarked Mark = iota // nothing: in use until a crash, or by an older version
	Sound                // the file is as it was closed
	Altered              // it is not
)

// WriteMark marks the database at path, which is closed. One that left a log
// behind gets no mark.
func WriteMark(path string) error {
	if fi, err := os.Stat(path + "-wal"); err == nil && fi.Size() > 0 {
		return nil
	}
	sum, err := HashFile(path)
	if err != nil {
		return fmt.Errorf("mark %s: %w", path, err)
	}
	check := blake3.Sum256(sum[:])
	f, err := os.OpenFile(path+markSuffix, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("mark %s: %w", path, err)
	}
	_, err = f.Write(append(sum[:], check[:8]...))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("mark %s: %w", path, err)
	}
	return nil
}

// TakeMark compares the database at path, which is not open, with its mark. It
// removes the mark durably, since the file may change from then on, unless the
// file is altered: that stays to be seen until somebody mends it.
func TakeMark(path string) (Mark, error) {
	raw, err := os.ReadFile(path + markSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return Unmarked, nil
	}
	if err != nil {
		return Unmarked, fmt.Errorf("read mark: %w", err)
	}
	verdict := Unmarked
	if len(raw) == 40 {
		if check := blake3.Sum256(raw[:32]); string(check[:8]) == string(raw[32:]) {
			sum, err := HashFile(path)
			switch {
			case errors.Is(err, fs.ErrNotExist):
			case err == nil && string(sum[:]) == string(raw[:32]):
				verdict = Sound
			default:
				verdict = Altered
			}
		}
	}
	if verdict == Altered {
		return verdict, nil
	}
	if err := os.Remove(path + markSuffix); err != nil {
		return verdict, fmt.Errorf("remove mark: %w", err)
	}
	return verdict, OSFS{}.SyncDir(filepath.Dir(path))
}

// HashFile returns the BLAKE3 of a file.
func HashFile(path string) (sum [32]byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	h := blake3.New()
	if _, err := io.Copy(h, f); err != nil {
		return sum, fmt.Errorf("hash %s: %w", path, err)
	}
	h.Sum(sum[:0])
	return sum, nil
}
