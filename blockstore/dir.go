package blockstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// MakeDir makes the directory path, mode 0700, and those above it that are
// missing, and makes its name durable: a sync of what is put into a directory
// does not keep the directory itself from getting lost with the power. A
// directory that exists already is synced too, since whoever made it may have
// been killed before it was.
func MakeDir(path string) error {
	err := os.Mkdir(path, 0o700)
	if errors.Is(err, fs.ErrNotExist) {
		if err := MakeDir(filepath.Dir(path)); err != nil {
			return err
		}
		err = os.Mkdir(path, 0o700)
	}
	there := false
	if errors.Is(err, fs.ErrExist) {
		info, statErr := os.Stat(path) // follows links, as MkdirAll does
		if statErr == nil && info.IsDir() {
			there, err = true, nil
		}
	}
	if err != nil {
		return err
	}
	err = OSFS{}.SyncDir(filepath.Dir(path))
	if there && errors.Is(err, fs.ErrPermission) {
		return nil // a folder among others' that is not ours to read is not our making either
	}
	if err != nil {
		return fmt.Errorf("sync folder of %s: %w", path, err)
	}
	return nil
}
