package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	cli "github.com/urfave/cli/v2"

	"pifs/cli/control"
	"pifs/cli/home"
	"pifs/fsnode"
)

func upgradeCommand(env Env) *cli.Command {
	return &cli.Command{
		Name:      "upgrade",
		Usage:     "have this program take over a mount",
		ArgsUsage: "DIR",
		Description: `The daemon that serves DIR ends, and the program that you run this command
with goes on, with all mounts of that home. Programs with open files wait
meanwhile and notice nothing else. If the new program does not start, the old
one goes on. It needs a mount with a holder: pifs mount --holder.

EXAMPLE:
   make build && bin/pifs upgrade ~/drive`,
		Action: func(c *cli.Context) error { return upgradeAction(env, c) },
	}
}

func upgradeAction(env Env, c *cli.Context) error {
	if err := wantArgs(c, 1, 1); err != nil {
		return err
	}
	m, err := mountAt(c.Args().First())
	if err != nil {
		return err
	}
	socket := (&home.Home{Dir: m.Home}).Socket()
	client, err := control.Dial(c.Context, socket)
	if err != nil {
		return err
	}
	var r upgradeResult
	if err := control.Do(c.Context, client, callUpgrade, upgradeArgs{Exe: env.Exe}, &r, nil); err != nil {
		return err
	}
	since := time.Now()
	pid, err := awaitSuccessor(c.Context, socket, m.Home, r.Daemon)
	if err != nil {
		return err
	}
	if !runs(pid, env.Exe) {
		return fail(control.ErrUnreachable, fmt.Sprintf("%s did not start: the old program goes on, as daemon %d", env.Exe, pid), nil)
	}
	note(env.Stderr, "daemon %d went on for %d after %v", pid, r.Daemon, time.Since(since).Round(time.Millisecond))
	return nil
}

// awaitSuccessor returns the daemon that answers after old has gone.
func awaitSuccessor(ctx context.Context, socket, dir string, old int) (int, error) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(farewell); time.Now().Before(deadline); {
		if pid := home.Holder(dir); pid != old {
			if _, err := control.Dial(ctx, socket); err == nil {
				return pid, nil
			}
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-tick.C:
		}
	}
	return 0, fail(control.ErrUnreachable, fmt.Sprintf("daemon %d ended, and no other answers; see %s/log", old, dir), nil)
}

// runs reports whether process pid runs the program exe.
func runs(pid int, exe string) bool {
	a, err := os.Stat(fmt.Sprintf("/proc/%d/exe", pid))
	b, err2 := os.Stat(exe)
	return errors.Join(err, err2) == nil && os.SameFile(a, b)
}

// upgrade makes everything durable and has the daemon end, so that the holder
// starts another, from the program at a.Exe.
func (e *engine) upgrade(ctx context.Context, a upgradeArgs, _ emitter) (upgradeResult, error) {
	r := upgradeResult{Daemon: os.Getpid()}
	if e.link == nil {
		return r, fail(errUsage, "the mount ends with its daemon; unmount it, and: pifs mount --holder", nil)
	}
	for _, m := range e.mountPoints() {
		err := e.reading(ctx, m.volume, func(v *fsnode.Volume) error { return v.Save(ctx) })
		if err != nil {
			return r, err
		}
	}
	if err := e.link.Next(a.Exe); err != nil {
		return r, fail(control.ErrUnreachable, "the holder is gone: the mount ends with its daemon", err)
	}
	select {
	case e.leave <- struct{}{}:
	default:
	}
	return r, nil
}
