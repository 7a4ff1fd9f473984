package cli

import (
	"context"
	"errors"
	"fmt"

	cli "github.com/urfave/cli/v2"

	"pifs/cli/home"
)

func keyCommand(env Env) *cli.Command {
	return &cli.Command{
		Name:  "key",
		Usage: "protect, move and show the keys of the home",
		Subcommands: []*cli.Command{
			keyProtectCommand(env), keyUnprotectCommand(env), keyMoveCommand(env), keyGenesisCommand(env),
		},
	}
}

// withKeys runs fn on the keyring of the home while nobody else uses it: a
// daemon would later save the keys as it knew them.
func withKeys(env Env, c *cli.Context, fn func(*home.Keyring) error) error {
	dir, err := home.Locate(globalString(c, "home"), env.Getenv)
	if err != nil {
		return err
	}
	h, err := home.Open(dir)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Context, patience/10)
	defer cancel()
	lock, err := home.Acquire(ctx, h.Dir)
	if errors.Is(err, home.ErrLocked) {
		return fail(errBusy, fmt.Sprintf("home %s is in use; umount what is mounted from it first", h.Dir), err)
	}
	if err != nil {
		return err
	}
	keys, err := h.Keys(passphrase(env, c))
	if err == nil {
		err = fn(keys)
	}
	return errors.Join(err, lock.Release())
}
