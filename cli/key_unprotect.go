package cli

import (
	"fmt"

	cli "github.com/urfave/cli/v2"

	"pifs/cli/home"
)

func keyUnprotectCommand(env Env) *cli.Command {
	return &cli.Command{
		Name:  "unprotect",
		Usage: "store the keyring in the clear again",
		Description: `EXAMPLES:
   pifs key unprotect`,
		Action: func(c *cli.Context) error { return keyUnprotectAction(env, c) },
	}
}

func keyUnprotectAction(env Env, c *cli.Context) error {
	if err := wantArgs(c, 0, 0); err != nil {
		return err
	}
	return withKeys(env, c, func(k *home.Keyring) error {
		if err := k.Unprotect(); err != nil {
			return err
		}
		_, err := fmt.Fprintln(env.Stdout, "keyring stored in the clear")
		return err
	})
}
