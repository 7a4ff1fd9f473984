package lockstep

import (
	"errors"
	"fmt"
	"os"
	"path"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// side is a directory and the files an actor has open there; -1: none.
type side struct {
	root  int
	slots [Slots]int
}

func newSide() *side {
	s := &side{root: -1}
	for i := range s.slots {
		s.slots[i] = -1
	}
	return s
}

// begin closes everything and moves to another root, which root makes.
func (s *side) begin(root string) error {
	unix.Umask(0o022)
	for i := range s.slots {
		s.put(i, -1)
	}
	if s.root >= 0 {
		if err := unix.Close(s.root); err != nil {
			return fmt.Errorf("close root: %w", err)
		}
		s.root = -1
	}
	if root == "" {
		return nil
	}
	if os.Getuid() == 0 {
		if err := os.MkdirAll(root, 0o777); err != nil {
			return err
		}
		if err := os.Chmod(root, 0o777); err != nil {
			return err
		}
	}
	fd, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open root %s: %w", root, err)
	}
	s.root = fd
	return nil
}

// put makes fd the file of slot i and closes what was there.
func (s *side) put(i, fd int) error {
	old := s.slots[i]
	s.slots[i] = fd
	if old < 0 {
		return nil
	}
	return unix.Close(old)
}

// base returns the descriptor that a step's paths begin at.
func (s *side) base(step *Step) int {
	if step.Base >= 0 {
		return s.slots[step.Base] // -1 gives EBADF on both sides
	}
	return s.root
}

// times are what a file's attributes say of changes, in nanoseconds.
type times struct {
	ino          uint64 // 0: there is no file
	mtime, ctime int64
}

func timesOf(st *unix.Stat_t) times {
	return times{st.Ino, st.Mtim.Nano(), st.Ctim.Nano()}
}

// look is one file that a step names.
type look struct {
	what   string
	dir    int
	path   string // empty: dir itself
	before times
}

// looks returns what a step may change: the files it names, their
// directories, and its slot. What may close a descriptor has none: its number
// could be that of something the runtime opened since.
func (s *side) looks(step *Step) []look {
	var all []look
	dir := s.base(step)
	for _, name := range step.names() {
		all = append(all, look{what: fmt.Sprintf("%q", name), dir: dir, path: name})
		if parent := path.Dir(name); parent != name {
			all = append(all, look{what: fmt.Sprintf("dir %q", parent), dir: dir, path: parent})
		}
	}
	closes := step.Op == Close || step.Op == Dup
	if fd := s.slots[step.Slot]; fd >= 0 && len(step.Path) == 0 && !closes {
		all = append(all, look{what: "slot", dir: fd})
	}
	return all
}

func (l *look) stat() (unix.Stat_t, error) {
	var st unix.Stat_t
	if l.path == "" {
		return st, unix.Fstat(l.dir, &st)
	}
	return st, unix.Fstatat(l.dir, l.path, &st, unix.AT_SYMLINK_NOFOLLOW)
}

// prepare remembers the times before the call.
func (l *look) prepare() {
	if st, err := l.stat(); err == nil {
		l.before = timesOf(&st)
	}
}

// coarse is more than the distance of two ticks of the clock from which file
// systems may take their times.
const coarse = 20 * time.Millisecond

// describe tells how the file looks now. Times that moved are named; a time
// that may have been set again within one tick has a "?".
func (l *look) describe() string {
	st, err := l.stat()
	if err != nil {
		return l.what + ": " + errnoName(err)
	}
	out := l.what + ": " + attributes(&st)
	now := timesOf(&st)
	if l.before.ino != now.ino {
		return out // another file: its times have nothing to do with each other
	}
	if st.Mode&unix.S_IFMT == unix.S_IFIFO {
		return out // the kernel moves bytes through it without telling a FUSE daemon
	}
	return out + moved(" mtime", l.before.mtime, now.mtime) + moved(" ctime", l.before.ctime, now.ctime)
}

func moved(name string, before, now int64) string {
	switch {
	case before != now:
		return name + "+"
	case time.Since(time.Unix(0, before)).Abs() < coarse:
		return name + "?"
	}
	return name + "="
}

// attributes are what two file systems must agree on.
func attributes(st *unix.Stat_t) string {
	out := fmt.Sprintf("mode=%o nlink=%d uid=%d gid=%d", st.Mode, st.Nlink, st.Uid, st.Gid)
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		out += fmt.Sprintf(" size=%d", st.Size)
	}
	return out
}

func errnoName(err error) string {
	if err == nil {
		return ""
	}
	var no syscall.Errno
	if errors.As(err, &no) {
		return unix.ErrnoName(no)
	}
	return err.Error()
}
