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
		Description: `Tells the founder's node, and forgets the swarm; a pifs node run of this home
ends. What the home's node holds for others is lost to them, and they rebuild
it elsewhere. A home that could not read its own files any more does not leave.
It can join again by an invitation.

EXAMPLES:
   pifs swarm leave
   pifs swarm leave --force`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "force", Usage: "forget the swarm also if the founder's node does not answer, or this is it, or files are lost by it"},
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
	with, call := withSession, callSwarmLeave
	if c.Bool("force") {
		with, call = withNode, callSwarmForget
	}
	return with(env, c, func(s *session) error {
		var r leaveResult
		if err := s.do(c.Context, newMeter(env, ""), call, none{}, &r, nil); err != nil {
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
	if rec.Header.Founder == n.identity.ID {
		return fail(member.ErrRefused, "the founder's node cannot leave: without it nobody could join or leave any more", nil)
	}
	c, err := member.NewLeave(n.identity, n.book.ID(), max(e.Seq, uint64(time.Now().UnixNano())))
	if err != nil {
		return err
	}
	return n.meeting.Submit(ctx, c)
}
