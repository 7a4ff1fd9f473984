package cli

import (
	"encoding/json"
	"fmt"
	"time"

	cli "github.com/urfave/cli/v2"

	"pifs/cli/control"
)

func logCommand(env Env) *cli.Command {
	return &cli.Command{
		Name:  "log",
		Usage: "list the heads of a volume, newest first",
		Description: `Every head can be read under DIR/.pifs/snapshots, by number or snapshot name, unless
it was forgotten: old heads are when their disk becomes full, or by pifs prune.

EXAMPLES:
   pifs log
   pifs log --volume photos --json`,
		Flags:  []cli.Flag{volumeFlag(), jsonFlag()},
		Action: func(c *cli.Context) error { return logAction(env, c) },
	}
}

func logAction(env Env, c *cli.Context) error {
	if err := wantArgs(c, 0, 0); err != nil {
		return err
	}
	heads := []headLine{}
	print := func(e control.Event) error {
		var h headLine
		if err := json.Unmarshal(e.Item, &h); err != nil {
			return fmt.Errorf("decode head: %w", err)
		}
		if c.Bool("json") {
			heads = append(heads, h)
			return nil
		}
		if h.Forgotten {
			h.Name = "(forgotten)"
		}
		_, err := fmt.Fprintf(env.Stdout, "%6d  %s  %s  %s\n", h.Seq, h.Time.Local().Format(time.DateTime), h.Root[:16], h.Name)
		return err
	}
	return withSession(env, c, func(s *session) error {
		err := s.do(c.Context, newMeter(env, ""), callLog, volumeArgs{c.String("volume")}, nil, print)
		if err != nil || !c.Bool("json") {
			return err
		}
		return printJSON(env, heads)
	})
}
