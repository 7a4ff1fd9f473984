package lockstep

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// setByHand is where times that steps set end: whatever is later was set by
// the file system.
const setByHand = 1_700_000_000

// contents returns the bytes that a step writes: they depend on its offset
// and length only, and differ from place to place.
func contents(step *Step) []byte {
	var key [32]byte
	copy(key[:], fmt.Sprintf("%d %d %d", step.Off, step.Len, step.Mode))
	b := make([]byte, step.Len)
	if step.Mode%3 == 0 { // something that compresses
		for i := range b {
			b[i] = byte(i>>8) + byte(step.Off)
		}
		return b
	}
	_, _ = rand.NewChaCha8(key).Read(b) // never fails
	return b
}

// shown returns bytes as a line that tells them apart.
func shown(b []byte) string {
	if len(b) <= 32 {
		return fmt.Sprintf("%x", b)
	}
	return fmt.Sprintf("%d bytes %x", len(b), sha256.Sum256(b))
}

// call makes the system call of a step.
func (s *side) call(step *Step) (ret int64, data string, err error) {
	switch step.Op {
	case Open, Close, Dup, Lseek, Fstat, Umask:
		ret, err = s.callSlot(step)
	case Pread, Pwrite, Read, Write, MmapRead, MmapWrite, Readdir, Readlink, Getxattr, Listxattr:
		return s.callData(step)
	case Ftruncate, Fallocate, Fsync, Fdatasync, Fadvise, Fchmod, Fchown, Flock, Setlk, Getlk:
		ret, err = s.callFile(step)
	default:
		err = s.callName(step)
	}
	return ret, "", err
}

func (s *side) callSlot(step *Step) (int64, error) {
	fd := s.slots[step.Slot]
	switch step.Op {
	case Open:
		fd, err := unix.Openat(s.base(step), string(step.Path), step.Flags|unix.O_CLOEXEC|unix.O_NONBLOCK, step.Mode)
		if err != nil {
			return 0, err
		}
		return 0, s.put(step.Slot, fd)
	case Close:
		if fd < 0 {
			return 0, unix.EBADF
		}
		return 0, s.put(step.Slot, -1)
	case Dup:
		copied, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return 0, err
		}
		return 0, s.put(step.Slot2, copied)
	case Lseek:
		if s.isDir(fd) {
			return 0, unix.EISDIR // positions in directories are each file system's own
		}
		return unix.Seek(fd, step.Off, step.Flags)
	case Umask:
		unix.Umask(int(step.Mode & 0o777))
		return 0, nil
	}
	var st unix.Stat_t
	return 0, unix.Fstat(fd, &st) // what it says is compared by looks
}

func (s *side) isDir(fd int) bool {
	var st unix.Stat_t
	return unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR
}

func (s *side) callName(step *Step) error {
	dir, path := s.base(step), string(step.Path)
	switch step.Op {
	case Mkdir:
		return unix.Mkdirat(dir, path, step.Mode)
	case Rmdir:
		return unix.Unlinkat(dir, path, unix.AT_REMOVEDIR)
	case Unlink:
		return unix.Unlinkat(dir, path, 0)
	case Rename:
		return unix.Renameat2(dir, path, dir, string(step.Path2), uint(step.Flags))
	case Link:
		return unix.Linkat(dir, path, dir, string(step.Path2), step.Flags)
	case Symlink:
		return unix.Symlinkat(string(step.Path2), dir, path)
	case Mknod:
		return unix.Mknodat(dir, path, step.Mode, 0)
	case Chmod:
		return unix.Fchmodat(dir, path, step.Mode, 0)
	case Chown:
		return unix.Fchownat(dir, path, step.ID, int(step.Off), step.Flags)
	case Access:
		return unix.Faccessat(dir, path, step.Mode&7, step.Flags)
	case Stat:
		var st unix.Stat_t
		return unix.Fstatat(dir, path, &st, step.Flags)
	case Utimens:
		return unix.UtimesNanoAt(dir, path, []unix.Timespec{timespec(step.Off), timespec(step.Len)}, step.Flags)
	}
	// These have no form that begins at a descriptor.
	full := fmt.Sprintf("/proc/self/fd/%d/%s", dir, path)
	switch step.Op {
	case Truncate:
		return unix.Truncate(full, step.Len)
	case Setxattr:
		return unix.Lsetxattr(full, step.Name, contents(step), step.Flags)
	case Removexattr:
		return unix.Lremovexattr(full, step.Name)
	}
	return unix.ENOSYS
}

// timespec makes a time of a step's number: −1 leaves the time, −2 means now.
func timespec(n int64) unix.Timespec {
	switch n {
	case -1:
		return unix.Timespec{Nsec: unix.UTIME_OMIT}
	case -2:
		return unix.Timespec{Nsec: unix.UTIME_NOW}
	}
	return unix.Timespec{Sec: n % setByHand, Nsec: n % 999_999_999}
}

func (s *side) callFile(step *Step) (int64, error) {
	fd := s.slots[step.Slot]
	switch step.Op {
	case Ftruncate:
		return 0, unix.Ftruncate(fd, step.Len)
	case Fallocate:
		return 0, unix.Fallocate(fd, uint32(step.Flags), step.Off, step.Len)
	case Fsync:
		return 0, unix.Fsync(fd)
	case Fdatasync:
		return 0, unix.Fdatasync(fd)
	case Fadvise:
		return 0, unix.Fadvise(fd, 0, 0, unix.FADV_DONTNEED)
	case Fchmod:
		return 0, unix.Fchmod(fd, step.Mode)
	case Fchown:
		return 0, unix.Fchown(fd, step.ID, int(step.Off))
	case Flock:
		return 0, unix.Flock(fd, step.Flags|unix.LOCK_NB)
	}
	lock := unix.Flock_t{Type: int16(step.Flags), Start: step.Off, Len: step.Len}
	if step.Op == Setlk {
		return 0, unix.FcntlFlock(uintptr(fd), unix.F_SETLK, &lock)
	}
	if err := unix.FcntlFlock(uintptr(fd), unix.F_GETLK, &lock); err != nil || lock.Type == unix.F_UNLCK {
		return -1, err
	}
	// One actor is one process on both sides.
	return int64(lock.Pid)<<32 + int64(lock.Type)<<24 + lock.Start<<12 + lock.Len, nil
}

func (s *side) callData(step *Step) (int64, string, error) {
	fd := s.slots[step.Slot]
	switch step.Op {
	case Pread, Read:
		b := make([]byte, step.Len)
		n, err := 0, error(nil)
		if step.Op == Pread {
			n, err = unix.Pread(fd, b, step.Off)
		} else {
			n, err = unix.Read(fd, b)
		}
		return int64(n), shown(b[:max(n, 0)]), err
	case Pwrite:
		n, err := unix.Pwrite(fd, contents(step), step.Off)
		return int64(n), "", err
	case Write:
		n, err := unix.Write(fd, contents(step))
		return int64(n), "", err
	case MmapRead, MmapWrite:
		data, err := mapped(fd, step)
		return 0, data, err
	}
	dir, path := s.base(step), string(step.Path)
	full := fmt.Sprintf("/proc/self/fd/%d/%s", dir, path)
	buf := make([]byte, 64<<10)
	switch step.Op {
	case Readlink:
		n, err := unix.Readlinkat(dir, path, buf)
		return int64(n), shown(buf[:max(n, 0)]), err
	case Getxattr:
		n, err := unix.Lgetxattr(full, step.Name, buf[:step.Len])
		return int64(n), shown(buf[:min(max(n, 0), int(step.Len))]), err
	case Listxattr:
		n, err := unix.Llistxattr(full, buf)
		return 0, strings.Join(xattrNames(buf[:max(n, 0)]), " "), err
	}
	return s.readdir(dir, path)
}

// readdir lists a directory: the names in order of bytes, and their types.
func (s *side) readdir(dir int, path string) (int64, string, error) {
	fd, err := unix.Openat(dir, path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, "", err
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	entries, err := f.ReadDir(-1)
	var names []string
	for _, e := range entries {
		names = append(names, fmt.Sprintf("%q %v", e.Name(), e.Type()))
	}
	slices.Sort(names)
	return int64(len(names)), strings.Join(names, "\n"), err
}

// mapped reads or writes the part of a file that a step names through a
// mapping, as far as the file reaches.
func mapped(fd int, step *Step) (string, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return "", err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return "", unix.ENODEV
	}
	lo := min(step.Off, st.Size)
	hi := min(step.Off+step.Len, st.Size)
	if lo == hi {
		return "", nil
	}
	prot, how := unix.PROT_READ, unix.MAP_SHARED
	if step.Op == MmapWrite {
		prot |= unix.PROT_WRITE
	} else if step.Mode%2 == 0 {
		how = unix.MAP_PRIVATE
	}
	m, err := unix.Mmap(fd, 0, int(hi), prot, how)
	if err != nil {
		return "", err
	}
	data := shown(m[lo:hi])
	if step.Op == MmapWrite {
		copy(m[lo:hi], contents(step))
		if err := unix.Msync(m, unix.MS_SYNC); err != nil {
			return "", err
		}
	}
	return data, unix.Munmap(m)
}
