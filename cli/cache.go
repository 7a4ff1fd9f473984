package cli

import (
	"fmt"

	cli "github.com/urfave/cli/v2"
)

func cacheCommand(env Env) *cli.Command {
	return &cli.Command{
		Name:  "cache",
		Usage: "manage the block cache",
		Subcommands: []*cli.Command{{
			Name:  "drop",
			Usage: "forget cached blocks, so that the next read comes from shards",
			Description: `Blocks that are not fully stored yet are kept.

EXAMPLES:
   pifs cache drop`,
			Flags:  []cli.Flag{jsonFlag()},
			Action: func(c *cli.Context) error { return cacheDropAction(env, c) },
		}},
	}
}

func cacheDropAction(env Env, c *cli.Context) error {
	if err := wantArgs(c, 0, 0); err != nil {
		return err
	}
	return withSession(env, c, func(s *session) error {
		var r dropResult
		if err := s.do(c.Context, newMeter(env, ""), callCacheDrop, none{}, &r, nil); err != nil {
			return err
		}
		if c.Bool("json") {
			return printJSON(env, r)
		}
		_, err := fmt.Fprintf(env.Stdout, "%s dropped\n", size(r.Bytes))
		return err
	})
}
