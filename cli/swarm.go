package cli

import (
	"errors"
	"fmt"
	"io/fs"

	cli "github.com/urfave/cli/v2"

	"pifs/cli/home"
	"pifs/swarm/member"
)

func swarmCommand(env Env) *cli.Command {
	return &cli.Command{
		Name:  "swarm",
		Usage: "create and join swarms of machines, and see who belongs",
		Subcommands: []*cli.Command{
			swarmCreateCommand(env), swarmInviteCommand(env), swarmJoinCommand(env), swarmLeaveCommand(env),
			swarmMoveCommand(env), swarmRemoveCommand(env), swarmNodesCommand(env), swarmStatusCommand(env),
		},
	}
}

// readBook opens what a home knows of its swarm, to look at.
func readBook(h *home.Home) (*member.Book, error) {
	b, err := member.ReadBook(h.SwarmDir())
	if errors.Is(err, member.ErrNoSwarm) {
		return nil, noSwarm(h)
	}
	return b, err
}

// founderOf returns the founder's key, which only one home has.
func founderOf(b *member.Book) (*member.Founder, error) {
	if f := b.Founder(); f != nil {
		return f, nil
	}
	return nil, fail(fs.ErrPermission, fmt.Sprintf("only the home that created the swarm %s can do this", b.Genesis().Name), nil)
}

// refuseSecond refuses to join or create a swarm in a home that has one.
func refuseSecond(h *home.Home) error {
	b, err := member.ReadBook(h.SwarmDir())
	if errors.Is(err, member.ErrNoSwarm) {
		return nil
	}
	if err != nil {
		return err
	}
	return fail(home.ErrMismatch, fmt.Sprintf("home %s belongs to the swarm %s already; leave it first: pifs swarm leave", h.Dir, b.Genesis().Name), nil)
}
