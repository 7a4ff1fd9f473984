package cli

import (
	"fmt"

	cli "github.com/urfave/cli/v2"

	"pifs/cli/home"
)

func keyMoveCommand(env Env) *cli.Command {
	return &cli.Command{
		Name:      "move",
		Usage:     "keep the keyring in a file elsewhere",
		ArgsUsage: "FILE",
		Description: `The home remembers where FILE is, and cannot be used while it is away: keep it on
a stick, for example.

EXAMPLES:
   pifs key move /media/stick/pifs.keyring`,
		Action: func(c *cli.Context) error { return keyMoveAction(env, c) },
	}
}

func keyMoveAction(env Env, c *cli.Context) error {
	if err := wantArgs(c, 1, 1); err != nil {
		return err
	}
	return withKeys(env, c, func(k *home.Keyring) error {
		if err := k.Move(c.Args().First()); err != nil {
			return err
		}
		_, err := fmt.Fprintf(env.Stdout, "keyring moved to %s\n", k.Path())
		return err
	})
}
