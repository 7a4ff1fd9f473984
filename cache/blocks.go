package cache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"pifs/blockstore"
)

// Backend is where stripes live: a *swarm.Swarm, or a fake of a test.
type Backend interface {
	// Put stores block as a stripe and returns its descriptor and how many
	// shards were placed. With fewer than the class's quorum it returns the
	// first cause as well; the descriptor is valid all the same. An error that
	// is blockstore.ErrLate says that block is still in use, whatever was placed.
	Put(ctx context.Context, addr blockstore.Address, block []byte) (blockstore.Descriptor, int, error)

	// Get appends the block to dst, checked against its address. degraded
	// reports that a decode was needed.
	Get(ctx context.Context, d blockstore.Descriptor, dst []byte) (block []byte, degraded bool, err error)

	// GetRaw returns n bytes at off of the block without a check, and without
	// trying hard. The caller releases them.
	GetRaw(ctx context.Context, d blockstore.Descriptor, off, n int) (raw *blockstore.Raw, degraded bool, err error)

	// Sync makes durable what was put since the last Sync. After an error none
	// of that is known to be safe, and the next Sync says nothing about it.
	Sync(ctx context.Context) error

	// Delete forgets stripes, durably. After an error some of their shards may
	// be left, and it must be repeated. Nobody puts them meanwhile.
	Delete(ctx context.Context, stripes []blockstore.Descriptor) error
}

// Options of a block cache. Zero values choose the defaults.
type Options struct {
	MemoryBytes int64         // plaintext held in memory; default 96 MiB
	DiskBytes   int64         // sealed blocks held on disk beside the outbox; 0 for none
	RetryEvery  time.Duration // pause between two offers of the outbox; default 10 s
	Log         *slog.Logger  // default: discard
}

const (
	defaultMemory = 96 << 20
	defaultRetry  = 10 * time.Second
	prefetchers   = 4        // fetches that Prefetch runs at a time
	sealSlack     = 64       // bytes by which a block may exceed its plaintext
	softPending   = 8 << 10  // rows that wait for a round before one is started
	hardPending   = 64 << 10 // rows beyond which Put waits for a round
)

func (o Options) withDefaults() Options {
	if o.MemoryBytes <= 0 {
		o.MemoryBytes = defaultMemory
	}
	if o.RetryEvery <= 0 {
		o.RetryEvery = defaultRetry
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Blocks stores and reads blocks for the volumes of one home. It is safe for
// concurrent use. Every block that it calls stored is held by the backend in
// at least a quorum of its shards, or pinned in the outbox.
type Blocks struct {
	backend Backend
	o       Options
	dir     string
	index   *index
	moves   atomic.Pointer[moves] // nil: no block ever moved
	memory  *memory
	disk    *disk
	outbox  *outbox
	flights flights
	locks   addressLocks // one writer per address at a time
	buffers bufferPool
	plains  plainPool
	decoded lately
	rounds  rounds
	counts  counters
	running atomic.Pointer[Collection] // that is to be told of every put; or nil
	placing sync.RWMutex               // held for reading from before a shard is put until its row is set

	opening  sync.Mutex      // held to make moves
	life     context.Context // ends when Close begins
	end      context.CancelFunc
	spawning sync.Mutex     // orders spawn before or after Close
	work     sync.WaitGroup // background goroutines
	fetchers chan struct{}  // slots of Prefetch
	retry    chan struct{}  // wakes the outbox worker
	closed   atomic.Bool
}

type counters struct{ hits, diskHits, misses, degraded atomic.Int64 }

// OpenBlocks opens the block cache in dir, which it creates if need be. A lost
// or damaged index is blockstore.ErrCorrupt: RemoveIndex and Adopt rebuild it.
func OpenBlocks(dir string, backend Backend, o Options) (*Blocks, error) {
	o = o.withDefaults()
	b := &Blocks{
		backend: backend, o: o, dir: dir,
		memory:   newMemory(o.MemoryBytes),
		fetchers: make(chan struct{}, prefetchers),
		retry:    make(chan struct{}, 1),
	}
	b.life, b.end = context.WithCancel(context.Background())
	if err := b.open(dir); err != nil {
		b.end()
		return nil, fmt.Errorf("open block cache %s: %w", dir, errors.Join(err, b.closeParts()))
	}
	b.spawn(b.offer)
	b.spawn(func() { b.index.learn(b.life, b.o.Log) })
	return b, nil
}

func (b *Blocks) open(dir string) error {
	if err := blockstore.MakeDir(dir); err != nil {
		return err
	}
	if err := indexMissing(dir); err != nil {
		return err
	}
	// The index comes first: where there is an outbox, there was an index.
	var err error
	if b.index, err = openIndex(filepath.Join(dir, indexFile)); err != nil {
		return err
	}
	rec, err := openMoves(dir, false)
	if err != nil {
		return err
	}
	b.moves.Store(rec)
	if b.outbox, err = openOutbox(filepath.Join(dir, outboxDir)); err != nil {
		return err
	}
	b.disk, err = openDisk(filepath.Join(dir, "blocks"), b.o.DiskBytes, b.o.Log)
	return err
}

// Put seals plain and stores the block unless it is known already. The block
// can be read on return and is durable after Sync. plain is not kept.
func (b *Blocks) Put(ctx context.Context, s *blockstore.Sealer, plain []byte) (blockstore.Ref, error) {
	buf := b.buffers.get(len(plain) + sealSlack)
	*buf = append(*buf, plain...)
	ref, err := b.PutInPlace(ctx, s, buf)
	if *buf != nil {
		b.buffers.put(buf)
	}
	return ref, err
}

// PutInPlace is Put for who gives the memory of *plain away: it becomes the
// block. On return *plain is empty, with that memory to use again, or nil.
func (b *Blocks) PutInPlace(ctx context.Context, s *blockstore.Sealer, plain *[]byte) (blockstore.Ref, error) {
	if b.closed.Load() {
		return blockstore.Ref{}, blockstore.ErrClosed
	}
	size := len(*plain)
	block, ref, outline, err := s.SealInPlace(*plain)
	*plain = block[:0]
	if err != nil {
		return blockstore.Ref{}, fmt.Errorf("seal block of %d bytes: %w", size, err)
	}
	kept, err := b.store(ctx, ref, block, outline)
	if kept {
		*plain = nil
	}
	if err != nil {
		return blockstore.Ref{}, fmt.Errorf("store block %v: %w", ref.Address, err)
	}
	return ref, nil
}

// PutNode is Put for tree nodes, which are read again soon: a copy of plain
// stays in the memory tier.
func (b *Blocks) PutNode(ctx context.Context, s *blockstore.Sealer, plain []byte) (blockstore.Ref, error) {
	ref, err := b.Put(ctx, s, plain)
	if err == nil && !b.memory.has(ref) {
		b.memory.add(ref, newPlain(slices.Clone(plain)))
	}
	return ref, err
}

// store places a block under its address unless the index knows it. kept says
// that the backend still uses the block's memory.
func (b *Blocks) store(ctx context.Context, ref blockstore.Ref, block, outline []byte) (kept bool, err error) {
	b.touch(ref.Address) // before it is looked up: see Collection
	if e, err := b.index.lookup(ctx, ref.Address); err != nil || e != nil {
		return false, err
	}
	unlock, err := b.locks.lock(ctx, ref.Address)
	if err != nil {
		return false, err
	}
	defer unlock()
	if e, err := b.index.lookup(ctx, ref.Address); err != nil || e != nil {
		return false, err // another Put of the same block came first
	}
	if kept, err = b.place(ctx, ref, block, outline); err != nil {
		return kept, err
	}
	return kept, b.relieve(ctx)
}

// place offers block to the backend and pins it if too few stores took it.
func (b *Blocks) place(ctx context.Context, ref blockstore.Ref, block, outline []byte) (kept bool, err error) {
	b.placing.RLock()
	defer b.placing.RUnlock()
	d, placed, cause := b.backend.Put(ctx, ref.Address, block)
	kept = errors.Is(cause, blockstore.ErrLate)
	if err := ctx.Err(); err != nil {
		return kept, err
	}
	if err := d.Validate(); err != nil {
		return kept, errors.Join(cause, err)
	}
	e := &entry{desc: d, plain: ref.Size, outline: outline, state: stateOf(d.Class, placed)}
	if e.state != pinned {
		return kept, b.setRow(ctx, e)
	}
	if b.index.totals().pinned == 0 { // once, and not for every block that follows
		b.o.Log.Warn("blocks wait in the outbox", "placed", placed, "cause", cause)
	}
	err = b.outbox.pin(ctx, ref.Address, block, func() error { return b.setRow(ctx, e) })
	if err != nil {
		err = errors.Join(cause, fmt.Errorf("pin in outbox: %w", err))
	}
	return kept, err
}

// relieve keeps the number of rows that wait for a round within bounds.
func (b *Blocks) relieve(ctx context.Context) error {
	switch n := b.index.waiting(); {
	case n >= hardPending:
		return b.Sync(ctx)
	case n >= softPending:
		b.startRound()
	}
	return nil
}

// spawn runs fn in a goroutine that Close waits for, unless it is too late.
func (b *Blocks) spawn(fn func()) bool {
	b.spawning.Lock()
	defer b.spawning.Unlock()
	if b.closed.Load() {
		return false
	}
	b.work.Go(fn)
	return true
}

// Close ends the background work and closes the files. It does not Sync.
func (b *Blocks) Close() error {
	b.spawning.Lock()
	again := b.closed.Swap(true)
	b.spawning.Unlock()
	if again {
		return nil
	}
	b.end()
	b.work.Wait()
	return b.closeParts()
}

func (b *Blocks) closeParts() error {
	var errs []error
	if b.disk != nil {
		errs = append(errs, b.disk.close())
	}
	if b.outbox != nil {
		errs = append(errs, b.outbox.close())
	}
	if b.index != nil {
		errs = append(errs, b.index.close())
	}
	if rec := b.moves.Load(); rec != nil {
		errs = append(errs, rec.close())
	}
	return errors.Join(errs...)
}
