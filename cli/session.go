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
	close func() error
}

// do runs one call and shows its progress; items go to on, which may be nil.
func (s *session) do(ctx context.Context, m *meter, name string, args, result any, on func(control.Event) error) error {
	defer m.close()
	return control.Do(ctx, s, name, args, result, m.events(on))
}

// connect opens a session on the home in dir.
func connect(env Env, c *cli.Context, dir string) (*session, error) {
	h, err := home.Open(dir)
	if err != nil {
		return nil, err
	}
	if client, err := control.Dial(c.Context, h.Socket()); err == nil {
		return &session{client, func() error { return nil }}, nil
	}
	lock, client, err := lockOrDial(c.Context, h)
	if err != nil {
		return nil, err
	}
	if client != nil {
		return &session{client, func() error { return nil }}, nil
	}
	keys, err := h.Keys(passphrase(env, c))
	if err != nil {
		return nil, errors.Join(err, lock.Release())
	}
	e, err := openEngine(c.Context, h, keys, quietLog())
	if err != nil {
		return nil, errors.Join(err, lock.Release())
	}
	return &session{e, func() error { return errors.Join(e.Close(c.Context), lock.Release()) }}, nil
}

// lockOrDial takes the lock of the home, or reaches the daemon that holds it:
// one that is starting, or one that is about to end.
func lockOrDial(ctx context.Context, h *home.Home) (*home.Lock, *control.Client, error) {
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
	return errors.Join(fn(s), s.close())
}
