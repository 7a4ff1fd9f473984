package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	cli "github.com/urfave/cli/v2"

	"pifs/blockstore"
	"pifs/cli/control"
	"pifs/cli/home"
)

// The names of what the place of a home in a swarm can be asked, whether or
// not an engine is open.
const (
	callNodeAudit   = "node-audit"
	callNodeStatus  = "node-status"
	callSwarmForget = "swarm-forget"
	callSwarmRemove = "swarm-remove"
	callSwarmStatus = "swarm-status"
)

var _ control.Handler = (*node)(nil)

// calls is the table of everything that a node can be asked.
func (n *node) calls() map[string]callFunc {
	return map[string]callFunc{
		callNodeAudit:   typed(n.audit),
		callNodeStatus:  typed(n.status),
		callSwarmForget: typed(n.forceLeave),
		callSwarmRemove: typed(n.remove),
		callSwarmStatus: typed(n.swarmStatus),
	}
}

// Call implements control.Handler. It ends when ctx or the node does.
func (n *node) Call(ctx context.Context, name string, args json.RawMessage, emit func(control.Event) error) (json.RawMessage, error) {
	fn := n.calls()[name]
	if fn == nil {
		return nil, fail(errUsage, fmt.Sprintf("a node does not know the call %q", name), nil)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(n.ctx, cancel)()
	return fn(ctx, args, emit)
}

// nodeStatus is that of the engine's node, if it has one.
func (e *engine) nodeStatus(ctx context.Context, _ none, emit emitter) (nodeStatusResult, error) {
	if e.node == nil {
		return nodeStatus(e.home)
	}
	return e.node.status(ctx, none{}, emit)
}

// swarmLeave takes the home out of its swarm, unless somebody uses that, or what
// the home stored could not be read any more.
func (e *engine) swarmLeave(ctx context.Context, _ none, _ emitter) (leaveResult, error) {
	if err := e.mayLeave(); err != nil {
		return leaveResult{}, err
	}
	if err := e.stack.keptHere(ctx); err != nil {
		return leaveResult{}, err
	}
	return e.node.leave(ctx, false)
}

// swarmForget is swarmLeave without looking at what is stored.
func (e *engine) swarmForget(ctx context.Context, _ none, _ emitter) (leaveResult, error) {
	if err := e.mayLeave(); err != nil {
		return leaveResult{}, err
	}
	return e.node.leave(ctx, true)
}

func (e *engine) mayLeave() error {
	if e.node == nil {
		return noSwarm(e.home)
	}
	if n := e.mounts(); n > 0 {
		return fail(errBusy, fmt.Sprintf("%d volumes of the home are mounted; umount them first", n), nil)
	}
	return nil
}

// keptHere reports a block of which the home's own stores do not have enough
// shards to read it.
func (st *stack) keptHere(ctx context.Context) error {
	return st.blocks.Each(ctx, func(d blockstore.Descriptor) error {
		held := 0
		for _, id := range d.Shards {
			for _, s := range st.stores {
				has, err := s.Has(ctx, id)
				if err != nil {
					return err
				}
				if has {
					held++
					break
				}
			}
		}
		if held >= int(d.Class.K) {
			return nil
		}
		return fail(errBusy, "what this home stored lies on the nodes of the swarm, and could not be read any more; --force leaves all the same", nil)
	})
}

func (e *engine) swarmRemove(ctx context.Context, a removeArgs, emit emitter) (none, error) {
	if e.node == nil {
		return none{}, noSwarm(e.home)
	}
	return e.node.remove(ctx, a, emit)
}

func (e *engine) swarmStatus(ctx context.Context, _ none, emit emitter) (swarmStatusResult, error) {
	if e.node == nil {
		return swarmStatusResult{}, noSwarm(e.home)
	}
	return e.node.swarmStatus(ctx, none{}, emit)
}

// locatedHome opens the home that the flags name.
func locatedHome(env Env, c *cli.Context) (*home.Home, error) {
	dir, err := home.Locate(globalString(c, "home"), env.Getenv)
	if err != nil {
		return nil, err
	}
	return home.Open(dir)
}

// noSwarm is what to tell when a home has joined none.
func noSwarm(h *home.Home) error {
	return fail(errNotFound, fmt.Sprintf("home %s has joined no swarm; see: pifs swarm --help", h.Dir), nil)
}

// withNode runs fn on a session with the home's place in its swarm: of the
// process that serves it, or of this one.
func withNode(env Env, c *cli.Context, fn func(*session) error) error {
	h, err := locatedHome(env, c)
	if err != nil {
		return err
	}
	lock, client, err := lockOrDial(c.Context, h)
	if err != nil {
		return err
	}
	if client != nil {
		return fn(&session{Handler: client})
	}
	n, err := openNode(h, quietLog(), false)
	if n == nil && err == nil {
		err = noSwarm(h)
	}
	if err != nil {
		return errors.Join(err, lock.Release())
	}
	return errors.Join(fn(&session{Handler: n}), n.close(), lock.Release())
}

// withFreeHome runs fn on a home that nobody else uses, making it on first use.
func withFreeHome(env Env, c *cli.Context, fn func(*home.Home) error) error {
	dir, err := home.Locate(globalString(c, "home"), env.Getenv)
	if err != nil {
		return err
	}
	h, err := home.Open(dir)
	if err != nil && !errors.Is(err, home.ErrNone) {
		return err
	}
	if h == nil {
		if err := blockstore.MakeDir(dir); err != nil {
			return fmt.Errorf("create home: %w", err)
		}
	}
	ctx, cancel := context.WithTimeout(c.Context, patience/10)
	defer cancel()
	lock, err := home.Acquire(ctx, dir)
	if errors.Is(err, home.ErrLocked) {
		return fail(errBusy, fmt.Sprintf("home %s is in use; umount what is mounted from it, and end its pifs node run first", dir), err)
	}
	if err != nil {
		return err
	}
	if h == nil {
		if h, err = home.Create(dir, home.Settings{}, ""); err == nil {
			note(env.Stderr, "created home %s; keep a copy of its folder keys", dir)
		}
	}
	if err == nil {
		err = fn(h)
	}
	return errors.Join(err, lock.Release())
}
