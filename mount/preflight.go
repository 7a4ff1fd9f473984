package mount

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// Why a directory can not be mounted on. Preflight wraps one of these.
var (
	ErrMissing      = errors.New("the mount point does not exist")
	ErrNotDirectory = errors.New("the mount point is not a directory")
	ErrNotEmpty     = errors.New("the mount point is not empty")
	ErrMounted      = errors.New("something is mounted there already")
	ErrDead         = errors.New("a mount was left there by a daemon that is gone")
)

// Preflight tells whether dir can be mounted on, and if not, why. After
// ErrDead, Recover clears the way.
func Preflight(dir string) error {
	if err := preflight(dir); err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	return nil
}

func preflight(dir string) error {
	at, err := placed(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ErrMissing
	case errors.Is(err, syscall.ENOTDIR):
		return ErrNotDirectory
	case err != nil:
		return err
	case len(at) > 0 && isDead(dir):
		return ErrDead
	case len(at) > 0:
		return ErrMounted
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ErrMissing
	case errors.Is(err, syscall.ENOTDIR):
		return ErrNotDirectory
	case err != nil:
		return err
	case !info.IsDir():
		return ErrNotDirectory
	}
	return checkEmpty(dir)
}

// placed returns what is mounted on dir.
func placed(dir string) ([]mounted, error) {
	path, err := place(dir)
	if err != nil {
		return nil, err
	}
	return mountsAt(path)
}

func checkEmpty(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.Readdirnames(1)
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return err
	}
	return ErrNotEmpty
}

// isDead reports whether nobody serves the mount on dir.
func isDead(dir string) bool {
	var st syscall.Statfs_t
	return errors.Is(syscall.Statfs(dir, &st), syscall.ENOTCONN)
}

// Recover removes dead mounts of ours from dir and reports whether there were
// any. It leaves alone whatever answers and whatever is not ours.
func Recover(dir string) (bool, error) {
	removed := false
	for {
		at, err := placed(dir)
		if err != nil {
			return removed, fmt.Errorf("recover %s: %w", dir, err)
		}
		if len(at) == 0 || at[len(at)-1].fstype != "fuse."+subtype || !isDead(dir) {
			return removed, nil
		}
		if err := Unmount(dir, true); err != nil {
			return removed, fmt.Errorf("recover: %w", err)
		}
		removed = true
	}
}
