package cli

import (
	"fmt"
	"text/tabwriter"
	"time"

	cli "github.com/urfave/cli/v2"
)

func volumeListCommand(env Env) *cli.Command {
	return &cli.Command{
		Name:  "list",
		Usage: "list the volumes of the home and where they are mounted",
		Description: `EXAMPLES:
   pifs volume list
   pifs volume list --json`,
		Flags:  []cli.Flag{jsonFlag()},
		Action: func(c *cli.Context) error { return volumeListAction(env, c) },
	}
}

func volumeListAction(env Env, c *cli.Context) error {
	if err := wantArgs(c, 0, 0); err != nil {
		return err
	}
	return withSession(env, c, func(s *session) error {
		var r volumeListResult
		if err := s.do(c.Context, newMeter(env, ""), callVolumeList, none{}, &r, nil); err != nil {
			return err
		}
		if c.Bool("json") {
			return printJSON(env, r)
		}
		w := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
		for _, v := range r.Volumes {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", v.Name, v.Scope, v.Created.Local().Format(time.DateTime), v.Mount)
		}
		return w.Flush()
	})
}
