package cli

import (
	"errors"

	cli "github.com/urfave/cli/v2"

	"pifs/cli/home"
)

func nodeRunCommand(env Env) *cli.Command {
	return &cli.Command{
		Name:  "run",
		Usage: "serve the node of this home until a signal ends it",
		Description: `Stays in the foreground and logs to stderr, too. Volumes of the home that are
mounted while it runs are served by the same process. A home that is mounted
serves its node by itself.

EXAMPLE:
   pifs node run`,
		Action: func(c *cli.Context) error { return nodeRunAction(env, c) },
	}
}

func nodeRunAction(env Env, c *cli.Context) error {
	if err := wantArgs(c, 0, 0); err != nil {
		return err
	}
	h, err := locatedHome(env, c)
	if err != nil {
		return err
	}
	d, err := newDaemon(c.Context, daemonOptions{dir: h.Dir, ask: passphrase(env, c), also: env.Stderr, stay: true})
	if errors.Is(err, home.ErrLocked) {
		return fail(errBusy, "a process serves this home already: see pifs node status", err)
	}
	if err != nil {
		return err
	}
	note(env.Stderr, "node %s serves", d.node.identity.ID)
	return d.run(c.Context)
}
