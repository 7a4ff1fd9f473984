package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	cli "github.com/urfave/cli/v2"

	"pifs/cli/control"
	"pifs/cli/home"
)

// farewell is how long umount waits for a daemon that has nothing left to do.
const farewell = time.Minute

func umountCommand(env Env) *cli.Command {
	return &cli.Command{
		Name:      "umount",
		Usage:     "commit what was written and take a mount away",
		ArgsUsage: "DIR",
		Description: `Returns when everything written is in the stores and the head is committed. A
mount that a killed daemon left behind is cleared; what it had acknowledged
comes back with the next mount.

EXAMPLES:
   pifs umount ~/drive
   pifs umount --lazy ~/drive    # hide it now, finish when its last user is gone`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "lazy", Usage: "detach at once, even if busy"},
		},
		Action: func(c *cli.Context) error { return umountAction(env, c) },
	}
}

func umountAction(env Env, c *cli.Context) error {
	if err := wantArgs(c, 1, 1); err != nil {
		return err
	}
	m, err := mountAt(c.Args().First())
	if err != nil {
		return err
	}
	client, err := control.Dial(c.Context, (&home.Home{Dir: m.Home}).Socket())
	if errors.Is(err, control.ErrUnreachable) {
		return clearDead(env, m, err)
	}
	if err != nil {
		return err
	}
	s := &session{Handler: client}
	var r umountResult
	args := umountArgs{Dir: m.Dir, Lazy: c.Bool("lazy")}
	if err := s.do(c.Context, newMeter(env, "committing"), callUmount, args, &r, nil); err != nil {
		return err
	}
	if r.Uncommitted != "" {
		note(env.Stderr, "not committed, kept in the home for the next mount: %s", r.Uncommitted)
	}
	if r.Undelivered != "" {
		note(env.Stderr, "not fully stored, to be tried again with the next mount: %s", r.Undelivered)
	}
	if r.Left > 0 || r.Stays {
		return nil
	}
	return awaitEnd(c.Context, m.Home, r.Daemon)
}

// clearDead takes away a mount whose daemon is gone.
func clearDead(env Env, m mountEntry, cause error) error {
	cleared, err := recoverMountPoint(env, m.Dir)
	if err == nil && !cleared {
		err = fail(control.ErrUnreachable, fmt.Sprintf("%s is mounted, but the daemon of %s does not answer", m.Dir, m.Home), cause)
	}
	return err
}

// awaitEnd waits until the daemon pid has left the home, so that whoever comes
// next finds it free. It may have got another mount in between, and stay.
func awaitEnd(ctx context.Context, dir string, pid int) error {
	deadline := time.Now().Add(farewell)
	for time.Now().Before(deadline) {
		step, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		lock, err := home.Acquire(step, dir)
		cancel()
		if err == nil {
			return lock.Release()
		}
		if !errors.Is(err, home.ErrLocked) || ctx.Err() != nil {
			return err
		}
		if stays, err := hasMounts(dir); stays || err != nil || home.Holder(dir) != pid {
			return err
		}
	}
	return fail(errBusy, fmt.Sprintf("unmounted, but the daemon %d of %s does not end", pid, dir), nil)
}

func hasMounts(dir string) (bool, error) {
	mounts, err := listMounts()
	return slices.ContainsFunc(mounts, func(m mountEntry) bool { return m.Home == dir }), err
}
