package cli

import (
	"encoding/json"
	"fmt"

	cli "github.com/urfave/cli/v2"

	"pifs/cli/control"
)

func diffCommand(env Env) *cli.Command {
	return &cli.Command{
		Name:      "diff",
		Usage:     "list what differs between two heads",
		ArgsUsage: "A B",
		Description: `A and B are numbers of heads or names of snapshots, as pifs log shows them. Equal
parts of the tree are skipped, whatever their size.

EXAMPLES:
   pifs diff 3 7
   pifs diff --json before-upgrade after-upgrade`,
		Flags:  []cli.Flag{volumeFlag(), jsonFlag()},
		Action: func(c *cli.Context) error { return diffAction(env, c) },
	}
}

func diffAction(env Env, c *cli.Context) error {
	if err := wantArgs(c, 2, 2); err != nil {
		return err
	}
	signs := map[string]string{"added": "+", "removed": "-", "changed": "~"}
	print := func(e control.Event) error {
		if c.Bool("json") {
			_, err := fmt.Fprintf(env.Stdout, "%s\n", e.Item)
			return err
		}
		var d diffLine
		if err := json.Unmarshal(e.Item, &d); err != nil {
			return fmt.Errorf("decode difference: %w", err)
		}
		what := ""
		if d.What != "" {
			what = "  (" + d.What + ")"
		}
		_, err := fmt.Fprintf(env.Stdout, "%s %s%s\n", signs[d.Kind], d.Path, what)
		return err
	}
	args := diffArgs{Volume: c.String("volume"), A: c.Args().Get(0), B: c.Args().Get(1)}
	return withSession(env, c, func(s *session) error {
		return s.do(c.Context, newMeter(env, ""), callDiff, args, nil, print)
	})
}
