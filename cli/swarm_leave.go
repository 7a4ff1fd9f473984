package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	cli "github.com/urfave/cli/v2"

	"pifs/swarm"
	"pifs/swarm/member"
)

func swarmLeaveCommand(env Env) *cli.Command {
	return &cli.Command{
		Name:  "leave",
		Usage: "leave the swarm",
		Description: `Brings everything that the home stored back to its own stores, which may take a
while and goes on beside mounts; if they lack room, nothing happens. Then tells the
founder's node, and forgets the swarm; a pifs node run of this home ends. What is
interrupted is gone on with, by this command or beside the next mount, until
--cancel. What the home's node holds for others is lost to them, and they rebuild it
elsewhere. The home can join again by an invitation.

EXAMPLES:
   pifs swarm leave
   pifs swarm leave --cancel
   pifs swarm leave --force`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "force", Usage: "forget the swarm also if the founder's node does not answer, or this is it, or files are lost by it"},
			&cli.BoolFlag{Name: "cancel", Usage: "stay after all: what came home goes out again"},
		},
		Action: func(c *cli.Context) error { return swarmLeaveAction(env, c) },
	}
}

type leaveResult struct {
	Swarm string `json:"swarm"`           // name
	Told  bool   `json:"told"`            // the others know
	Cause string `json:"cause,omitempty"` // why not
}

func swarmLeaveAction(env Env, c *cli.Context) error {
	if err := wantArgs(c, 0, 0); err != nil {
		return err
	}
	cancel, force := c.Bool("cancel"), c.Bool("force")
	if cancel && force {
		return fail(errUsage, "--cancel and --force contradict each other", nil)
	}
	with, call, args := withSession, callSwarmLeave, any(leaveArgs{Cancel: cancel})
	if force {
		with, call, args = withNode, callSwarmForget, none{}
	}
	return with(env, c, func(s *session) error {
		var r leaveResult
		if err := s.do(c.Context, newMeter(env, "bringing home"), call, args, &r, nil); err != nil {
			return err
		}
		if cancel {
			_, err := fmt.Fprintf(env.Stdout, "staying in %s\n", r.Swarm)
			return err
		}
		if !r.Told {
			note(env.Stderr, "the others were not told: %s", r.Cause)
		}
		_, err := fmt.Fprintf(env.Stdout, "left %s\n", r.Swarm)
		return err
	})
}

// forceLeave is leave for when no engine is open.
func (n *node) forceLeave(ctx context.Context, _ none, _ emitter) (leaveResult, error) {
	return n.leave(ctx, true)
}

// leave takes the home out of its swarm, and ends the node. If force, it does so
// also if the others cannot be told.
func (n *node) leave(ctx context.Context, force bool) (leaveResult, error) {
	r := leaveResult{Swarm: n.book.Genesis().Name}
	err := n.tellLeave(ctx)
	if err != nil && !force {
		if errors.Is(err, swarm.ErrUnreachable) {
			return r, fail(swarm.ErrUnreachable, "the founder's node does not answer; --force forgets the swarm without telling it", err)
		}
		return r, err
	}
	if r.Told = err == nil; !r.Told {
		r.Cause = oneLine(err)
	}
	if err := n.forget(); err != nil {
		return r, err
	}
	n.leaving.Do(func() { close(n.left) })
	return r, nil
}

// tellLeave has the record go on without this home, unless it does already.
func (n *node) tellLeave(ctx context.Context) error {
	rec := n.book.Current()
	e, ok := rec.Find(n.identity.ID)
	if !ok {
		return nil
	}
	if n.isFounder() {
		return founderStays()
	}
	c, err := member.NewLeave(n.identity, n.book.ID(), max(e.Seq, uint64(time.Now().UnixNano())))
	if err != nil {
		return err
	}
	return n.meeting.Submit(ctx, c)
}
