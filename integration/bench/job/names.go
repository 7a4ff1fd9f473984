package job

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// statLike asks below Path for all that is below From.
func statLike(s Spec) (work, error) {
	var paths []string
	err := filepath.WalkDir(s.From, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(s.From, path)
		paths = append(paths, filepath.Join(s.Path, name))
		return err
	})
	return statAll(paths), err
}

func statAll(paths []string) work {
	return func() error {
		for _, p := range paths {
			if _, err := os.Lstat(p); err != nil {
				return err
			}
		}
		return nil
	}
}

// firstEntry opens the folder Path and reads one name.
func firstEntry(s Spec) (work, error) {
	return func() error {
		d, err := os.Open(s.Path)
		if err != nil {
			return err
		}
		defer d.Close()
		_, err = d.Readdirnames(1)
		return err
	}, nil
}

// names reads the Count names in the folder Path.
func names(s Spec) (work, error) {
	return func() error {
		d, err := os.Open(s.Path)
		if err != nil {
			return err
		}
		defer d.Close()
		for left := s.Count; ; {
			list, err := d.Readdirnames(4096)
			left -= int64(len(list))
			switch {
			case err == io.EOF && left == 0:
				return nil
			case err == io.EOF:
				return fmt.Errorf("%s has %d names, not %d", s.Path, s.Count-left, s.Count)
			case err != nil:
				return err
			}
		}
	}, nil
}

// forget has the kernel drop the bytes that it keeps of the files below Path,
// which needs no rights.
func forget(s Spec) (work, error) {
	return func() error {
		return filepath.WalkDir(s.Path, func(path string, e fs.DirEntry, err error) error {
			if err != nil || !e.Type().IsRegular() {
				return err
			}
			f, err := os.Open(path)
			if err != nil {
				return err
			}
			defer f.Close()
			return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
		})
	}, nil
}
