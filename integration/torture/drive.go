package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// drive is a home with a mount, in a folder of its own, served by the program
// that was built for it.
type drive struct{ base, bin, home, dir string }

// openDrive builds the program and mounts.
func openDrive(ctx context.Context, tmp string) (*drive, error) {
	base, err := os.MkdirTemp(tmp, "pifs-torture-")
	if err != nil {
		return nil, err
	}
	d := &drive{base: base, bin: filepath.Join(base, "pifs"), home: filepath.Join(base, "home"), dir: filepath.Join(base, "mnt")}
	build := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", d.bin, "pifs/cli/pifs")
	build.Stderr = os.Stderr
	err = build.Run()
	if err == nil {
		err = os.Mkdir(d.dir, 0o755)
	}
	if err == nil {
		_, err = d.run(ctx, "mount", d.dir)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(base))
	}
	return d, nil
}

// run runs pifs on the home and returns its stdout.
func (d *drive) run(ctx context.Context, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, d.bin, args...)
	cmd.Env = append(os.Environ(), "PIFS_HOME="+d.home)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("pifs %s: %w: %s", strings.Join(args, " "), err, errs.String())
	}
	return out, nil
}

// status is what sampling needs of pifs status --json.
type status struct {
	Daemon        int
	Dirty, Outbox int64
	Process       struct{ Heap, Goroutines int64 }
	Volumes       []struct{ Open, Known int64 }
}

func (d *drive) status(ctx context.Context) (s status, err error) {
	out, err := d.run(ctx, "status", "--json")
	if err == nil {
		err = json.Unmarshal(out, &s)
	}
	if err == nil && (s.Daemon == 0 || len(s.Volumes) != 1) {
		err = fmt.Errorf("no daemon or no volume: %s", out)
	}
	return s, err
}

// close checks what was written, unmounts, and removes everything unless
// something was wrong.
func (d *drive) close(ctx context.Context) error {
	_, err := d.run(ctx, "check")
	if _, e := d.run(ctx, "umount", d.dir); e != nil {
		err = errors.Join(err, e)
		_, e := d.run(ctx, "umount", "--lazy", d.dir)
		err = errors.Join(err, e)
	}
	if err != nil {
		return fmt.Errorf("%w (%s is kept)", err, d.base)
	}
	return os.RemoveAll(d.base)
}

// load is a process that works on the mount.
type load struct {
	cmd  *exec.Cmd
	stop io.Closer
	errs strings.Builder
	done chan error
}

// startLoad runs a worker on a folder of the mount: this program again.
func (d *drive) startLoad(ctx context.Context, name string, count int, pace time.Duration) (*load, error) {
	l := &load{cmd: exec.CommandContext(ctx, "/proc/self/exe"), done: make(chan error, 1)}
	l.cmd.Env = append(os.Environ(), loadEnv+"="+filepath.Join(d.dir, name),
		fmt.Sprintf("%s_COUNT=%d", loadEnv, count), fmt.Sprintf("%s_PACE=%s", loadEnv, pace))
	l.cmd.Stderr = &l.errs
	var err error
	if l.stop, err = l.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := l.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start load: %w", err)
	}
	go func() {
		err := l.cmd.Wait()
		if err != nil {
			err = fmt.Errorf("load on %s: %w: %s", name, err, l.errs.String())
		}
		l.done <- err
	}()
	return l, nil
}

// serveLoad is what the process does; dir is loadEnv's value.
func serveLoad(ctx context.Context, dir string) error {
	var count int
	if _, err := fmt.Sscan(os.Getenv(loadEnv+"_COUNT"), &count); err != nil {
		return err
	}
	pace, err := time.ParseDuration(os.Getenv(loadEnv + "_PACE"))
	if err != nil {
		return err
	}
	return runLoad(ctx, dir, count, pace)
}
