package cli

import (
	"fmt"

	cli "github.com/urfave/cli/v2"
)

func infoCommand(env Env) *cli.Command {
	return &cli.Command{
		Name:      "info",
		Usage:     "show the root of a path, its chunks, and where their shards lie",
		ArgsUsage: "PATH",
		Description: `PATH lies in a mount, or with --volume inside that volume, mounted or not. The
same can be asked without this program: getfattr -n user.pifs.root PATH, and
user.pifs.durability.

EXAMPLES:
   pifs info ~/drive/film.mkv
   pifs info --volume photos 2024/beach.jpg --json`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "volume", Usage: "PATH is inside the volume `NAME`"}, jsonFlag(),
		},
		Action: func(c *cli.Context) error { return infoAction(env, c) },
	}
}

func infoAction(env Env, c *cli.Context) error {
	if err := wantArgs(c, 1, 1); err != nil {
		return err
	}
	path := c.Args().First()
	run := func(args infoArgs) func(*session) error {
		return func(s *session) error {
			var r infoResult
			if err := s.do(c.Context, newMeter(env, ""), callInfo, args, &r, nil); err != nil {
				return err
			}
			return printInfo(env, c, r)
		}
	}
	if volume := c.String("volume"); volume != "" {
		return withSession(env, c, run(infoArgs{Volume: volume, Path: path}))
	}
	m, inner, err := mountOf(path)
	if err != nil {
		return err
	}
	return withSessionOn(env, c, m.Home, run(infoArgs{Volume: m.Volume, Path: inner}))
}

func printInfo(env Env, c *cli.Context, r infoResult) error {
	if c.Bool("json") {
		return printJSON(env, r)
	}
	fmt.Fprintf(env.Stdout, "path   /%s\nroot   %s\nsize   %d\n", r.Path, r.Root, r.Size)
	if len(r.Chunks) == 0 {
		_, err := fmt.Fprintln(env.Stdout, "inline, as safe as the tree")
		return err
	}
	fmt.Fprintf(env.Stdout, "chunks %d; %d more shards of each may be lost\n", len(r.Chunks), r.MayLose)
	for _, ch := range r.Chunks {
		fmt.Fprintf(env.Stdout, "%12d %9d  %s %s\n", ch.Offset, ch.Length, ch.Class, ch.Address)
		for _, s := range ch.Shards {
			fmt.Fprintf(env.Stdout, "%23s %-11s %s\n", "", s.State, s.Store)
		}
	}
	return nil
}
