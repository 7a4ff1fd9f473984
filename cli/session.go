package cli

import (
	"context"
	"errors"
	"time"

	cli "github.com/urfave/cli/v2"

	"pifs/cli/control"
	"pifs/cli/home"
)

// patience is how long a command waits for a home that another process is
// about to leave.
const patience = 10 * time.Second

// session answers calls on one home: through its daemon when one runs, else
// with an engine of its own.
type session struct {
	control.Handler
	// reopen replaces the handler after a daemon turned out to be on its way
	// out; nil when that is final.
	reopen func(context.Context) (control.Handler, error)
	engine *engine    // when the handler is our own
	lock   *home.Lock // held with it
}

// do runs one call and shows its progress; items go to on, which may be nil.
// A call that a daemon did not take because it was ending is made again.
func (s *session) do(ctx context.Context, m *meter, name string, args, result any, on func(control.Event) error) error {
	defer m.close()
	pause := time.NewTicker(20 * time.Millisecond)
	defer pause.Stop()
	deadline := time.Now().Add(patience)
	for {
		err := control.Do(ctx, s, name, args, result, m.events(on))
		if !errors.Is(err, control.ErrNotBegun) || s.reopen == nil || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-pause.C:
		}
		if s.Handler, err = s.reopen(ctx); err != nil {
			return err
		}
	}
}

// close ends the session's own engine, if it has one.
func (s *session) close(ctx context.Context) error {
	if s.engine == nil {
		return nil
	}
	return errors.Join(s.engine.Close(ctx), s.lock.Release())
}

// connect opens a session on the home in dir.
func connect(env Env, c *cli.Context, dir string) (*session, error) {
	h, err := home.Open(dir)
	if err != nil {
		return nil, err
	}
	s := &session{}
	s.reopen = func(ctx context.Context) (control.Handler, error) {
		return s.open(ctx, h, passphrase(env, c), c.Bool("repair"))
	}
	s.Handler, err = s.reopen(c.Context)
	return s, err
}

// open returns a client of the daemon, or else an engine of the session's own,
// which repair lets replace a damaged block index.
func (s *session) open(ctx context.Context, h *home.Home, ask home.AskFunc, repair bool) (control.Handler, error) {
	lock, client, err := lockOrDial(ctx, h)
	if err != nil {
		return nil, err
	}
	if client != nil {
		return client, nil
	}
	keys, err := h.Keys(ask)
	if err != nil {
		return nil, errors.Join(err, lock.Release())
	}
	e, err := openEngine(ctx, h, keys, quietLog(), repair)
	if err != nil {
		return nil, errors.Join(err, lock.Release())
	}
	s.engine, s.lock = e, lock
	return e, nil
}

// lockOrDial takes the lock of the home, or reaches the daemon that holds it:
// one that is starting, or one that is about to end.
func lockOrDial(ctx context.Context, h *home.Home) (*home.Lock, *control.Client, error) {
	if client, err := control.Dial(ctx, h.Socket()); err == nil {
		return nil, client, nil
	}
	deadline := time.Now().Add(patience)
	for {
		step, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		lock, err := home.Acquire(step, h.Dir)
		cancel()
		if err == nil {
			return lock, nil, nil
		}
		if !errors.Is(err, home.ErrLocked) {
			return nil, nil, err
		}
		if client, dialErr := control.Dial(ctx, h.Socket()); dialErr == nil {
			return nil, client, nil
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			return nil, nil, err
		}
	}
}

// withSession runs fn on a session with the home that the flags name.
func withSession(env Env, c *cli.Context, fn func(*session) error) error {
	dir, err := home.Locate(globalString(c, "home"), env.Getenv)
	if err != nil {
		return err
	}
	return withSessionOn(env, c, dir, fn)
}

// withSessionOn runs fn on a session with the home in dir.
func withSessionOn(env Env, c *cli.Context, dir string, fn func(*session) error) error {
	s, err := connect(env, c, dir)
	if err != nil {
		return err
	}
	return errors.Join(fn(s), s.close(c.Context))
}
