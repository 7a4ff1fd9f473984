package cli

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	cli "github.com/urfave/cli/v2"

	"pifs/blockstore"
	"pifs/cli/home"
	"pifs/swarm/decide"
	"pifs/swarm/member"
)

// longestRound leaves a stripe time between two looks.
const longestRound = 30 * 24 * time.Hour

func swarmCreateCommand(env Env) *cli.Command {
	return &cli.Command{
		Name:      "create",
		Usage:     "begin a swarm of which this home's node is the first member",
		ArgsUsage: "NAME",
		Description: `Makes the founder's key, which alone decides who belongs; it stays in this
home. Blocks of the swarm's scope are stored once among all members: the secret
of this home's scope becomes the swarm's. While this node does not run, nobody
can join or leave, and all else goes on.

Once in each --round nodes look after the stripes of which they hold a shard.
What a node holds counts as lost when it does not answer for three of them.

EXAMPLES:
   pifs node init --operator "Lab North" --jurisdiction DE --region eu-north --capacity 2T
   pifs swarm create genomes
   pifs node run`,
		Flags: []cli.Flag{
			&cli.DurationFlag{Name: "round", Value: 24 * time.Hour, Usage: "`TIME` between two looks, the same for all members and for ever"},
		},
		Action: func(c *cli.Context) error { return swarmCreateAction(env, c) },
	}
}

func swarmCreateAction(env Env, c *cli.Context) error {
	if err := wantArgs(c, 1, 1); err != nil {
		return err
	}
	name := c.Args().First()
	if !member.IsName(name) || name == "" {
		return fail(errUsage, fmt.Sprintf("the name of a swarm has 1 to %d bytes of text", member.MaxName), nil)
	}
	params := member.DefaultParams()
	if round := c.Duration("round"); round < decide.MinRound*time.Second || round > longestRound {
		return fail(errUsage, fmt.Sprintf("--round is %d seconds to %v", decide.MinRound, longestRound), nil)
	}
	params.Round = uint32(c.Duration("round") / time.Second)
	return withKeys(env, c, func(k *home.Keyring) error {
		h, err := locatedHome(env, c)
		if err != nil {
			return err
		}
		if err := refuseSecond(h); err != nil {
			return err
		}
		id, err := createSwarm(h, name, k.Scope(), params)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(env.Stdout, "swarm %s\n", id)
		return err
	})
}

// createSwarm begins a swarm with the node of h.
func createSwarm(h *home.Home, name string, scope blockstore.Secret, params member.Params) (in member.SwarmID, err error) {
	config, err := h.Node()
	if err != nil {
		return in, err
	}
	if config == nil {
		return in, fail(errNotFound, "this home is no node, and a swarm begins with one: pifs node init --help", nil)
	}
	id, err := ensureIdentity(h)
	if err != nil {
		return in, err
	}
	pub, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return in, fmt.Errorf("make founder's key: %w", err)
	}
	g, err := member.NewGenesis(name, pub, scope, h.Config.Ladder, params, time.Now().Unix())
	if err != nil {
		return in, err
	}
	if in, err = g.ID(); err != nil {
		return in, err
	}
	host, err := listen(id, config, true, quietLog())
	if err != nil {
		return in, err
	}
	e := newEntry(config, host)
	if err := errors.Join(host.Close(), e.Sign(id, in)); err != nil {
		return in, err
	}
	if err := blockstore.MakeDir(h.SwarmDir()); err != nil {
		return in, fmt.Errorf("create swarm: %w", err)
	}
	_, err = member.CreateBook(h.SwarmDir(), &member.Founder{Genesis: g, Key: key}, e, wallClock)
	return in, err
}
