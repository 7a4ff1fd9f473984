package home

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"github.com/adrg/xdg"

	"pifs/blockstore"
	"pifs/blockstore/failpoint"
)

// The kinds of failure of this package.
var (
	ErrNone       = errors.New("no home")             // nothing was created there yet
	ErrForeign    = errors.New("not your home")       // of another user, or open to others
	ErrLocked     = errors.New("home is in use")      // by another process
	ErrMismatch   = errors.New("differs from before") // settings contradict those of the creation
	ErrPassphrase = errors.New("wrong passphrase")
	ErrNoVolume   = errors.New("unknown volume")
	ErrDamaged    = errors.New("damaged home")
)

// Home is an existing, checked home.
type Home struct {
	Dir    string // absolute
	Config Config
}

// Locate returns the folder of the home: the flag's, else $PIFS_HOME, else
// pifs in the XDG data folder.
func Locate(flag string, getenv func(string) string) (string, error) {
	for _, dir := range []string{flag, getenv("PIFS_HOME")} {
		if dir != "" {
			return filepath.Abs(dir)
		}
	}
	return filepath.Join(xdg.DataHome, "pifs"), nil
}

// Open returns the home in dir: ErrNone when there is none, ErrForeign when
// it belongs to somebody else or lies open.
func Open(dir string) (*Home, error) {
	if err := checkOwner(dir); err != nil {
		return nil, err
	}
	h := &Home{Dir: dir}
	if err := h.loadConfig(); err != nil {
		return nil, err
	}
	return h, nil
}

// Create makes the home in dir, which must be missing, empty, or left over
// from a creation that was cut short. Everything is durable on return.
func Create(dir string, s Settings, genesis string) (*Home, error) {
	if err := prepare(dir); err != nil {
		return nil, err
	}
	h := &Home{Dir: dir}
	if err := h.createKeys(genesis); err != nil {
		return nil, err
	}
	failpoint.Hit(failpoint.HomeKeysMade)
	for _, sub := range []string{"stores", "cache", "volumes"} {
		if err := blockstore.MakeDir(filepath.Join(dir, sub)); err != nil {
			return nil, fmt.Errorf("create home: %w", err)
		}
	}
	// The configuration comes last: a home that has one is complete.
	if err := h.createConfig(s); err != nil {
		return nil, err
	}
	return h, nil
}

// prepare makes dir an owned folder of mode 0700 without foreign contents.
func prepare(dir string) error {
	if err := blockstore.MakeDir(dir); err != nil {
		return fmt.Errorf("create home: %w", err)
	}
	if err := ownedByUs(dir); err != nil {
		return err
	}
	ents, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("create home: %w", err)
	}
	for _, e := range ents {
		switch name := e.Name(); name {
		case "keys", "stores", "cache", "volumes", "lock", "log":
		default:
			if strings.HasPrefix(name, unfinished) {
				continue // of the creation that was cut short
			}
			return fmt.Errorf("create home: %s is not empty and not a home (it has %q): %w", dir, name, ErrMismatch)
		}
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return fmt.Errorf("create home: %w", err)
	}
	return nil
}

func checkOwner(dir string) error {
	fi, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("open home %s: %w", dir, ErrNone)
	case err != nil:
		return fmt.Errorf("open home: %w", err)
	case !fi.IsDir():
		return fmt.Errorf("open home %s: not a directory: %w", dir, ErrMismatch)
	}
	if err := ownedByUs(dir); err != nil {
		return err
	}
	if path := filepath.Join(dir, "config.json"); !exists(path) && !exists(path+copySuffix) {
		return fmt.Errorf("open home %s: %w", dir, ErrNone)
	}
	if mode := fi.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("open home %s: mode %04o lets others in, run: chmod 700 %s: %w", dir, mode, dir, ErrForeign)
	}
	return nil
}

func ownedByUs(dir string) error {
	var st syscall.Stat_t
	if err := syscall.Stat(dir, &st); err != nil {
		return fmt.Errorf("open home %s: %w", dir, err)
	}
	if int(st.Uid) == os.Geteuid() {
		return nil
	}
	name := strconv.Itoa(int(st.Uid))
	if u, err := user.LookupId(name); err == nil {
		name = u.Username
	}
	return fmt.Errorf("open home %s: it belongs to user %s: %w", dir, name, ErrForeign)
}

// Path returns the path of something inside the home.
func (h *Home) Path(elem ...string) string {
	return filepath.Join(append([]string{h.Dir}, elem...)...)
}

// VolumeDir returns the folder of a volume's metadata.
func (h *Home) VolumeDir(name string) string { return h.Path("volumes", name) }

// Socket returns the path of the daemon's control socket.
func (h *Home) Socket() string { return h.Path("daemon.sock") }

// CheckVolumeName reports whether name can name a volume: a letter or digit,
// then up to 63 letters, digits, dots, dashes or underscores.
func CheckVolumeName(name string) error {
	if regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`).MatchString(name) {
		return nil
	}
	return fmt.Errorf("volume name %q: use up to 64 letters, digits, dots, dashes and underscores: %w", name, ErrNoVolume)
}
