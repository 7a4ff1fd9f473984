package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"pifs/mount"
)

// target is something that workloads run on.
type target interface {
	name() string
	dir() string // where the workloads work
	pid() int    // the process that serves it, or 0
	// settle returns when what was written is where it is to stay.
	settle(ctx context.Context) error
	// forget makes the next read of data come from where it stays.
	forget(ctx context.Context) error
	// remount unmounts and mounts anew, with so many of its stores gone. Those
	// that cannot do that forget.
	remount(ctx context.Context, gone int) error
	close(ctx context.Context) error
}

// openTargets makes all of them below base; gocryptfs if it is installed.
func openTargets(ctx context.Context, base, pifs string) (list []target, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, closeTargets(ctx, list))
		}
	}()
	opens := []func(context.Context, string) (target, error){
		func(ctx context.Context, base string) (target, error) { return openPifs(ctx, base, pifs) },
		openNull, openDisk,
	}
	if _, err := exec.LookPath("gocryptfs"); err == nil {
		opens = append(opens, openGocrypt)
	} else {
		fmt.Fprintln(os.Stderr, "gocryptfs is left out: it is not installed (Debian: apt-get install gocryptfs)")
	}
	for _, open := range opens {
		t, err := open(ctx, base)
		if err != nil {
			return list, err
		}
		list = append(list, t)
	}
	return list, nil
}

func closeTargets(ctx context.Context, list []target) error {
	var errs []error
	for _, t := range list {
		errs = append(errs, t.close(ctx))
	}
	return errors.Join(errs...)
}

// diskTarget is a folder on the disk that the home is on.
type diskTarget struct{ path string }

var _ target = (*diskTarget)(nil)

func openDisk(_ context.Context, base string) (target, error) {
	d := &diskTarget{filepath.Join(base, "disk")}
	return d, os.Mkdir(d.path, 0o700)
}

func (d *diskTarget) name() string { return "disk" }
func (d *diskTarget) dir() string  { return d.path }
func (d *diskTarget) pid() int     { return 0 }

func (d *diskTarget) settle(context.Context) error {
	syscall.Sync()
	return nil
}

func (d *diskTarget) forget(context.Context) error       { return dropPageCache(d.path) }
func (d *diskTarget) remount(context.Context, int) error { return dropPageCache(d.path) }
func (d *diskTarget) close(context.Context) error        { return nil }

// nullTarget is a null file system served by another process of this program.
type nullTarget struct {
	path   string
	server *exec.Cmd
}

var _ target = (*nullTarget)(nil)

// nullEnv tells this program to be the server of a nullTarget.
const nullEnv = "PIFS_BENCH_NULL"

func openNull(ctx context.Context, base string) (target, error) {
	path := filepath.Join(base, "null")
	if err := os.Mkdir(path, 0o700); err != nil {
		return nil, err
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	n := &nullTarget{path: path, server: exec.CommandContext(ctx, exe)}
	n.server.Env = append(os.Environ(), nullEnv+"="+path)
	n.server.Stderr = os.Stderr
	out, err := n.server.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := n.server.Start(); err != nil {
		return nil, fmt.Errorf("start null file system: %w", err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		return nil, errors.Join(fmt.Errorf("start null file system: %w", err), n.server.Wait())
	}
	return n, nil
}

// serveNull is the server: it says when it is ready and ends when unmounted.
func serveNull(ctx context.Context, dir string) error {
	s, err := mount.Mount(ctx, dir, newNullFS(), mount.Options{FSName: "null"})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	return s.Serve()
}

func (n *nullTarget) name() string                 { return "null" }
func (n *nullTarget) dir() string                  { return n.path }
func (n *nullTarget) pid() int                     { return n.server.Process.Pid }
func (n *nullTarget) settle(context.Context) error { return nil }
func (n *nullTarget) forget(context.Context) error { return dropPageCache(n.path) }

func (n *nullTarget) remount(context.Context, int) error { return dropPageCache(n.path) }

func (n *nullTarget) close(context.Context) error {
	if err := mount.Unmount(n.path, false); err != nil {
		return errors.Join(err, mount.Unmount(n.path, true), n.server.Wait())
	}
	return n.server.Wait()
}
