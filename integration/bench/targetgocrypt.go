package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"pifs/mount"
)

// gocryptTarget is a folder that gocryptfs encrypts file by file: the nearest
// that others have, without chunks, shards, history and proofs.
type gocryptTarget struct {
	path, pass string
	server     *exec.Cmd
}

var _ target = (*gocryptTarget)(nil)

func openGocrypt(ctx context.Context, base string) (target, error) {
	g := &gocryptTarget{path: filepath.Join(base, "gocryptfs"), pass: filepath.Join(base, "gocryptfs.pass")}
	cipher := filepath.Join(base, "gocryptfs.cipher")
	err := errors.Join(os.Mkdir(g.path, 0o700), os.Mkdir(cipher, 0o700), os.WriteFile(g.pass, []byte("bench\n"), 0o600))
	if err == nil {
		err = run(ctx, "gocryptfs", "-q", "-init", "-scryptn", "10", "-passfile", g.pass, cipher)
	}
	if err != nil {
		return nil, err
	}
	g.server = exec.CommandContext(ctx, "gocryptfs", "-q", "-fg", "-passfile", g.pass, cipher, g.path)
	g.server.Stderr = os.Stderr
	if err := g.server.Start(); err != nil {
		return nil, fmt.Errorf("start gocryptfs: %w", err)
	}
	return g, g.await()
}

// await returns when the mount is there.
func (g *gocryptTarget) await() error {
	var above, here syscall.Stat_t
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		err := errors.Join(syscall.Stat(filepath.Dir(g.path), &above), syscall.Stat(g.path, &here))
		if err == nil && above.Dev != here.Dev {
			return nil
		}
	}
	return errors.Join(errors.New("gocryptfs does not mount"), g.server.Process.Kill(), g.server.Wait())
}

func (g *gocryptTarget) name() string { return "gocryptfs" }
func (g *gocryptTarget) dir() string  { return g.path }
func (g *gocryptTarget) pid() int     { return g.server.Process.Pid }

func (g *gocryptTarget) settle(context.Context) error {
	syscall.Sync()
	return nil
}

func (g *gocryptTarget) forget(context.Context) error       { return dropPageCache(g.path) }
func (g *gocryptTarget) remount(context.Context, int) error { return dropPageCache(g.path) }

func (g *gocryptTarget) close(context.Context) error {
	if err := mount.Unmount(g.path, false); err != nil {
		return errors.Join(err, mount.Unmount(g.path, true), g.server.Wait())
	}
	return g.server.Wait()
}
