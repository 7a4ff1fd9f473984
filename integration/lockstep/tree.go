package lockstep

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// describeTree tells everything that a directory holds, a line for each
// entry: attributes, contents, extended attributes, mtimes if they were set by
// hand, and, if links is set, which names are one file.
func describeTree(dir string, links bool) (string, error) {
	if dir == "" {
		return "", nil
	}
	t := treeText{root: dir, links: links, first: map[uint64]string{}}
	if err := t.walk(""); err != nil {
		return "", err
	}
	return strings.Join(t.lines, "\n"), nil
}

type treeText struct {
	root  string
	links bool
	first map[uint64]string // name under which an inode was seen first
	lines []string
}

func (t *treeText) walk(rel string) error {
	full := filepath.Join(t.root, rel)
	var st unix.Stat_t
	if err := unix.Lstat(full, &st); err != nil {
		return fmt.Errorf("lstat %q: %w", rel, err)
	}
	if !t.links {
		st.Nlink = 0
	}
	line := fmt.Sprintf("%q %s", rel, attributes(&st))
	if old, seen := t.first[st.Ino]; t.links && seen {
		t.lines = append(t.lines, line+fmt.Sprintf(" is %q", old))
		return nil
	}
	t.first[st.Ino] = rel
	if st.Mtim.Sec < setByHand {
		line += fmt.Sprintf(" mtime=%d.%09d", st.Mtim.Sec, st.Mtim.Nsec)
	}
	xattrs, err := allXattrs(full)
	if err != nil {
		return fmt.Errorf("xattrs of %q: %w", rel, err)
	}
	line += xattrs
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		sum, err := hashFile(full)
		if err != nil {
			return fmt.Errorf("read %q: %w", rel, err)
		}
		line += " " + sum
	case unix.S_IFLNK:
		target, err := os.Readlink(full)
		if err != nil {
			return err
		}
		line += fmt.Sprintf(" → %q", target)
	}
	t.lines = append(t.lines, line)
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return nil
	}
	return t.walkEntries(rel, full)
}

func (t *treeText) walkEntries(rel, full string) error {
	entries, err := os.ReadDir(full) // sorted
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := t.walk(filepath.Join(rel, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func hashFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:8]), nil
}

func allXattrs(path string) (string, error) {
	buf := make([]byte, 64<<10)
	n, err := unix.Llistxattr(path, buf)
	if err != nil {
		return "", err
	}
	names := xattrNames(buf[:n])
	var out strings.Builder
	for _, name := range names {
		value := make([]byte, 64<<10)
		n, err := unix.Lgetxattr(path, name, value)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&out, " %s=%x", name, sha256.Sum256(value[:n]))
	}
	return out.String(), nil
}

// xattrNames returns the names of a list, sorted, without those that a
// file system makes up itself.
func xattrNames(list []byte) []string {
	var names []string
	for name := range strings.SplitSeq(string(list), "\x00") {
		if name != "" && !strings.HasPrefix(name, "user.pifs.") && !strings.HasPrefix(name, "security.") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
