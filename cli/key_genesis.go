package cli

import (
	"fmt"

	cli "github.com/urfave/cli/v2"

	"pifs/cli/home"
)

func keyGenesisCommand(env Env) *cli.Command {
	return &cli.Command{
		Name:  "genesis",
		Usage: "print the secret of the swarm scope, to start another home with it",
		Description: `Homes with the same genesis give equal files equal roots. Whoever has it can
confirm that you store a file that they have too.

EXAMPLES:
   pifs key genesis > genesis.txt
   pifs mount --home ~/second --genesis genesis.txt ~/drive2`,
		Action: func(c *cli.Context) error { return keyGenesisAction(env, c) },
	}
}

func keyGenesisAction(env Env, c *cli.Context) error {
	if err := wantArgs(c, 0, 0); err != nil {
		return err
	}
	return withKeys(env, c, func(k *home.Keyring) error {
		_, err := fmt.Fprintln(env.Stdout, k.Genesis())
		return err
	})
}
