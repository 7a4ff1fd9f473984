package cli

import (
	"fmt"

	cli "github.com/urfave/cli/v2"

	"pifs/cli/home"
)

func keyProtectCommand(env Env) *cli.Command {
	return &cli.Command{
		Name:  "protect",
		Usage: "put the keyring under a passphrase",
		Description: `Every command that needs keys asks for it then, or takes it from
--passphrase-file or $PIFS_PASSPHRASE. A forgotten passphrase cannot be
recovered, and with it nothing that was stored.

EXAMPLES:
   pifs key protect
   pifs key protect --passphrase-file /run/secrets/pifs`,
		Action: func(c *cli.Context) error { return keyProtectAction(env, c) },
	}
}

func keyProtectAction(env Env, c *cli.Context) error {
	if err := wantArgs(c, 0, 0); err != nil {
		return err
	}
	return withKeys(env, c, func(k *home.Keyring) error {
		if k.Protected() {
			return fail(home.ErrMismatch, "the keyring is under a passphrase already; change it with: pifs key unprotect", nil)
		}
		p, err := newPassphrase(env, c)
		if err != nil {
			return err
		}
		if err := k.Protect(p); err != nil {
			return err
		}
		_, err = fmt.Fprintln(env.Stdout, "keyring protected")
		return err
	})
}
