package cli

import (
	"fmt"
	"io"

	cli "github.com/urfave/cli/v2"
)

func swarmMoveCommand(env Env) *cli.Command {
	return &cli.Command{
		Name:  "move",
		Usage: "move what the home stored to where new data goes, and wait for it",
		Description: `What a home stored before it joined, or when the swarm was smaller, moves to the
nodes by itself while something of it is mounted, slowly; this command does it at
once. Files are read and written meanwhile, and keep their roots. The home's own
stores give up what they held once enough nodes have signed for it, and the
command returns when all have. When fewer than three nodes are left, or the home
is leaving, everything moves to its own stores.

EXAMPLES:
   pifs swarm move
   pifs swarm move --json`,
		Flags:  []cli.Flag{jsonFlag()},
		Action: func(c *cli.Context) error { return swarmMoveAction(env, c) },
	}
}

func swarmMoveAction(env Env, c *cli.Context) error {
	if err := wantArgs(c, 0, 0); err != nil {
		return err
	}
	return withSession(env, c, func(s *session) error {
		var l moveLine
		if err := s.do(c.Context, newMeter(env, "moving"), callSwarmMove, none{}, &l, nil); err != nil {
			return err
		}
		if c.Bool("json") {
			return printJSON(env, l)
		}
		_, err := fmt.Fprintf(env.Stdout, "everything lies on %s, class %s\n", l.where(), l.Class)
		return err
	})
}

// where says in words where new stripes go.
func (l *moveLine) where() string {
	if l.Home {
		return "the stores of this home"
	}
	return "the nodes"
}

func (l *moveLine) print(w io.Writer) {
	switch {
	case l == nil:
	case l.Blocks == 0:
		fmt.Fprintf(w, "move\tnothing\teverything lies on %s, class %s\n", l.where(), l.Class)
	case l.Refused != "":
		fmt.Fprintf(w, "move\t%s\t%d blocks are to go to %s, class %s: %s\n", size(l.Bytes), l.Blocks, l.where(), l.Class, l.Refused)
	default:
		fmt.Fprintf(w, "move\t%s\t%d blocks are to go to %s, class %s\n", size(l.Bytes), l.Blocks, l.where(), l.Class)
	}
}
