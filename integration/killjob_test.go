package integration

import (
	"encoding/gob"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// killJobs are what the children of a campaign do.
func killJobs() map[string]func(args []string) error {
	return map[string]func([]string) error{
		"keep": func(a []string) error { return keep(a[0], number(a[1]), number(a[2])) },
		"killWriter": func(a []string) error {
			return killWriter(a[0], a[1], int(number(a[2])), uint64(number(a[3])), int(number(a[4])), int(number(a[5])), int(number(a[6])))
		},
		"killSyncer": func(a []string) error { return killSyncer(a[0], a[1], a[2], int(number(a[3])), int(number(a[4]))) },
		"killJudge": func(a []string) error {
			return killJudge(a[0], a[1], int(number(a[2])), uint64(number(a[3])), int(number(a[4])))
		},
	}
}

// diary is what a child of a campaign notes outside of the mount, so that it
// is known afterwards what was under way, what was done, and when.
type diary struct{ f *os.File }

func openDiary(path string) (*diary, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	return &diary{f}, err
}

// note writes that step n began (b) or ended (e).
func (d *diary) note(what string, n int) error {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return err
	}
	_, err := fmt.Fprintf(d.f, "%s %d %d\n", what, n, now.Nano())
	return err
}

// page is a step as a diary tells it; an End of 0 means that it did not end.
type page struct{ Begin, End int64 }

// readDiary returns the steps noted, the first at index 1. A diary that was
// not begun has none.
func readDiary(path string) ([]page, error) {
	pages := []page{{}}
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return pages, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for {
		var what string
		var n int
		var at int64
		if m, err := fmt.Fscanln(f, &what, &n, &at); m != 3 {
			if m == 0 {
				return pages, nil
			}
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		switch {
		case what == "b" && n == len(pages):
			pages = append(pages, page{Begin: at})
		case what == "e" && n == len(pages)-1:
			pages[n].End = at
		default:
			return nil, fmt.Errorf("read %s: %s %d after %d steps", path, what, n, len(pages)-1)
		}
	}
}

func folderName(writer int) string          { return fmt.Sprintf("writer-%d", writer) }
func diaryPath(state string, n int) string  { return filepath.Join(state, fmt.Sprintf("diary-%d", n)) }
func syncDiary(state string) string         { return filepath.Join(state, "diary-sync") }
func worldPath(state string, n int) string  { return filepath.Join(state, fmt.Sprintf("world-%d", n)) }
func saveWorld(path string, w *world) error { return writeGob(path, w) }

func writeGob(path string, v any) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(gob.NewEncoder(f).Encode(v), f.Close())
}

func loadWorld(path string) (*world, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	w := newWorld()
	return w, gob.NewDecoder(f).Decode(w)
}

// killWriter follows its script until the drive is gone under it, or for most
// steps if that is not 0.
func killWriter(state, mnt string, writer int, seed uint64, round, most, daemon int) error {
	w, err := loadWorld(worldPath(state, writer))
	if err != nil {
		return err
	}
	d, err := openDiary(diaryPath(state, writer))
	if err != nil {
		return err
	}
	s := newScript(seed, writer, round, w)
	root := filepath.Join(mnt, folderName(writer))
	for n := 1; most == 0 || n <= most; n++ {
		one := s.next()
		if err := d.note("b", n); err != nil {
			return err
		}
		if err := one.do(root); driveGone(err, daemon) {
			return nil
		} else if err != nil {
			return fmt.Errorf("step %d, %v: %w", n, one, err)
		}
		if err := d.note("e", n); err != nil {
			return err
		}
	}
	return nil
}

// driveGone reports what the kernel answers once a daemon is dead, and nothing
// else. The request that it was just taking when it was killed ends with EIO.
func driveGone(err error, daemon int) bool {
	return errors.Is(err, syscall.ENOTCONN) || errors.Is(err, syscall.ECONNABORTED) ||
		errors.Is(err, syscall.EIO) && diesWithin(daemon, 10*time.Second)
}

// killSyncer syncs, snapshots and drops caches until the daemon is gone. The
// command that finds none any more may work on the home itself.
func killSyncer(state, home, mnt string, round, daemon int) error {
	d, err := openDiary(syncDiary(state))
	if err != nil {
		return err
	}
	for n := 1; alive(daemon); n++ {
		args := []string{"sync", mnt}
		switch n % 4 {
		case 2:
			args = []string{"snapshot", fmt.Sprintf("round-%d-%d", round, n)}
		case 3:
			args = []string{"cache", "drop"}
		}
		if err := d.note("b", n); err != nil {
			return err
		}
		out, err := exec.Command("pifs", append([]string{"--home", home}, args...)...).CombinedOutput()
		if err != nil {
			if !diesWithin(daemon, 10*time.Second) {
				return fmt.Errorf("pifs %q: %w: %s", args, err, out)
			}
			return nil
		}
		if n%4 == 3 {
			continue // says nothing of durability: it has no end
		}
		if err := d.note("e", n); err != nil {
			return err
		}
	}
	return nil
}

// diesWithin waits for a process that is being killed.
func diesWithin(pid int, limit time.Duration) bool {
	for end := time.Now().Add(limit); alive(pid); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}
