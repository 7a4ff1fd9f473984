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
pifs restore.

EXAMPLES:
   pifs snapshot before-upgrade
   ls ~/drive/.pifs/snapshots/before-upgrade`,
		Flags:  []cli.Flag{volumeFlag(), jsonFlag()},
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
		if err := s.do(c.Context, newMeter(env, "storing"), callSnapshot, snapshotArgs{c.String("volume"), name}, &h, nil); err != nil {
			return err
		}
		if c.Bool("json") {
			return printJSON(env, h)
		}
		_, err := fmt.Fprintf(env.Stdout, "%s: head %d %s %s\n", h.Volume, h.Seq, h.Root, h.Name)
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
