package cli

import (
	"fmt"

	cli "github.com/urfave/cli/v2"
)

func restoreCommand(env Env) *cli.Command {
	return &cli.Command{
		Name:      "restore",
		Usage:     "bring back a path, or everything, as it was in a head",
		ArgsUsage: "HEAD [PATH]",
		Description: `HEAD is a number or a snapshot's name. PATH is a path inside the volume; without
it the whole volume goes back. --to restores beside instead of in place. No
byte is copied: the old blocks are named again. What was there before stays
readable in its own head.

EXAMPLES:
   pifs restore before-upgrade etc/app.conf
   pifs restore 12 photos --to photos-of-last-week`,
		Flags: []cli.Flag{
			volumeFlag(), jsonFlag(),
			&cli.StringFlag{Name: "to", Usage: "restore as `PATH` inside the volume, which must not exist"},
		},
		Action: func(c *cli.Context) error { return restoreAction(env, c) },
	}
}

func restoreAction(env Env, c *cli.Context) error {
	if err := wantArgs(c, 1, 2); err != nil {
		return err
	}
	args := restoreArgs{Volume: c.String("volume"), Head: c.Args().Get(0), Path: c.Args().Get(1), To: c.String("to")}
	return withSession(env, c, func(s *session) error {
		var r restoreResult
		if err := s.do(c.Context, newMeter(env, "restoring"), callRestore, args, &r, nil); err != nil {
			return err
		}
		if c.Bool("json") {
			return printJSON(env, r)
		}
		_, err := fmt.Fprintf(env.Stdout, "%d files and folders restored\n", r.Restored)
		return err
	})
}
