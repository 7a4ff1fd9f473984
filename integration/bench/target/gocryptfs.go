package target

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"pifs/mount"
)

// ErrAbsent is what opening a target whose program is not installed gives.
var ErrAbsent = errors.New("not installed")

// cryptTarget is a folder that gocryptfs encrypts, with its default ciphers.
type cryptTarget struct {
	cipher, path, password string

	server *exec.Cmd
	ended  chan error // gets what server ended with
}

var _ Target = (*cryptTarget)(nil)

func openGocryptfs(ctx context.Context, base string) (Target, error) {
	if _, err := exec.LookPath(Gocryptfs); err != nil {
		return nil, fmt.Errorf("gocryptfs is %w (Debian: apt-get install gocryptfs)", ErrAbsent)
	}
	c := &cryptTarget{
		cipher: filepath.Join(base, "cipher"), path: filepath.Join(base, Gocryptfs), password: filepath.Join(base, "password"),
	}
	if err := errors.Join(os.Mkdir(c.cipher, 0o700), os.Mkdir(c.path, 0o700), os.WriteFile(c.password, []byte("bench\n"), 0o600)); err != nil {
		return nil, err
	}
	// -scryptn: deriving the key is no part of what is compared.
	if _, err := run(ctx, Gocryptfs, "-q", "-init", "-scryptn", "10", "-passfile", c.password, c.cipher); err != nil {
		return nil, err
	}
	return c, c.mount(ctx)
}

// mount starts the server, in the foreground: its process is our child, and
// outlives ctx.
func (c *cryptTarget) mount(ctx context.Context) error {
	c.server = exec.CommandContext(context.WithoutCancel(ctx), Gocryptfs, "-q", "-fg", "-passfile", c.password, c.cipher, c.path)
	c.server.Stderr = os.Stderr
	c.server.SysProcAttr = alone()
	if err := c.server.Start(); err != nil {
		return fmt.Errorf("start gocryptfs: %w", err)
	}
	c.ended = make(chan error, 1)
	go func(server *exec.Cmd, ended chan<- error) { ended <- server.Wait() }(c.server, c.ended)
	for limit := time.Now().Add(time.Minute); ; {
		switch ok, err := mounted(c.path); {
		case err != nil:
			return err
		case ok:
			return nil
		case time.Now().After(limit):
			return errors.Join(errors.New("gocryptfs does not mount"), c.server.Process.Kill())
		}
		select {
		case err := <-c.ended:
			return fmt.Errorf("gocryptfs ended: %w", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (c *cryptTarget) Name() string                     { return Gocryptfs }
func (c *cryptTarget) Dir() string                      { return c.path }
func (c *cryptTarget) PID() int                         { return c.server.Process.Pid }
func (c *cryptTarget) Settle(ctx context.Context) error { return writeBack(ctx, c.cipher) }

func (c *cryptTarget) Forget(ctx context.Context, _ bool) error {
	return errors.Join(dropCaches(ctx, c.path), writeBack(ctx, c.cipher), dropCaches(ctx, c.cipher))
}

func (c *cryptTarget) Remount(ctx context.Context) error {
	if err := errors.Join(c.Settle(ctx), c.Close(ctx), dropCaches(ctx, c.cipher)); err != nil {
		return err
	}
	return c.mount(ctx)
}

func (c *cryptTarget) Work(context.Context) (Work, error) { return Work{}, nil }

func (c *cryptTarget) Close(context.Context) error {
	if err := mount.Unmount(c.path, false); err != nil {
		return errors.Join(err, mount.Unmount(c.path, true), <-c.ended)
	}
	return <-c.ended
}
