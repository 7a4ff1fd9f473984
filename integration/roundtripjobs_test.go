package integration

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// oddTimes are modification times that programs get wrong.
var oddTimes = []unix.Timespec{
	{Sec: 0, Nsec: 0}, {Sec: -1, Nsec: 999_999_999}, {Sec: -1_000_000_000, Nsec: 1}, {Sec: 1_700_000_000, Nsec: 123_456_789},
	{Sec: 1 << 31, Nsec: 5}, {Sec: 4_102_444_800}, {Sec: 8_000_000_000, Nsec: 1},
}

// makeOddTree makes a tree of everything that is hard to copy.
func makeOddTree(dir string) error {
	return errors.Join(os.Mkdir(dir, 0o755), oddNames(dir), oddFiles(dir), oddKinds(dir), oddAttributes(dir))
}

func oddNames(dir string) error {
	var all error
	for i, name := range []string{
		"new\nline", "\xff\xfe not UTF-8 \x80", " blank ", "-rf", `back\slash`, "tab\t\x01\x7f", "*?[a]$(b)`c`'\"", "ünï¢ode",
		strings.Repeat("x", 255), strings.Repeat("ä", 127), "...", "#", "~",
	} {
		sub := filepath.Join(dir, name)
		all = errors.Join(all, os.Mkdir(sub, 0o700|os.FileMode(i)), os.WriteFile(filepath.Join(sub, name), []byte(name), 0o644))
	}
	deep := dir
	for range 60 {
		deep = filepath.Join(deep, "deep")
	}
	return errors.Join(all, os.MkdirAll(deep, 0o755), os.WriteFile(filepath.Join(deep, "bottom"), []byte("b"), 0o600))
}

func oddFiles(dir string) error {
	var all error
	for i, size := range []int64{0, 1, 4095, 8192, 8193, 262_144, 1 << 20, 5_000_001} {
		all = errors.Join(all, fill(filepath.Join(dir, fmt.Sprint("size ", size)), int64(i), size))
	}
	holes, err := os.Create(filepath.Join(dir, "holes"))
	if err != nil {
		return err
	}
	for _, at := range []int64{1 << 20, 9 << 20} {
		b := make([]byte, 256<<10)
		_, err := io.ReadFull(stream(at, int64(len(b))), b)
		_, werr := holes.WriteAt(b, at)
		all = errors.Join(all, err, werr)
	}
	all = errors.Join(all, holes.Truncate(30<<20), holes.Close())
	for i := range 3 {
		all = errors.Join(all, os.Link(filepath.Join(dir, "size 8193"), filepath.Join(dir, fmt.Sprint("link ", i))))
	}
	return errors.Join(all, os.Link(filepath.Join(dir, "size 0"), filepath.Join(dir, "#", "also empty")))
}

func oddKinds(dir string) error {
	at := func(name string) string { return filepath.Join(dir, name) }
	return errors.Join(
		os.Symlink("nowhere at all", at("dangling")),
		os.Symlink(strings.Repeat("a/", 2047)+"z", at("long target")),
		os.Symlink("size 1", at("good")),
		os.Symlink("new\nline", at("odd target")),
		unix.Mkfifo(at("fifo"), 0o620),
		unix.Mknod(at("char"), unix.S_IFCHR|0o640, int(unix.Mkdev(1, 3))),
		unix.Mknod(at("block"), unix.S_IFBLK|0o600, int(unix.Mkdev(7, 1000))),
		unix.Lchown(at("dangling"), 77, 88),
	)
}

func oddAttributes(dir string) error {
	at := func(name string) string { return filepath.Join(dir, name) }
	all := errors.Join(
		unix.Setxattr(at("size 1"), "user.empty", nil, 0),
		unix.Setxattr(at("size 1"), "user.binary", []byte("\x00\xff\n"), 0),
		unix.Setxattr(at("size 8192"), "user.large", make([]byte, 3000), 0),
		unix.Setxattr(at("size 1"), "trusted.x", []byte("trusted"), 0),
		unix.Setxattr(at("#"), "user.of a folder", []byte("y"), 0),
	)
	for i, mode := range []uint32{0o4755, 0o2755, 0o6711, 0o000, 0o444, 0o7777} {
		name := at(fmt.Sprint("mode ", i))
		all = errors.Join(all, os.WriteFile(name, []byte{byte(i)}, 0o600), os.Chown(name, 1000+i, 2000+i), unix.Chmod(name, mode))
	}
	for i, mode := range []uint32{0o1777, 0o2775, 0o3770} {
		name := at(fmt.Sprint("folder ", i))
		all = errors.Join(all, os.Mkdir(name, 0o700), unix.Chmod(name, mode))
	}
	for i, ts := range oddTimes {
		for _, kind := range []string{"file", "folder", "symlink"} {
			name := at(fmt.Sprintf("time %d of a %s", i, kind))
			all = errors.Join(all, makeKind(kind, name),
				unix.UtimesNanoAt(unix.AT_FDCWD, name, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW))
		}
	}
	return all
}

func makeKind(kind, name string) error {
	switch kind {
	case "folder":
		return os.Mkdir(name, 0o755)
	case "symlink":
		return os.Symlink("x", name)
	}
	return os.WriteFile(name, []byte(name[len(name)-10:]), 0o644)
}

// manifest prints a line for everything below dir: all that a copy must keep.
func manifest(dir string) error {
	first := map[uint64]string{} // by inode, the first of its names
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		var st syscall.Stat_t
		if err := syscall.Lstat(path, &st); err != nil {
			return err
		}
		if first[st.Ino] == "" {
			first[st.Ino] = name
		}
		line := fmt.Sprintf("%q %o %d:%d %d.%09d", name, st.Mode, st.Uid, st.Gid, st.Mtim.Sec, st.Mtim.Nsec)
		if st.Mode&unix.S_IFMT != unix.S_IFDIR {
			line += fmt.Sprintf(" links %d to %q size %d device %d", st.Nlink, first[st.Ino], st.Size, st.Rdev)
		}
		inside, err := inside(path, st.Mode&unix.S_IFMT)
		if err == nil {
			_, err = fmt.Println(line + inside)
		}
		return err
	})
}

// inside describes what stat does not show: contents, targets, xattrs.
func inside(path string, kind uint32) (string, error) {
	text := ""
	switch kind {
	case unix.S_IFLNK:
		target, err := os.Readlink(path)
		return fmt.Sprintf(" target %q", target), err
	case unix.S_IFREG:
		f, err := os.Open(path)
		if err != nil {
			return "", err
		}
		defer f.Close()
		h := sha256.New()
		if _, err := io.Copy(h, f); err != nil {
			return "", err
		}
		text = fmt.Sprintf(" sha256 %x", h.Sum(nil))
	case unix.S_IFDIR:
	default:
		return "", nil
	}
	list := make([]byte, 64<<10)
	n, err := unix.Llistxattr(path, list)
	if err != nil {
		return "", err
	}
	names := strings.Split(strings.TrimSuffix(string(list[:n]), "\x00"), "\x00")
	slices.Sort(names)
	for _, name := range names {
		if name == "" {
			continue
		}
		value := make([]byte, 64<<10)
		n, err := unix.Lgetxattr(path, name, value)
		if err != nil {
			return "", err
		}
		text += fmt.Sprintf(" %s=%q", name, value[:n])
	}
	return text, nil
}
