package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	cli "github.com/urfave/cli/v2"

	"pifs/blockstore/failpoint"
	"pifs/cli/control"
	"pifs/cli/hold"
	"pifs/cli/home"
)

const (
	readyFD    = 3                // where a background daemon reports to its parent
	firstCall  = 30 * time.Second // a daemon that nobody calls ends after this
	lastAnswer = 5 * time.Second  // for the last answers to reach their callers

	// memoryGoal is what the collector holds the heap to, in bytes: caches
	// and fresh bytes are bounded to about 256 MiB, the rest is its room.
	memoryGoal = 480 << 20

	// extraProcs is how many goroutines more than there are processors may be in
	// Go code: most of ours are in system calls that wait for the kernel's next
	// request or for a disk, and come back to find no place.
	extraProcs = 2
)

// daemonCommand is what `pifs mount` starts in the background.
func daemonCommand(env Env) *cli.Command {
	return &cli.Command{
		Name:   "daemon",
		Usage:  "serve a home; started by mount",
		Hidden: true,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "ready", Usage: "report to the parent through descriptor 3"},
			&cli.BoolFlag{Name: "held", Usage: "the parent is a holder, at descriptor 4"},
		},
		Action: func(c *cli.Context) error { return backgroundDaemon(env, c) },
	}
}

func backgroundDaemon(env Env, c *cli.Context) error {
	if !c.Bool("ready") {
		return fail(errUsage, "the daemon is started by pifs mount, not by hand", nil)
	}
	report := os.NewFile(readyFD, "ready")
	secret, err := io.ReadAll(io.LimitReader(env.Stdin, maxPassphrase))
	if err != nil {
		return fmt.Errorf("read passphrase: %w", err)
	}
	ready := func(err error) {
		var r readiness
		if err != nil {
			r.Error = onWire(err)
		}
		_ = json.NewEncoder(report).Encode(r) // a parent that gave up needs no answer
		report.Close()
	}
	o := daemonOptions{dir: globalString(c, "home"), ask: func() ([]byte, error) { return secret, nil }}
	if c.Bool("held") {
		if o.link, o.items, err = hold.Attach(linkFD); err != nil {
			ready(err)
			return err
		}
	}
	d, err := newDaemon(c.Context, o)
	ready(err)
	if err != nil {
		return err
	}
	return d.run(c.Context)
}

// daemon serves the engine of one home until its last mount is gone.
type daemon struct {
	home   *home.Home
	node   *node // of one that stays; else the engine has it
	stay   bool  // it serves a node, and ends by a signal only
	open   func(context.Context) (*engine, error)
	lock   *home.Lock
	file   *home.Log
	log    *slog.Logger
	server *control.Server

	opening sync.Mutex // held while the engine is opened; taken before mu

	mu       sync.Mutex
	engine   *engine // nil as long as one that stays has not needed it
	active   int     // calls that run
	stopping bool    // no new calls
	idle     chan struct{}
}

var _ control.Handler = (*daemon)(nil)

// daemonOptions say what a daemon serves.
type daemonOptions struct {
	dir   string // of the home
	ask   home.AskFunc
	also  io.Writer   // receives a copy of the log; nil: stderr is the log's
	stay  bool        // serve the node of the home, and open the rest when a call needs it
	link  *hold.Link  // to the holder; nil: there is none
	items []hold.Item // what the last daemon left
}

// newDaemon opens the home, goes on with what the last daemon left, and
// listens.
func newDaemon(ctx context.Context, o daemonOptions) (d *daemon, err error) {
	h, err := home.Open(o.dir)
	if err != nil {
		return nil, err
	}
	now, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	d = &daemon{home: h, stay: o.stay, idle: make(chan struct{}, 1)}
	if d.lock, err = o.acquire(now, h.Dir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close(ctx))
		}
	}()
	if d.file, err = h.OpenLog(o.also == nil); err != nil {
		return d, err
	}
	var out io.Writer = d.file
	if o.also != nil {
		out = io.MultiWriter(d.file, o.also)
	}
	d.log = slog.New(slog.NewTextHandler(out, nil))
	d.open = func(ctx context.Context) (*engine, error) { return d.openEngine(ctx, o.ask) }
	if err = d.begin(ctx, o); err != nil {
		return d, err
	}
	d.server, err = control.Listen(h.Socket(), d, onWire)
	failpoint.Hit(failpoint.DaemonListening)
	return d, err
}

// begin opens what is served at once: the node of a daemon that stays, the
// engine of any other.
func (d *daemon) begin(ctx context.Context, o daemonOptions) (err error) {
	if o.stay {
		if d.node, err = openNode(d.home, d.log, true); err == nil && d.node == nil {
			err = noSwarm(d.home)
		}
		return err
	}
	if _, err := d.use(ctx); err != nil {
		return err
	}
	return d.hold(ctx, o)
}

// use returns the engine, which it opens when it is needed first.
func (d *daemon) use(ctx context.Context) (*engine, error) {
	d.opening.Lock()
	defer d.opening.Unlock()
	if e := d.opened(); e != nil {
		return e, nil
	}
	e, err := d.open(ctx)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.engine = e
	return e, nil
}

// opened returns the engine, or nil if nothing needed it yet.
func (d *daemon) opened() *engine {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.engine
}

func (d *daemon) openEngine(ctx context.Context, ask home.AskFunc) (*engine, error) {
	keys, err := d.home.Keys(ask)
	if err != nil {
		return nil, err
	}
	n := d.node
	if n == nil {
		if n, err = openNode(d.home, d.log, true); err != nil {
			return nil, err
		}
	}
	e, err := openEngineAt(ctx, n, n != d.node, d.home, keys, d.log, false)
	if err != nil {
		return nil, err
	}
	e.stays, e.unmounted = d.stay, d.poke
	e.watching.Go(func() { e.watchSpace(e.ctx) })
	if n != nil {
		e.watching.Go(func() { e.watchMoves(e.ctx) })
	}
	return e, nil
}

// acquire takes the lock of the home, or goes on with the last daemon's.
func (o daemonOptions) acquire(ctx context.Context, dir string) (*home.Lock, error) {
	if f := findLock(o.items); f != nil {
		return home.Adopt(f)
	}
	lock, err := home.Acquire(ctx, dir)
	if err != nil || o.link == nil {
		return lock, err
	}
	return lock, o.link.Keep(lockItem, nil, lock.File())
}

// hold goes on with the mounts that the last daemon left. One that it cannot go
// on with is lost to its users, as in a crash; the others are not.
func (d *daemon) hold(ctx context.Context, o daemonOptions) error {
	if o.link == nil {
		return nil
	}
	d.engine.link = o.link
	if err := d.engine.resume(ctx, o.items); err != nil {
		d.log.Warn("a mount is lost", "err", err)
	}
	go func() {
		o.link.Gone()
		d.log.Warn("the holder is gone: mounts end with this daemon", "pid", os.Getpid())
	}()
	return o.link.Serving()
}

// Call implements control.Handler.
func (d *daemon) Call(ctx context.Context, name string, args json.RawMessage, emit func(control.Event) error) (json.RawMessage, error) {
	d.mu.Lock()
	if d.stopping {
		d.mu.Unlock()
		return nil, fail(errBusy, "the daemon is ending", control.ErrNotBegun)
	}
	d.active++
	d.mu.Unlock()
	calm := false
	defer func() {
		if !calm {
			d.panicked(name, recover())
		}
		d.mu.Lock()
		d.active--
		d.mu.Unlock()
		d.poke()
	}()
	raw, err := d.pass(ctx, name, args, emit)
	calm = true
	return raw, err
}

// pass passes a call to who answers it.
func (d *daemon) pass(ctx context.Context, name string, args json.RawMessage, emit func(control.Event) error) (json.RawMessage, error) {
	if d.node != nil && d.opened() == nil && d.node.calls()[name] != nil {
		return d.node.Call(ctx, name, args, emit)
	}
	e, err := d.use(ctx)
	if err != nil {
		return nil, err
	}
	return e.Call(ctx, name, args, emit)
}

// panicked ends the daemon, as a panic anywhere else does: the HTTP server
// would go on with whatever lock is held.
func (d *daemon) panicked(call string, p any) {
	d.log.Error("panic while serving a call: the daemon ends", "call", call, "stack", string(debug.Stack()))
	go panic(p)
	select {}
}

// poke makes run look whether there is anything left to do.
func (d *daemon) poke() {
	select {
	case d.idle <- struct{}{}:
	default:
	}
}

// finish reports whether nothing is mounted and no call runs; if so no call
// is taken from then on.
func (d *daemon) finish() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stopping = d.stopping || !d.stay && d.active == 0 && d.engine.mounts() == 0
	return d.stopping
}

// refuse takes no more calls and ends those that run.
func (d *daemon) refuse() {
	d.mu.Lock()
	d.stopping = true
	e := d.engine
	d.mu.Unlock()
	if e != nil {
		e.dismiss()
	}
}

// run serves until the last mount is gone or a signal arrives, and leaves
// everything unmounted, committed and closed.
func (d *daemon) run(ctx context.Context) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	served := make(chan error, 1)
	go func() { served <- d.server.Serve() }()
	debug.SetMemoryLimit(memoryGoal)
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + extraProcs)
	}
	d.log.Info("daemon started", "pid", os.Getpid(), "home", d.home.Dir)
	defer d.explain()()
	nobody := time.NewTimer(firstCall)
	defer nobody.Stop()
	for {
		select {
		case <-ctx.Done():
			d.log.Info("signal received")
			d.refuse()
			if e := d.opened(); e != nil {
				e.cancel()
			}
			return d.close(context.WithoutCancel(ctx))
		case err := <-served:
			return errors.Join(err, d.close(ctx))
		case <-d.left():
			d.log.Info("the home left its swarm")
			d.refuse()
			return d.close(ctx)
		case <-d.leave():
			d.refuse() // requests of the mounts are not cut short: what is not answered is asked again
			soon, cancel := context.WithTimeout(ctx, lastAnswer)
			defer cancel()
			d.log.Info("another daemon goes on", "pid", os.Getpid())
			return d.server.Close(soon) // the rest is left as it is: see package hold
		case <-nobody.C:
		case <-d.idle:
		}
		if d.finish() {
			return d.close(ctx)
		}
	}
}

// leave returns the channel by which a holder asks for another daemon; nil,
// which is never ready, if there is no holder.
func (d *daemon) leave() chan struct{} {
	if e := d.opened(); e != nil {
		return e.leave
	}
	return nil
}

// left returns the channel that says that a node is none any more.
func (d *daemon) left() chan struct{} {
	if d.node != nil {
		return d.node.left
	}
	return nil
}

// close ends everything that was opened: first the calls, last the lock.
func (d *daemon) close(ctx context.Context) error {
	var err error
	if d.server != nil {
		soon, cancel := context.WithTimeout(ctx, lastAnswer)
		err = d.server.Close(soon)
		cancel()
	}
	if d.engine != nil {
		err = errors.Join(err, d.engine.Close(ctx))
	}
	if d.node != nil {
		err = errors.Join(err, d.node.close())
	}
	if d.engine != nil || d.node != nil {
		d.log.Info("daemon ended", "err", err)
	}
	if d.file != nil {
		err = errors.Join(err, d.file.Close())
	}
	failpoint.Hit(failpoint.DaemonEnding)
	if d.engine != nil && d.engine.link != nil {
		_ = d.engine.link.End() // a holder that is gone has no successor to start
	}
	return errors.Join(err, d.lock.Release())
}
