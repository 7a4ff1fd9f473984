package cache

import (
	"context"
	"sync"

	"pifs/blockstore"
)

// flightKey tells fetches apart. A reference holds the key, so readers with
// different rights never share one.
type flightKey struct {
	sealer *blockstore.Sealer
	ref    blockstore.Ref
}

// flight is one fetch that several readers wait for.
type flight struct {
	done    chan struct{}
	cancel  context.CancelFunc
	waiters int    // guarded by flights.mu; the fetch ends when nobody is left
	landed  bool   // guarded by flights.mu: plain and err are set
	plain   *plain // with a user for each waiter
	err     error
}

type flights struct {
	mu    sync.Mutex
	calls map[flightKey]*flight
}

// do returns what fetch returns, with a user for the caller, running it once for
// all callers with the same key. fetch runs under life and is cancelled when no
// caller waits any more.
func (f *flights) do(ctx, life context.Context, key flightKey, fetch func(context.Context) (*plain, error)) (*plain, error) {
	c := f.join(life, key, fetch)
	select {
	case <-c.done:
		return c.plain, c.err
	case <-ctx.Done():
		f.leave(key, c)
		return nil, ctx.Err()
	}
}

func (f *flights) join(life context.Context, key flightKey, fetch func(context.Context) (*plain, error)) *flight {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c := f.calls[key]; c != nil {
		c.waiters++
		return c
	}
	if f.calls == nil {
		f.calls = make(map[flightKey]*flight)
	}
	c := &flight{done: make(chan struct{}), waiters: 1}
	var ctx context.Context
	ctx, c.cancel = context.WithCancel(life)
	f.calls[key] = c
	go func() {
		p, err := fetch(ctx)
		c.cancel()
		f.land(key, c, p, err)
		close(c.done)
	}()
	return c
}

// under reports whether a fetch is under way.
func (f *flights) under(key flightKey) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[key] != nil
}

// land hands what was fetched to those who still wait.
func (f *flights) land(key flightKey, c *flight, p *plain, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.calls[key] == c {
		delete(f.calls, key)
	}
	c.landed, c.plain, c.err = true, p, err
	if p != nil {
		p.use(int32(c.waiters))
		p.release() // the fetch's own
	}
}

// leave gives up one place; the last to go cancels the fetch, and a reader who
// comes after that starts a new one.
func (f *flights) leave(key flightKey, c *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c.landed {
		if c.plain != nil {
			c.plain.release()
		}
		return
	}
	c.waiters--
	if c.waiters > 0 {
		return
	}
	c.cancel()
	if f.calls[key] == c {
		delete(f.calls, key)
	}
}

// addressLocks lets one writer at a time work on an address.
type addressLocks struct {
	mu   sync.Mutex
	held map[blockstore.Address]chan struct{}
}

// lock waits for the address and returns what frees it.
func (l *addressLocks) lock(ctx context.Context, addr blockstore.Address) (unlock func(), err error) {
	for {
		free, busy := l.try(addr)
		if !busy {
			return func() { l.unlock(addr) }, nil
		}
		select {
		case <-free:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (l *addressLocks) try(addr blockstore.Address) (free chan struct{}, busy bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if free, busy = l.held[addr]; busy {
		return free, true
	}
	if l.held == nil {
		l.held = make(map[blockstore.Address]chan struct{})
	}
	l.held[addr] = make(chan struct{})
	return nil, false
}

func (l *addressLocks) unlock(addr blockstore.Address) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.held[addr])
	delete(l.held, addr)
}
