package cli

import (
	"context"
	"errors"
	"fmt"
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
	if r.Undelivered != "" {
		note(env.Stderr, "not fully stored, to be tried again with the next mount: %s", r.Undelivered)
	}
	if r.Left > 0 {
		return nil
	}
	return awaitEnd(c.Context, m.Home)
}

// clearDead takes away a mount whose daemon is gone.
func clearDead(env Env, m mountEntry, cause error) error {
	cleared, err := recoverMountPoint(env, m.Dir)
	if err == nil && !cleared {
		err = fail(control.ErrUnreachable, fmt.Sprintf("%s is mounted, but the daemon of %s does not answer", m.Dir, m.Home), cause)
	}
	return err
}

// awaitEnd waits until the daemon has left the home, so that whoever comes
// next finds it free.
func awaitEnd(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, farewell)
	defer cancel()
	lock, err := home.Acquire(ctx, dir)
	if errors.Is(err, home.ErrLocked) && ctx.Err() == context.DeadlineExceeded {
		// A new mount has come in between: the daemon has reason to stay.
		return nil
	}
	if err != nil {
		return err
	}
	return lock.Release()
}
