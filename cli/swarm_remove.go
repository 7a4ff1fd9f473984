package cli

import (
	"context"
	"fmt"

	cli "github.com/urfave/cli/v2"

	"pifs/swarm"
	"pifs/swarm/member"
)

func swarmRemoveCommand(env Env) *cli.Command {
	return &cli.Command{
		Name:      "remove",
		Usage:     "shut a member out for good",
		ArgsUsage: "ID",
		Description: `For machines that are gone, and for keys that were stolen: the member's id cannot
join again, by whatever invitation. Only the home that created the swarm can
remove members.

EXAMPLE:
   pifs swarm remove 12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5`,
		Action: func(c *cli.Context) error { return swarmRemoveAction(env, c) },
	}
}

type removeArgs struct{ ID string }

func swarmRemoveAction(env Env, c *cli.Context) error {
	if err := wantArgs(c, 1, 1); err != nil {
		return err
	}
	id, err := swarm.ParseMemberID(c.Args().First())
	if err != nil {
		return fail(errUsage, fmt.Sprintf("%q is no member's id; pifs swarm nodes lists them", c.Args().First()), err)
	}
	return withNode(env, c, func(s *session) error {
		if err := s.do(c.Context, newMeter(env, ""), callSwarmRemove, removeArgs{string(id)}, &none{}, nil); err != nil {
			return err
		}
		_, err := fmt.Fprintf(env.Stdout, "removed %s\n", id)
		return err
	})
}

// remove takes another member out by the founder's key.
func (n *node) remove(ctx context.Context, a removeArgs, _ emitter) (none, error) {
	f, err := founderOf(n.book)
	if err != nil {
		return none{}, err
	}
	c, err := member.NewRemove(f.Key, n.book.ID(), swarm.MemberID(a.ID))
	if err != nil {
		return none{}, err
	}
	return none{}, n.meeting.Submit(ctx, c)
}
