package mount

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// mounted is a line of /proc/self/mountinfo.
type mounted struct {
	dir    string
	fstype string
	dev    string // major:minor
}

// mountsAt returns what is mounted on dir, which is absolute and clean, the
// topmost last.
func mountsAt(dir string) ([]mounted, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("list mounts: %w", err)
	}
	defer f.Close()
	var at []mounted
	err = eachMount(f, func(m mounted) {
		if m.dir == dir {
			at = append(at, m)
		}
	})
	return at, err
}

// eachMount parses mountinfo as proc(5) describes it.
func eachMount(r io.Reader, fn func(mounted)) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		left, right, ok := strings.Cut(lines.Text(), " - ")
		before, after := strings.Fields(left), strings.Fields(right)
		if !ok || len(before) < 5 || len(after) < 1 {
			continue
		}
		fn(mounted{dir: unescape(before[4]), fstype: after[0], dev: before[2]})
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read mountinfo: %w", err)
	}
	return nil
}

// readahead is how many KiB the kernel is to read ahead of whoever reads in
// sequence. It takes no more than 128 from the file system itself, which is one
// request: reader and daemon would wait for each other.
const readahead = "512"

// raiseReadahead sets it for the mount at dir. That is root's to do: mounts of
// others do with what the kernel gives.
func raiseReadahead(dir string) error {
	at, err := mountsAt(dir)
	if err != nil || len(at) == 0 {
		return err
	}
	err = os.WriteFile(filepath.Join("/sys/class/bdi", at[len(at)-1].dev, "read_ahead_kb"), []byte(readahead), 0)
	if err != nil {
		return fmt.Errorf("raise read-ahead of %s: %w", dir, err)
	}
	return nil
}

// unescape undoes the octal escapes of space, tab, newline and backslash.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// place returns dir as the kernel names it. Only the directory above is
// resolved: dir itself may be a mount that does not answer.
func place(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find %s: %w", dir, err)
	}
	parent, err := filepath.EvalSymlinks(filepath.Dir(abs))
	if err != nil {
		return "", err
	}
	return filepath.Join(parent, filepath.Base(abs)), nil
}

// Unmount unmounts what is on dir: at once or, if lazy, as soon as nobody uses
// it. It fails with EBUSY while somebody does, and with EINVAL if nothing is
// mounted there.
func Unmount(dir string, lazy bool) error {
	flags := unix.UMOUNT_NOFOLLOW
	if lazy {
		flags |= unix.MNT_DETACH
	}
	err := unix.Unmount(dir, flags)
	if errors.Is(err, syscall.EPERM) {
		err = unmountAsUser(dir, lazy)
	}
	if err != nil {
		return fmt.Errorf("unmount %s: %w", dir, err)
	}
	return nil
}

// unmountAsUser asks the helper that may unmount what its caller mounted.
func unmountAsUser(dir string, lazy bool) error {
	args := []string{"-u", "--", dir}
	if lazy {
		args = append([]string{"-z"}, args...)
	}
	out, err := exec.Command("fusermount3", args...).CombinedOutput()
	if err == nil {
		return nil
	}
	text := strings.TrimSpace(string(out))
	switch {
	case strings.Contains(text, "busy"):
		return syscall.EBUSY
	case strings.Contains(text, "not found in"), strings.Contains(text, "not mounted"):
		return syscall.EINVAL
	case text == "":
		return err
	}
	return errors.New(text)
}
