package mount

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Process is one that uses a mount.
type Process struct {
	PID  int
	Name string
	Path string // one of the paths it uses
}

// Busy returns the processes that keep dir busy, as far as the caller may see
// them: those that run, are in, or have something open or mapped below it.
func Busy(dir string) []Process {
	path, err := place(dir)
	if err != nil {
		return nil
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var found []Process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if used := usedBy(filepath.Join("/proc", e.Name()), path); used != "" {
			found = append(found, Process{PID: pid, Name: processName(pid), Path: used})
		}
	}
	return found
}

// usedBy returns a path below dir that the process uses, or "". It reads what
// links say and touches nothing below dir, which may not answer.
func usedBy(proc, dir string) string {
	links := []string{"cwd", "root", "exe"}
	if fds, err := os.ReadDir(filepath.Join(proc, "fd")); err == nil {
		for _, fd := range fds {
			links = append(links, filepath.Join("fd", fd.Name()))
		}
	}
	for _, l := range links {
		if target, err := os.Readlink(filepath.Join(proc, l)); err == nil && below(target, dir) {
			return target
		}
	}
	return mappedBy(proc, dir)
}

func mappedBy(proc, dir string) string {
	f, err := os.Open(filepath.Join(proc, "maps"))
	if err != nil {
		return ""
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if i := strings.IndexByte(lines.Text(), '/'); i >= 0 && below(lines.Text()[i:], dir) {
			return lines.Text()[i:]
		}
	}
	return ""
}

func below(path, dir string) bool {
	path = strings.TrimSuffix(path, " (deleted)")
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

func processName(pid int) string {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "comm"))
	if err != nil {
		return "?"
	}
	return strings.TrimSpace(string(b))
}
