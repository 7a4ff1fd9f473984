package cli

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"pifs/blockstore"
	"pifs/fsnode"
	"pifs/swarm/decide"
)

const (
	moveRate    = 64 << 20 // bytes of blocks per second that move by themselves
	moveStep    = 8 << 20  // bytes at a time: as long as that takes, they are in the way of others
	moveMost    = 256      // blocks at a time
	moveWindow  = 1 << 18  // stripes whose order is looked at together
	moveQuiet   = 200 * time.Millisecond
	moveBusy    = 2 * time.Second  // that moving makes way for at most, each time
	moveLook    = time.Second      // between two looks at who belongs
	moveAgain   = 10 * time.Second // after a pass that left something, doubled each time
	moveSeldom  = 10 * time.Minute // between two passes that have nothing to do
	settleLimit = 5                // passes in a row without progress, for who waits
)

// moveLine says what of a home does not lie where new stripes go.
type moveLine struct {
	Class   string `json:"class"`  // of new stripes
	Home    bool   `json:"home"`   // they go to the stores of the home
	Blocks  int64  `json:"blocks"` // left to move
	Bytes   int64  `json:"bytes"`  // of these
	Moved   int64  `json:"moved"`  // bytes, since the process began
	Refused string `json:"refused,omitempty"`
}

// mover moves the blocks of a home to where new ones go, when it joins a swarm,
// when that grows, and before it leaves.
type mover struct {
	pass  sync.Mutex // held by who moves
	bytes atomic.Int64
	seen  atomic.Pointer[moveLine] // by the last pass; nil before it
}

// watchMoves moves what is to be moved, slowly, whenever others take new stripes
// than before, until ctx ends.
func (e *engine) watchMoves(ctx context.Context) {
	tick := time.NewTicker(moveLook)
	defer tick.Stop()
	budget := decide.Budget{Rate: moveRate, Burst: 4 * moveStep}
	age, begun, pause, due := uint64(0), false, moveAgain, time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := e.stack.swarm.Age()
		if begun && now == age && time.Now().Before(due) {
			continue
		}
		if !begun || now != age {
			pause = moveAgain
		}
		begun, age = true, now
		left, err := e.movePass(ctx, func(n int64) error { return e.makeWay(ctx, &budget, n) }, func(moveLine) {})
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			e.log.Warn("move stripes", "err", err)
		case left.Blocks == 0:
			pause = moveSeldom
		}
		due = time.Now().Add(pause)
		pause = min(2*pause, moveSeldom)
	}
}

// makeWay waits until n more bytes may move: within the rate, and after requests
// of the kernel, as long as these do not go on for ever.
func (e *engine) makeWay(ctx context.Context, b *decide.Budget, n int64) error {
	begun := time.Now()
	for time.Since(begun) < moveBusy {
		before := e.requests()
		if err := sleep(ctx, moveQuiet); err != nil {
			return err
		}
		if e.requests() == before {
			break
		}
	}
	for {
		wait, ok := b.Take(n, time.Now().UnixNano(), false)
		if ok {
			return nil
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// sleep waits, unless ctx ends before.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// requests returns how many requests of the kernel all mounts had.
func (e *engine) requests() (n uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, v := range e.volumes {
		if v.mount != nil && v.mount.server != nil {
			n += v.mount.server.Stats().Total
		}
	}
	return n
}

// movePass moves what does not lie where new stripes go, the coldest last, and then
// has the volumes list where it lies. pace is asked before some bytes move; tell
// is told what is left.
func (e *engine) movePass(ctx context.Context, pace func(int64) error, tell func(moveLine)) (left moveLine, err error) {
	m := &e.mover
	m.pass.Lock()
	defer m.pass.Unlock()
	if err := e.stack.blocks.FinishMoves(ctx); err != nil {
		return left, err
	}
	moved := false
	for {
		var todo []decide.Cold
		if todo, left, err = e.unsettled(ctx); err != nil {
			return left, err
		}
		e.note(&left, tell)
		if len(todo) == 0 {
			break
		}
		before := left.Blocks
		err = e.moveAll(ctx, todo, &left, pace, tell)
		if err != nil || left.Blocks == before {
			return left, err
		}
		moved = true
	}
	if moved {
		e.relist(ctx)
		if _, err := e.stack.swarm.Compact(ctx, mostlyDead); err != nil {
			e.log.Warn("compact stores", "err", err)
		}
	}
	return left, nil
}

func (e *engine) note(left *moveLine, tell func(moveLine)) {
	left.Moved = e.mover.bytes.Load()
	now := *left
	e.mover.seen.Store(&now)
	tell(now)
}

// moveAll moves stripes, some at a time, and takes what moved from left.
func (e *engine) moveAll(ctx context.Context, todo []decide.Cold, left *moveLine, pace func(int64) error, tell func(moveLine)) error {
	st := e.stack
	for len(todo) > 0 {
		var step []blockstore.Address
		size := int64(0)
		for len(step) < len(todo) && len(step) < moveMost && (size < moveStep || len(step) == 0) {
			d, err := st.blocks.Descriptor(ctx, todo[len(step)].Address)
			if err != nil && !errors.Is(err, blockstore.ErrNotFound) { // else it was collected
				return err
			}
			size += int64(d.Length)
			step = append(step, todo[len(step)].Address)
		}
		todo = todo[len(step):]
		if err := pace(size); err != nil {
			return err
		}
		did, err := st.blocks.Move(ctx, step)
		e.mover.bytes.Add(did.Bytes)
		left.Blocks, left.Bytes = max(left.Blocks-did.Blocks, 0), max(left.Bytes-did.Bytes, 0)
		if err != nil {
			return err
		}
		if left.Refused = ""; did.Refused != nil {
			left.Refused = oneLine(did.Refused)
		}
		e.note(left, tell)
		if did.Refused != nil && did.Blocks == 0 {
			return nil // nobody takes anything
		}
	}
	return nil
}

// unsettled returns what is to be moved next, in order, and how much is left
// altogether.
func (e *engine) unsettled(ctx context.Context) (todo []decide.Cold, left moveLine, err error) {
	st := e.stack
	if err := st.blocks.Sync(ctx); err != nil { // rows that wait are not looked at
		return nil, left, fmt.Errorf("look for stripes to move: %w", err)
	}
	to := st.swarm.Class()
	left.Class, left.Home = to.String(), !st.outside()
	at := map[blockstore.Address]int{}
	err = st.blocks.Each(ctx, func(d blockstore.Descriptor) error {
		settled, err := st.swarm.Settled(ctx, d)
		if err != nil || settled {
			return err
		}
		left.Blocks++
		left.Bytes += int64(d.Length)
		if len(todo) < moveWindow {
			at[d.Address] = len(todo)
			todo = append(todo, decide.Cold{Address: d.Address, Class: d.Class, Rests: d.Class.N >= to.N})
		}
		return nil
	})
	if err != nil {
		return nil, left, fmt.Errorf("look for stripes to move: %w", err)
	}
	for _, name := range e.volumeNames() {
		if err := e.warm(ctx, name, todo, at); err != nil {
			e.log.Info("stripes move in no order", "volume", name, "err", err)
		}
	}
	return decide.Restripe(todo, to, moveWindow), left, nil
}

// outside reports whether new stripes go to nodes.
func (st *stack) outside() bool {
	members := st.members()
	return len(members) > len(st.stores) && members[len(members)-1].Rests
}

// warm notes when stripes of a volume were of use last, as far as its heads tell:
// what the newest has, the later the warmer, and then what older ones had.
func (e *engine) warm(ctx context.Context, name string, todo []decide.Cold, at map[blockstore.Address]int) error {
	if len(todo) == 0 {
		return nil
	}
	secret, entries, err := e.headEntries(name)
	for i := len(entries) - 1; i >= 0 && err == nil; i-- {
		if entries[i].Forgotten {
			continue
		}
		err = fsnode.Owed(ctx, e.stack.blocks, secret, entries[i], func(addr blockstore.Address, late int) {
			if n, ok := at[addr]; ok {
				todo[n].Used = max(todo[n].Used, entries[i].Time+int64(late))
			}
		})
	}
	return err
}

// headEntries returns the heads of a volume, open or not, and the secret of its
// scope.
func (e *engine) headEntries(name string) (secret blockstore.Secret, entries []fsnode.HeadEntry, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	keys, err := e.volumeKeys(name)
	if err != nil {
		return secret, nil, err
	}
	heads, done, err := e.headsOf(name)
	if err != nil {
		return secret, nil, err
	}
	defer done()
	entries, err = heads.Entries()
	return keys.Secret, entries, err
}

// relist has each volume make a head that lists its stripes where they are. One
// that cannot now, since it is only read, does the next time.
func (e *engine) relist(ctx context.Context) {
	for _, name := range e.volumeNames() {
		if e.openReadOnly(name) {
			continue
		}
		err := e.changing(ctx, name, func(v *fsnode.Volume) error {
			_, err := v.Relist(ctx)
			return err
		})
		if err != nil && ctx.Err() == nil {
			e.log.Warn("list moved stripes", "volume", name, "err", err)
		}
	}
}

// swarmMove moves everything to where new stripes go.
func (e *engine) swarmMove(ctx context.Context, _ none, emit emitter) (moveLine, error) {
	if !e.inSwarm() {
		return moveLine{}, noSwarm(e.home)
	}
	return e.moveHere(ctx, emit)
}

// moveHere moves everything, as fast as it goes, and fails if something stays, or
// is not in full stripes then.
func (e *engine) moveHere(ctx context.Context, emit emitter) (left moveLine, err error) {
	total, least, stuck := int64(0), int64(-1), 0
	for stuck < settleLimit {
		// What waits in the outbox goes to where new stripes go as well.
		waits := e.stack.blocks.Drain(ctx, nil)
		left, err = e.movePass(ctx, func(int64) error { return ctx.Err() }, func(l moveLine) {
			total = max(total, l.Bytes)
			emit.progress(total-l.Bytes, total, "bytes")
		})
		if err == nil && left.Blocks == 0 && total > 0 {
			waits = e.stack.blocks.Drain(ctx, nil)
		}
		if err != nil || left.Blocks == 0 {
			return left, errors.Join(err, waits)
		}
		if stuck++; least < 0 || left.Blocks < least {
			least, stuck = left.Blocks, 0
		}
		if err := sleep(ctx, moveLook); err != nil {
			return left, err
		}
	}
	return left, fail(errStores, fmt.Sprintf("%d blocks could not be moved and stay where they are: %s", left.Blocks, left.Refused), nil)
}

// moves returns what is left to move; nil if the home is in no swarm.
func (e *engine) moves(ctx context.Context) (*moveLine, error) {
	if !e.inSwarm() {
		return nil, nil
	}
	if l := e.mover.seen.Load(); l != nil {
		return l, nil
	}
	_, left, err := e.unsettled(ctx)
	return &left, err
}
