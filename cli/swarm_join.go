package cli

import (
	"context"
	"errors"
	"fmt"

	cli "github.com/urfave/cli/v2"

	"pifs/blockstore"
	"pifs/cli/home"
	"pifs/swarm"
	"pifs/swarm/meet"
	"pifs/swarm/member"
)

func swarmJoinCommand(env Env) *cli.Command {
	return &cli.Command{
		Name:      "join",
		Usage:     "join a swarm by an invitation",
		ArgsUsage: "INVITATION",
		Description: `Makes this home a member, and the swarm's scope that of its new volumes. A home
that pifs node init made a node offers room; any other only uses the swarm.

EXAMPLES:
   pifs swarm join pifs:i1:lgGXAaN…
   pifs node run`,
		Action: func(c *cli.Context) error { return swarmJoinAction(env, c) },
	}
}

func swarmJoinAction(env Env, c *cli.Context) error {
	if err := wantArgs(c, 1, 1); err != nil {
		return err
	}
	i, err := member.ParseInvitation(c.Args().First())
	if err != nil {
		return fail(errUsage, oneLine(err), err)
	}
	if err := i.Ticket.Verify(i.Genesis, wallClock()-member.ClockSkew); err != nil {
		return err
	}
	return withFreeHome(env, c, func(h *home.Home) error {
		if err := refuseSecond(h); err != nil {
			return err
		}
		keys, err := h.Keys(passphrase(env, c))
		if err != nil {
			return err
		}
		rec, err := askToJoin(c.Context, h, &i)
		if err != nil {
			return err
		}
		if old := scopeVolumes(keys); old != "" && keys.Scope() != blockstore.Secret(i.Scope) {
			note(env.Stderr, "volume %s and others that exist keep the scope they were made in: what they hold is not stored once with others'", old)
		}
		// The scope comes first: whoever is killed in between can join again.
		if err := keys.Adopt(i.Scope); err != nil {
			return err
		}
		if err := blockstore.MakeDir(h.SwarmDir()); err != nil {
			return fmt.Errorf("join swarm: %w", err)
		}
		if _, err := member.AdoptBook(h.SwarmDir(), i.Genesis, rec, wallClock); err != nil {
			return err
		}
		_, err = fmt.Fprintf(env.Stdout, "joined %s\n", i.Genesis.Name)
		return err
	})
}

// scopeVolumes returns a volume of the swarm scope, if there is any.
func scopeVolumes(k *home.Keyring) string {
	for _, name := range k.Volumes() {
		if v, err := k.Volume(name); err == nil && v.Scope == home.ScopeSwarm {
			return name
		}
	}
	return ""
}

// askToJoin asks to be taken in, and returns the record that this home is in.
func askToJoin(ctx context.Context, h *home.Home, i *member.Invitation) (*member.Record, error) {
	id, err := ensureIdentity(h)
	if err != nil {
		return nil, err
	}
	config, err := h.Node()
	if err != nil {
		return nil, err
	}
	host, err := listen(id, config, true, quietLog())
	if err != nil {
		return nil, err
	}
	defer host.Close()
	in, err := i.Genesis.ID()
	if err != nil {
		return nil, err
	}
	e := newEntry(config, host)
	if err := e.Sign(id, in); err != nil {
		return nil, err
	}
	rec, err := meet.Join(ctx, host, i, e)
	if errors.Is(err, swarm.ErrUnreachable) {
		return nil, fail(swarm.ErrUnreachable, fmt.Sprintf("nobody who could let this home into %s can be reached; the founder's node has to run", i.Genesis.Name), err)
	}
	return rec, err
}
