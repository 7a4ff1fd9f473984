package cli

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const fsType = "fuse.pifs"

// mountEntry is a πFS mount as the kernel lists it.
type mountEntry struct {
	Dir    string
	Home   string // of the daemon that serves it
	Volume string
}

// source is the name that the kernel shows for a mount: it leads every
// command from a mount point to the home that serves it.
func source(home, volume string) string { return volume + "@" + home }

// listMounts returns the πFS mounts of this machine.
func listMounts() ([]mountEntry, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("list mounts: %w", err)
	}
	defer f.Close()
	return parseMounts(f)
}

// parseMounts reads the format of proc_pid_mountinfo(5).
func parseMounts(r io.Reader) ([]mountEntry, error) {
	var out []mountEntry
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		before, after, ok := strings.Cut(lines.Text(), " - ")
		front, back := strings.Fields(before), strings.Fields(after)
		if !ok || len(front) < 5 || len(back) < 2 || back[0] != fsType {
			continue
		}
		m := mountEntry{Dir: unescape(front[4])}
		if volume, home, ok := strings.Cut(unescape(back[1]), "@"); ok {
			m.Home, m.Volume = home, volume
		}
		out = append(out, m)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("list mounts: %w", err)
	}
	return out, nil
}

// unescape undoes the octal escapes of blanks and backslashes.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if v, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(v))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// resolve makes path absolute and follows the symbolic links of its parent
// only: the last name may be a dead mount, or a link inside a volume.
func resolve(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("resolve %s: %w", path, err)
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(abs))
	if err != nil {
		return "", fmt.Errorf("resolve %s: %w", path, err)
	}
	return filepath.Join(dir, filepath.Base(abs)), nil
}

// mountAt returns the mount whose root is dir.
func mountAt(dir string) (mountEntry, error) {
	m, inner, err := mountOf(dir)
	if err == nil && inner != "" {
		err = fail(errNotFound, fmt.Sprintf("%s is not a πFS mount; it lies inside the one at %s", dir, m.Dir), nil)
	}
	return m, err
}

// mountOf returns the mount that path lies in, and where inside.
func mountOf(path string) (mountEntry, string, error) {
	abs, err := resolve(path)
	if err != nil {
		return mountEntry{}, "", err
	}
	all, err := listMounts()
	if err != nil {
		return mountEntry{}, "", err
	}
	var best *mountEntry
	for i, m := range all {
		in := abs == m.Dir || strings.HasPrefix(abs, strings.TrimSuffix(m.Dir, "/")+"/")
		if in && (best == nil || len(m.Dir) >= len(best.Dir)) {
			best = &all[i]
		}
	}
	if best == nil {
		return mountEntry{}, "", fail(errNotFound, fmt.Sprintf("%s is not inside a πFS mount", path), nil)
	}
	return *best, strings.TrimPrefix(strings.TrimPrefix(abs, best.Dir), "/"), nil
}
