package integration

import (
	"strings"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"pifs/integration/lockstep"
)

// Few names, so that steps meet. Bytes of every kind, and lengths at the
// limits.
func lockstepNames() []string {
	long := strings.Repeat("n", 255)
	return []string{
		"a", "a", "a", "b", "b", "b", "c", "d", "a/a", "a/b", "b/a", "b/b", "a/b/a", "a/b/c", "c/a", "d/a",
		"\xff\x01 \n", long, "a/" + long, long + "n", "a/..", "b/.", "a/", "b/", ".", "a/../b",
	}
}

// callWeights says how often each call comes.
func callWeights() []lockstep.Op {
	weights := []struct {
		op lockstep.Op
		n  int
	}{
		{lockstep.Open, 15}, {lockstep.Close, 1}, {lockstep.Dup, 1}, {lockstep.Pread, 6}, {lockstep.Pwrite, 12}, {lockstep.Read, 4},
		{lockstep.Write, 10}, {lockstep.Lseek, 2}, {lockstep.Ftruncate, 4}, {lockstep.Truncate, 3}, {lockstep.Fallocate, 5},
		{lockstep.Fsync, 2}, {lockstep.Fdatasync, 1}, {lockstep.Fadvise, 1}, {lockstep.Mkdir, 7}, {lockstep.Rmdir, 3}, {lockstep.Unlink, 5},
		{lockstep.Rename, 9}, {lockstep.Link, 6}, {lockstep.Symlink, 4}, {lockstep.Readlink, 2}, {lockstep.Mknod, 2}, {lockstep.Chmod, 5},
		{lockstep.Fchmod, 2}, {lockstep.Chown, 5}, {lockstep.Fchown, 2}, {lockstep.Utimens, 5}, {lockstep.Setxattr, 5}, {lockstep.Getxattr, 3},
		{lockstep.Listxattr, 3}, {lockstep.Removexattr, 2}, {lockstep.Access, 3}, {lockstep.Stat, 3}, {lockstep.Fstat, 2}, {lockstep.Readdir, 5},
		{lockstep.MmapWrite, 4}, {lockstep.MmapRead, 4}, {lockstep.Flock, 4}, {lockstep.Setlk, 5}, {lockstep.Getlk, 2}, {lockstep.Umask, 1},
	}
	// Shrinking and drawing prefer what comes first: so every call comes early.
	all := []lockstep.Op{opNothing}
	for round := range 3 * 15 {
		for _, w := range weights {
			if round < 3*w.n {
				all = append(all, w.op)
			}
		}
	}
	return append(all, opTree, opTree, opTree, opSync, opSync, opDrop, opDrop, opRemount, opSnapshot) // these take long
}

// firstSteps give every history something to work on: two directories that
// all may write to, and for each actor a file of its own, one that all share
// and a directory.
func firstSteps() []lockstep.Step {
	steps := []lockstep.Step{
		{Op: lockstep.Mkdir, Base: -1, Path: []byte("a")}, {Op: lockstep.Chmod, Base: -1, Path: []byte("a"), Mode: 0o777},
		{Op: lockstep.Mkdir, Base: -1, Path: []byte("b")}, {Op: lockstep.Chmod, Base: -1, Path: []byte("b"), Mode: 0o2777},
	}
	for actor := range observer {
		for slot, path := range []string{"a/b", "b/" + string(rune('a'+actor)), "b"} {
			step := lockstep.Step{Actor: actor, Op: lockstep.Open, Slot: slot, Base: -1, Path: []byte(path), Flags: unix.O_RDWR | unix.O_CREAT, Mode: 0o666}
			if path == "b" {
				step.Flags = unix.O_DIRECTORY
			}
			steps = append(steps, step)
			if actor == 0 && slot == 0 {
				steps = append(steps, lockstep.Step{Op: lockstep.Fchmod, Base: -1, Mode: 0o666})
			}
		}
	}
	return steps
}

// draw is one step being drawn.
type draw struct{ *rapid.T }

func (d draw) one(label string, from ...int) int { return rapid.SampledFrom(from).Draw(d.T, label) }
func (d draw) path(label string) []byte {
	return []byte(rapid.SampledFrom(lockstepNames()).Draw(d.T, label))
}
func (d draw) mode() uint32 {
	return uint32(d.one("mode", 0o644, 0o755, 0o777, 0o600, 0, 0o444, 0o711, 0o1777, 0o2775, 0o4755, 0o6777, 0o666))
}

// offset is near the limits of what is stored in one piece.
func (d draw) offset(label string) int64 {
	base := d.one(label, 0, 0, 4096, 8192, 64<<10, 256<<10, 1<<20, 3<<20)
	return int64(max(0, base+rapid.IntRange(-2, 5000).Draw(d.T, label+" more")))
}

func (d draw) length(label string) int64 {
	if rapid.IntRange(0, 19).Draw(d.T, label+" large") == 0 {
		return int64(rapid.IntRange(1<<20, 4<<20).Draw(d.T, label))
	}
	return int64(rapid.SampledFrom([]int{1, 100, 4096, 8192, 10_000, 70_000, 300_000}).Draw(d.T, label))
}

// when is a number that lockstep makes a time of.
func (d draw) when(label string) int64 {
	return int64(d.one(label, -1, -2, -2, 0, 1, 123_456_789, 1_234_567_890, 1_699_999_999))
}

func drawStep(r *rapid.T) lockstep.Step {
	d := draw{r}
	s := lockstep.Step{Base: -1}
	if s.Op = rapid.SampledFrom(callWeights()).Draw(r, "op"); s.Op == opNothing {
		return s
	}
	s.Actor = d.one("actor", 0, 0, 1, 1, 2)
	s.Slot = rapid.IntRange(0, lockstep.Slots-1).Draw(r, "slot")
	if rapid.IntRange(0, 9).Draw(r, "relative") == 0 {
		s.Base = rapid.IntRange(0, lockstep.Slots-1).Draw(r, "base")
	}
	d.names(&s)
	d.numbers(&s)
	return s
}

// names fills in what a step is about.
func (d draw) names(s *lockstep.Step) {
	switch s.Op {
	case lockstep.Open, lockstep.Mkdir, lockstep.Rmdir, lockstep.Unlink, lockstep.Readlink, lockstep.Mknod, lockstep.Chmod, lockstep.Chown,
		lockstep.Utimens, lockstep.Truncate, lockstep.Access, lockstep.Stat, lockstep.Readdir:
		s.Path = d.path("path")
	case lockstep.Rename, lockstep.Link, lockstep.Symlink:
		s.Path, s.Path2 = d.path("path"), d.path("new")
	case lockstep.Setxattr, lockstep.Getxattr, lockstep.Listxattr, lockstep.Removexattr:
		s.Path = d.path("path")
		s.Name = rapid.SampledFrom([]string{"user.a", "user.a", "user.b", "trusted.t", "other.x"}).Draw(d.T, "name")
	}
}

// numbers fills in the rest.
func (d draw) numbers(s *lockstep.Step) {
	switch s.Op {
	case lockstep.Open:
		s.Mode = d.mode()
		s.Flags = d.one("access", unix.O_RDONLY, unix.O_WRONLY, unix.O_RDWR, unix.O_RDWR) |
			d.one("create", 0, unix.O_CREAT, unix.O_CREAT, unix.O_CREAT, unix.O_CREAT|unix.O_EXCL, unix.O_DIRECTORY) |
			d.one("how", 0, 0, 0, unix.O_APPEND, unix.O_TRUNC, unix.O_NOFOLLOW, unix.O_SYNC, unix.O_DSYNC, unix.O_PATH)
	case lockstep.Mkdir, lockstep.Chmod, lockstep.Fchmod, lockstep.Umask:
		s.Mode = d.mode()
	case lockstep.Mknod:
		s.Mode = d.mode()&0o777 | uint32(d.one("type", unix.S_IFIFO, unix.S_IFSOCK, unix.S_IFREG))
	case lockstep.Access:
		s.Mode = uint32(rapid.IntRange(0, 7).Draw(d.T, "access"))
	case lockstep.Pread, lockstep.Pwrite, lockstep.MmapRead, lockstep.MmapWrite, lockstep.Read, lockstep.Write:
		s.Off, s.Len, s.Mode = d.offset("offset"), d.length("length"), uint32(rapid.IntRange(0, 5).Draw(d.T, "kind"))
	case lockstep.Ftruncate, lockstep.Truncate:
		s.Len = d.offset("size")
	case lockstep.Dup:
		s.Slot2 = rapid.IntRange(0, lockstep.Slots-1).Draw(d.T, "to")
	case lockstep.Lseek:
		s.Off, s.Flags = d.offset("offset"), d.one("whence", unix.SEEK_SET, unix.SEEK_CUR, unix.SEEK_END)
	case lockstep.Fallocate:
		s.Off, s.Len = d.offset("offset"), d.length("length")
		s.Flags = d.one("fallocate", 0, unix.FALLOC_FL_KEEP_SIZE, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE,
			unix.FALLOC_FL_ZERO_RANGE, unix.FALLOC_FL_ZERO_RANGE|unix.FALLOC_FL_KEEP_SIZE)
	case lockstep.Rename:
		s.Flags = d.one("how", 0, 0, 0, unix.RENAME_NOREPLACE, unix.RENAME_EXCHANGE)
	case lockstep.Link:
		s.Flags = d.one("follow", 0, 0, unix.AT_SYMLINK_FOLLOW)
	case lockstep.Chown, lockstep.Fchown:
		s.ID, s.Off = d.one("user", -1, 0, 1000, 1001), int64(d.one("group", -1, 0, 1000, 1001, 2000))
		s.Flags = d.one("follow", 0, 0, unix.AT_SYMLINK_NOFOLLOW)
		if s.ID == -1 && s.Off == -1 {
			// From root, the kernel's request for this is the one for fallocate
			// by root, which keeps setuid where this drops it.
			s.ID = 1000
		}
	case lockstep.Stat:
		s.Flags = d.one("follow", 0, unix.AT_SYMLINK_NOFOLLOW)
	case lockstep.Utimens:
		s.Off, s.Len = d.when("atime"), d.when("mtime")
		s.Flags = d.one("follow", 0, 0, unix.AT_SYMLINK_NOFOLLOW)
	case lockstep.Setxattr:
		s.Len = int64(d.one("size", 0, 1, 100, 1000))
		s.Flags = d.one("flags", 0, 0, unix.XATTR_CREATE, unix.XATTR_REPLACE)
	case lockstep.Getxattr:
		s.Len = int64(d.one("size", 0, 10, 4000, 4000))
	case lockstep.Flock:
		s.Flags = d.one("lock", unix.LOCK_SH, unix.LOCK_EX, unix.LOCK_UN)
	case lockstep.Setlk, lockstep.Getlk:
		s.Flags = d.one("lock", unix.F_RDLCK, unix.F_WRLCK, unix.F_WRLCK, unix.F_UNLCK)
		s.Off, s.Len = int64(rapid.IntRange(0, 20).Draw(d.T, "start")), int64(rapid.IntRange(0, 10).Draw(d.T, "length"))
	}
}
