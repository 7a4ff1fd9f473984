package cli

import (
	"fmt"

	cli "github.com/urfave/cli/v2"

	"pifs/cli/home"
)

func volumeCreateCommand(env Env) *cli.Command {
	return &cli.Command{
		Name:      "create",
		Usage:     "make the keys of a new volume",
		ArgsUsage: "NAME",
		Description: `EXAMPLES:
   pifs volume create photos
   pifs volume create --scope private patients`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "scope", Value: home.ScopeSwarm, Usage: "whose equal data is stored once: swarm or private"},
			jsonFlag(),
		},
		Action: func(c *cli.Context) error { return volumeCreateAction(env, c) },
	}
}

func volumeCreateAction(env Env, c *cli.Context) error {
	if err := wantArgs(c, 1, 1); err != nil {
		return err
	}
	if err := oneOf("scope", c.String("scope"), home.ScopeSwarm, home.ScopePrivate); err != nil {
		return err
	}
	if err := home.CheckVolumeName(c.Args().First()); err != nil {
		return fail(errUsage, oneLine(err), err)
	}
	return withSession(env, c, func(s *session) error {
		var v volumeLine
		if err := s.do(c.Context, newMeter(env, ""), callVolumeCreate, volumeCreateArgs{c.Args().First(), c.String("scope")}, &v, nil); err != nil {
			return err
		}
		if c.Bool("json") {
			return printJSON(env, v)
		}
		_, err := fmt.Fprintf(env.Stdout, "volume %s created\n", v.Name)
		return err
	})
}
