package cli

import (
	"fmt"

	cli "github.com/urfave/cli/v2"

	"pifs/cli/control"
)

func syncCommand(env Env) *cli.Command {
	return &cli.Command{
		Name:      "sync",
		Usage:     "wait until what was written is committed and fully stored",
		ArgsUsage: "[DIR]",
		Description: `Returns when everything written before it is in a head and in full stripes: of
the mount at DIR, or of every volume of the home.

EXAMPLES:
   pifs sync ~/drive
   pifs sync --json`,
		Flags:  []cli.Flag{jsonFlag()},
		Action: func(c *cli.Context) error { return syncAction(env, c) },
	}
}

func syncAction(env Env, c *cli.Context) error {
	if err := wantArgs(c, 0, 1); err != nil {
		return err
	}
	var args syncArgs
	run := func(s *session) error {
		var r syncResult
		err := s.do(c.Context, newMeter(env, "storing"), callSync, args, &r, nil)
		if err == nil {
			err = s.vouch()
		}
		if err != nil {
			return err
		}
		return printSync(env, c, r)
	}
	if c.NArg() == 0 {
		return withSession(env, c, run)
	}
	m, err := mountAt(c.Args().First())
	if err != nil {
		return err
	}
	args.Volume = m.Volume
	return withSessionOn(env, c, m.Home, run)
}

// vouch returns an error if what was committed just now may lack what mounts
// wrote: a daemon that died, even in the middle of the call, leaves its mounts
// behind, and the session's own engine knows only what was durable then. The
// session holds the lock of the home, so no other daemon can have made them.
func (s *session) vouch() error {
	if s.engine == nil {
		return nil
	}
	dir := s.engine.home.Dir
	left, err := hasMounts(dir)
	if err == nil && left {
		err = fail(control.ErrUnreachable,
			"the daemon of "+dir+" died: what it had not made durable is lost, what it had is committed; now mount again", nil)
	}
	return err
}

func printSync(env Env, c *cli.Context, r syncResult) error {
	if c.Bool("json") {
		return printJSON(env, r)
	}
	for _, h := range r.Heads {
		fmt.Fprintf(env.Stdout, "%s: head %d %s\n", h.Volume, h.Seq, h.Root)
	}
	return nil
}
