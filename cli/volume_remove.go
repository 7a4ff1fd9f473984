package cli

import (
	"bufio"
	"fmt"
	"strings"

	cli "github.com/urfave/cli/v2"
	"golang.org/x/term"
)

func volumeRemoveCommand(env Env) *cli.Command {
	return &cli.Command{
		Name:      "remove",
		Usage:     "forget a volume and, for good, its keys",
		ArgsUsage: "NAME",
		Description: `Nothing can bring the volume back. What no other volume shares is deleted from
the stores.

EXAMPLES:
   pifs volume remove photos
   pifs volume remove --yes photos`,
		Flags:  []cli.Flag{&cli.BoolFlag{Name: "yes", Usage: "do not ask"}},
		Action: func(c *cli.Context) error { return volumeRemoveAction(env, c) },
	}
}

func volumeRemoveAction(env Env, c *cli.Context) error {
	if err := wantArgs(c, 1, 1); err != nil {
		return err
	}
	name := c.Args().First()
	if !c.Bool("yes") {
		if err := confirm(env, name); err != nil {
			return err
		}
	}
	return withSession(env, c, func(s *session) error {
		var r volumeRemoveResult
		if err := s.do(c.Context, newMeter(env, ""), callVolumeRemove, volumeArgs{name}, &r, nil); err != nil {
			return err
		}
		if r.Kept != "" {
			note(env.Stderr, "its blocks are still stored: %s", r.Kept)
		}
		_, err := fmt.Fprintf(env.Stdout, "volume %s removed, %s freed\n", name, size(r.Bytes))
		return err
	})
}

// confirm asks for the name again, on a terminal.
func confirm(env Env, name string) error {
	if env.Stdin == nil || !term.IsTerminal(int(env.Stdin.Fd())) {
		return fail(errUsage, "volume remove asks before it forgets keys; without a terminal give --yes", nil)
	}
	fmt.Fprintf(env.Stderr, "This destroys the keys of volume %s for good. Type its name: ", name)
	answer, err := bufio.NewReader(env.Stdin).ReadString('\n')
	if err != nil || strings.TrimSpace(answer) != name {
		return fail(errUsage, "the name differs; nothing was removed", err)
	}
	return nil
}
