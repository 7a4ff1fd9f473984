package home

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"pifs/blockstore/failpoint"
)

// unfinished begins the names of files that WriteFile has not renamed yet.
const unfinished = ".new-"

// WriteFile replaces path by a file of mode 0600 with data, durable on
// return. After a crash either the old or the new contents are there.
func WriteFile(path string, data []byte) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, unfinished+"*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
			err = fmt.Errorf("write %s: %w", path, err)
		}
	}()
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	failpoint.Hit(failpoint.FileReplacing)
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	failpoint.Hit(failpoint.FileReplaced)
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
