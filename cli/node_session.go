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
	if !e.inSwarm() {
		return nodeStatus(e.home)
	}
	return e.node.status(ctx, none{}, emit)
}

func (e *engine) swarmRemove(ctx context.Context, a removeArgs, emit emitter) (none, error) {
	if !e.inSwarm() {
		return none{}, noSwarm(e.home)
	}
	return e.node.remove(ctx, a, emit)
}

func (e *engine) swarmStatus(ctx context.Context, _ none, emit emitter) (swarmStatusResult, error) {
	if !e.inSwarm() {
		return swarmStatusResult{}, noSwarm(e.home)
	}
	r, err := e.node.swarmStatus(ctx, none{}, emit)
	if err == nil {
		r.Move, err = e.moves(ctx)
	}
	return r, err
}

// inSwarm reports whether the home belongs to a swarm.
func (e *engine) inSwarm() bool { return e.node != nil && !e.node.gone() }

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
