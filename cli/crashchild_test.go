package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"pifs/integration/faultfs"
	"pifs/mount"
)

// A process that serves a mount must not map files on it: a page fault would
// stop the thread that is to answer it. So the workload runs in a child, which
// is this binary again, told by this variable what to do.
const childVariable = "PIFS_CLI_TEST_CHILD"

const childLimit = 3 * time.Minute

// runChild does what a child of serve was started for.
func runChild(job string) error {
	jobs := map[string]func(context.Context, string) error{"record": recordJob, "fault": faultJob}
	return jobs[job](context.Background(), os.Args[1])
}

// marker makes the marks that tell the recording what the workload saw.
type marker struct {
	dir string // where the fault-injecting file system is mounted
	err error
}

func (m *marker) mark(format string, args ...any) {
	if err := faultfs.SetMark(m.dir, fmt.Sprintf(format, args...)); err != nil && m.err == nil {
		m.err = fmt.Errorf("set mark: %w", err)
	}
}

// recordJob does the whole workload; everything must succeed.
func recordJob(ctx context.Context, dir string) error {
	m := &marker{dir: dir}
	o, err := openHome(ctx, filepath.Join(dir, "home"))
	if err != nil {
		return err
	}
	m.mark("made")
	for i, s := range workload() {
		m.mark("begin %d", i)
		if s.do == "reopen" {
			if err = o.close(ctx); err == nil {
				o, err = openHome(ctx, o.dir)
			}
		} else {
			err = o.do(ctx, s)
		}
		if err != nil {
			return fmt.Errorf("step %d, %s: %w", i, s, err)
		}
		m.mark("ok %d", i)
	}
	if err := o.close(ctx); err != nil {
		return err
	}
	m.mark("closed")
	return m.err
}

// serve mounts fs and runs a job of a child on it until that ends. It returns
// what the child printed, and an error if it failed or was too slow.
func serve(t *testing.T, fs *faultfs.FS, job string) (string, error) {
	t.Helper()
	dir := t.TempDir()
	server, err := mount.Mount(t.Context(), dir, fs, mount.Options{FSName: "faultfs"})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve() }()
	ctx, cancel := context.WithTimeout(t.Context(), childLimit)
	defer cancel()
	var out bytes.Buffer
	child := exec.CommandContext(ctx, os.Args[0], dir)
	child.Env = append(os.Environ(), childVariable+"="+job)
	child.Stdout, child.Stderr = &out, &out
	failed := child.Run()
	// Detached at once: on a busy machine somebody may look at the mount just
	// now, and Serve ends when nobody uses it any more.
	if err := server.Unmount(true); err != nil {
		t.Errorf("unmount: %v", err)
	}
	select {
	case err = <-served:
	case <-time.After(childLimit):
		err = fmt.Errorf("the mount at %s does not end", dir)
	}
	if err != nil {
		t.Error(err)
	}
	return out.String(), failed
}
