package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"pifs/cli/control"
	"pifs/cli/hold"
	"pifs/cli/home"
)

// engine is a home in use. The caller holds the lock of the home for as long
// as the engine lives.
type engine struct {
	home  *home.Home
	node  *node // nil: it has joined no swarm
	stack *stack
	log   *slog.Logger

	ctx       context.Context // ends when the engine does
	cancel    context.CancelFunc
	calling   context.Context // ends before, when calls are to end and mounts are not
	dismiss   context.CancelFunc
	unmounted func() // called after a mount has gone; may be nil
	stays     bool   // the process goes on after the last mount has gone
	ownsNode  bool   // it is closed with the engine
	watching  sync.WaitGroup

	mover mover

	link  *hold.Link    // to the holder; nil: mounts end with this process
	leave chan struct{} // sent to when another daemon shall go on

	// collecting is held while garbage is collected: no volume is removed then.
	// It is taken before mu.
	collecting sync.Mutex

	mu      sync.Mutex
	keys    *home.Keyring
	volumes map[string]*openVolume
}

var _ control.Handler = (*engine)(nil)

// openEngine puts a home in use for one command. repair lets it replace a block
// index that is lost or damaged.
func openEngine(ctx context.Context, h *home.Home, keys *home.Keyring, log *slog.Logger, repair bool) (*engine, error) {
	n, err := openNode(h, log, false)
	if err != nil {
		return nil, err
	}
	return openEngineAt(ctx, n, true, h, keys, log, repair)
}

// openEngineAt is openEngine with the home's place in its swarm, nil if it has
// none. If owns, that is closed with the engine, or when there is none.
func openEngineAt(ctx context.Context, n *node, owns bool, h *home.Home, keys *home.Keyring, log *slog.Logger, repair bool) (*engine, error) {
	st, err := openStack(h, n, log, repair)
	if err != nil {
		if n != nil && owns {
			err = errors.Join(err, n.close())
		}
		return nil, err
	}
	e := &engine{home: h, node: n, ownsNode: owns, keys: keys, stack: st, log: log, volumes: map[string]*openVolume{}, leave: make(chan struct{}, 1)}
	e.ctx, e.cancel = context.WithCancel(context.WithoutCancel(ctx))
	e.calling, e.dismiss = context.WithCancel(e.ctx)
	if n != nil {
		e.watching.Go(func() { st.follow(e.ctx) })
		e.watching.Go(func() { st.swarm.Heal(e.ctx) })
	}
	if err := e.rebuild(ctx); err != nil {
		return nil, errors.Join(err, e.Close(ctx))
	}
	return e, nil
}

// quietLog is the log of an engine that lives for one command: what matters
// is returned as an error.
func quietLog() *slog.Logger { return slog.New(slog.DiscardHandler) }

// callFunc runs one call with JSON on both sides.
type callFunc func(context.Context, json.RawMessage, func(control.Event) error) (json.RawMessage, error)

// calls is the table of everything that an engine can be asked.
func (e *engine) calls() map[string]callFunc {
	return map[string]callFunc{
		callMount:        typed(e.mount),
		callUmount:       typed(e.umount),
		callUpgrade:      typed(e.upgrade),
		callSync:         typed(e.sync),
		callStatus:       typed(e.status),
		callCheck:        typed(e.check),
		callLog:          typed(e.history),
		callSnapshot:     typed(e.snapshot),
		callUnsnapshot:   typed(e.snapshotDelete),
		callPrune:        typed(e.prune),
		callDiff:         typed(e.diff),
		callRestore:      typed(e.restore),
		callClone:        typed(e.clone),
		callInfo:         typed(e.info),
		callAudit:        typed(e.audit),
		callNodeAudit:    typed(e.nodeAudit),
		callCacheDrop:    typed(e.cacheDrop),
		callVolumeCreate: typed(e.volumeCreate),
		callVolumeList:   typed(e.volumeList),
		callVolumeRemove: typed(e.volumeRemove),
		callNodeStatus:   typed(e.nodeStatus),
		callSwarmLeave:   typed(e.swarmLeave),
		callSwarmForget:  typed(e.swarmForget),
		callSwarmMove:    typed(e.swarmMove),
		callSwarmRemove:  typed(e.swarmRemove),
		callSwarmStatus:  typed(e.swarmStatus),
	}
}

// emitter sends what a call has to say before its result.
type emitter func(control.Event) error

func (emit emitter) progress(done, total int64, what string) {
	_ = emit(control.Event{Progress: &control.Progress{Done: done, Total: total, What: what}})
}

func (emit emitter) item(v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode item: %w", err)
	}
	return emit(control.Event{Item: raw})
}

// typed makes a callFunc of a method with typed arguments and result.
func typed[A, R any](fn func(context.Context, A, emitter) (R, error)) callFunc {
	return func(ctx context.Context, raw json.RawMessage, emit func(control.Event) error) (json.RawMessage, error) {
		var args A
		if err := json.Unmarshal(raw, &args); err != nil {
			return nil, fmt.Errorf("decode arguments: %w", err)
		}
		result, err := fn(ctx, args, emit)
		if err != nil {
			return nil, err
		}
		return json.Marshal(result)
	}
}

// Call implements control.Handler. It ends when ctx or the engine does.
func (e *engine) Call(ctx context.Context, name string, args json.RawMessage, emit func(control.Event) error) (json.RawMessage, error) {
	fn := e.calls()[name]
	if fn == nil {
		return nil, fail(errUsage, fmt.Sprintf("the daemon does not know the call %q: it is of another version", name), nil)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(e.calling, cancel)()
	return fn(ctx, args, emit)
}

// Close unmounts and commits everything and closes the stores.
func (e *engine) Close(ctx context.Context) error {
	err := e.unmountAll(ctx)
	e.cancel()
	e.watching.Wait()
	err = errors.Join(err, e.stack.close())
	if e.node != nil && e.ownsNode {
		err = errors.Join(err, e.node.close())
	}
	return err
}
