package cli

import (
	"fmt"
	"strconv"
	"strings"

	cli "github.com/urfave/cli/v2"
)

func snapshotCommand(env Env) *cli.Command {
	return &cli.Command{
		Name:      "snapshot",
		Usage:     "give the present state of a volume a name",
		ArgsUsage: "NAME",
		Description: `Commits what was written as a head called NAME. It can be read under
DIR/.pifs/snapshots/NAME, compared with pifs diff and brought back with
pifs restore. It is kept until its name is deleted; then it is a head like
others, which is forgotten when room is needed.

EXAMPLES:
   pifs snapshot before-upgrade
   ls ~/drive/.pifs/snapshots/before-upgrade
   pifs snapshot --delete before-upgrade`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "delete", Usage: "take the name from a snapshot instead"},
			volumeFlag(), jsonFlag(),
		},
		Action: func(c *cli.Context) error { return snapshotAction(env, c) },
	}
}

func snapshotAction(env Env, c *cli.Context) error {
	if err := wantArgs(c, 1, 1); err != nil {
		return err
	}
	name := c.Args().First()
	if err := checkSnapshotName(name); err != nil {
		return err
	}
	return withSession(env, c, func(s *session) error {
		var h headLine
		call := callSnapshot
		if c.Bool("delete") {
			call = callUnsnapshot
		}
		err := s.do(c.Context, newMeter(env, "storing"), call, snapshotArgs{c.String("volume"), name}, &h, nil)
		if err == nil && call == callSnapshot {
			err = s.vouch()
		}
		if err != nil {
			return err
		}
		if c.Bool("json") {
			return printJSON(env, h)
		}
		if c.Bool("delete") {
			_, err := fmt.Fprintf(env.Stdout, "%s: head %d is no snapshot any more\n", h.Volume, h.Seq)
			return err
		}
		_, err = fmt.Fprintf(env.Stdout, "%s: head %d %s %s\n", h.Volume, h.Seq, h.Root, h.Name)
		return err
	})
}

// checkSnapshotName refuses what cannot be a folder's name, and numbers:
// those are heads.
func checkSnapshotName(name string) error {
	_, err := strconv.ParseUint(name, 10, 64)
	if err == nil || name == "" || len(name) > 255 || name[0] == '.' || strings.ContainsAny(name, "/\x00\n") {
		return fail(errUsage, fmt.Sprintf("snapshot name %q: use a file name that is no number and does not start with a dot", name), nil)
	}
	return nil
}
