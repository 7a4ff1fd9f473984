package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"pifs/integration/posix"
)

// jobVariable names the job that this binary is to do as a child.
const jobVariable = "PIFS_TEST_JOB"

// TestMain builds the program once, and looks for leftovers at the end.
func TestMain(m *testing.M) {
	if role := os.Getenv(posix.RoleVariable); role != "" {
		if err := posix.Role(role, os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if job := os.Getenv(jobVariable); job != "" {
		os.Exit(runJob(job, os.Args[1:]))
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	base, err := os.MkdirTemp("", "pifs-integration-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(base)
	// Tests and children find the program in PATH, as users do, and keep
	// everything below base.
	os.Setenv("PATH", base+string(os.PathListSeparator)+os.Getenv("PATH"))
	os.Setenv("TMPDIR", base)
	os.Setenv("PIFS_HOME", filepath.Join(base, "nobody"))
	if err := build(filepath.Join(base, "pifs")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	status := m.Run()
	if left := leftovers(base); len(left) > 0 {
		fmt.Fprintln(os.Stderr, "left behind:", strings.Join(left, "\n  "))
		return 1
	}
	return status
}

// build makes the program at path. PIFS_TEST_BUILD may hold more flags, such as
// -race.
func build(path string, flags ...string) error {
	args := append([]string{"build", "-buildvcs=false"}, flags...)
	args = append(args, strings.Fields(os.Getenv("PIFS_TEST_BUILD"))...)
	cmd := exec.Command("go", append(args, "-o", path, "pifs/cli/pifs")...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build pifs: %w", err)
	}
	return nil
}

// leftovers clears and names the mounts and processes that tests left.
func leftovers(base string) []string {
	var left []string
	table, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		left = append(left, err.Error())
	}
	for line := range strings.Lines(string(table)) {
		if f := strings.Fields(line); len(f) > 2 && strings.HasPrefix(f[1], base+"/") {
			left = append(left, "mount at "+f[1])
			_ = syscall.Unmount(f[1], syscall.MNT_DETACH) // the run has failed already
		}
	}
	procs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		left = append(left, err.Error())
	}
	for _, p := range procs {
		exe, err := os.Readlink(p + "/exe")
		if err != nil || !strings.HasPrefix(exe, base+"/") {
			continue
		}
		left = append(left, "process "+filepath.Base(p)+" of "+exe)
		var pid int
		if _, err := fmt.Sscan(filepath.Base(p), &pid); err == nil {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	return left
}
