package blockstore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
)

// PackOptions tune a pack store. The zero value is right for stores that
// matter.
type PackOptions struct {
	// PackSize is the size in bytes at which a pack file is full; 256 MiB if
	// zero.
	PackSize int64
	// NoSync leaves out all syncing, for caches: after a crash of the machine
	// shards may be missing or damaged, which Get finds out.
	NoSync bool
	// MustExist refuses to make a store where there is none, so that a disk
	// that is not mounted is not mistaken for an empty one.
	MustExist bool
	// NoteStrays keeps note of shards that were found without the index knowing
	// them, until they are deleted or settled; see Strays.
	NoteStrays bool
	// Commits, if set, counts the transactions of the index.
	Commits *atomic.Uint64
	// Warn is told of damage that was found and worked around, from any
	// goroutine. Nil ignores it.
	Warn func(error)
	// FS holds the pack files; OSFS if nil.
	FS FS
}

const defaultPackSize = 256 << 20

// Changes that the index does not know yet are kept in memory and, above
// flushAt, committed in the background. Beyond maxRecent writers wait for it.
const (
	flushAt   = 16 << 10
	maxRecent = 4 * flushAt
)

// ErrInUse means that another process has the store open.
var ErrInUse = errors.New("in use by another process")

// Pack is a Store in a directory: shards are appended to pack files, and a
// SQLite database knows where. The database may lag behind: what it misses is
// read from the packs when the store is opened, and if it is lost it is built
// again from them. Shards deleted before may then come back, which costs
// space and nothing else.
//
// Pack is trusted with keeping bytes, not with their being right: Get checks
// every shard against its id. Whoever controls the directory can destroy
// shards and learn ciphertext, and cannot forge anything.
type Pack struct {
	dir    string
	opts   PackOptions
	lock   *os.File
	files  *packFiles
	index  *packIndex
	filter *filter

	// compacting serialises compactions. It is taken before the others.
	compacting sync.Mutex
	// writing serialises what appends to packs or decides by what is held:
	// Put, Delete, compaction. It is taken before mu.
	writing   sync.Mutex
	lastBlock lastBlock    // under writing
	blocks    blockBuffers // for direct writes
	// flushing serialises Sync and commits of the index. It is taken before
	// writing.
	flushing sync.Mutex
	lost     error // shards that failed syncs cost, not reported yet; under flushing

	mu     sync.RWMutex
	recent map[ShardID]change // newer than the index
	older  map[ShardID]change // being committed; recent overrides it
	stats  map[uint32]*packStat
	tail   uint32              // the pack that takes records, 0 if the next is a new one
	last   uint32              // highest pack number ever used
	dirty  map[uint32]int64    // packs written since they were synced: from where
	failed map[uint32]int64    // packs whose sync failed: from where
	change map[uint32]struct{} // packs whose stats the index does not know
	erased bool                // recent holds a deletion
	newDir bool                // a pack was created since the directory was synced
	closed bool

	stop context.CancelFunc
	kick chan struct{} // asks for a commit in the background
	idle sync.WaitGroup
}

var (
	_ Store       = (*Pack)(nil)
	_ Lister      = (*Pack)(nil)
	_ Sizer       = (*Pack)(nil)
	_ PiecePutter = (*Pack)(nil)
	_ RawGetter   = (*Pack)(nil)
)

// OpenPack opens the store in dir, and makes it if there is none. Only one
// process can have it open (ErrInUse). Damage that costs single shards, or
// the index, is reported through opts.Warn and does not keep the store from
// opening; a directory that holds something else does (ErrFormat).
func OpenPack(dir string, opts PackOptions) (*Pack, error) {
	p, err := openPack(dir, opts)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", dir, err)
	}
	return p, nil
}

func openPack(dir string, opts PackOptions) (*Pack, error) {
	if opts.PackSize <= 0 {
		opts.PackSize = defaultPackSize
	}
	if opts.FS == nil {
		opts.FS = OSFS{}
	}
	lock, err := lockStore(dir, opts.MustExist)
	if err != nil {
		return nil, err
	}
	p := &Pack{
		dir: dir, opts: opts, lock: lock,
		files:  newPackFiles(opts.FS, dir),
		recent: make(map[ShardID]change),
		stats:  make(map[uint32]*packStat),
		dirty:  make(map[uint32]int64),
		failed: make(map[uint32]int64),
		change: make(map[uint32]struct{}),
		kick:   make(chan struct{}, 1),
	}
	if err := p.recoverAll(); err != nil {
		return nil, errors.Join(err, p.release(false))
	}
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	p.idle.Go(func() { p.fillFilter(ctx) })
	p.idle.Go(func() { p.flushLoop(ctx) })
	return p, nil
}

// Close commits what is left and closes the store. What was not synced
// before is synced.
func (p *Pack) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	p.mu.Unlock()
	p.stop()
	p.idle.Wait()
	err := p.flush(context.Background())
	clean := err == nil
	p.flushing.Lock()
	err = errors.Join(err, p.takeLost())
	p.flushing.Unlock()
	if err = errors.Join(err, p.release(clean)); err != nil {
		return fmt.Errorf("close store %s: %w", p.dir, err)
	}
	return nil
}

// release gives up files, index and lock.
func (p *Pack) release(clean bool) error {
	p.flushing.Lock()
	defer p.flushing.Unlock()
	p.writing.Lock()
	defer p.writing.Unlock()
	var err error
	if p.index != nil {
		err = p.index.close(clean)
	}
	return errors.Join(err, p.files.close(), p.lock.Close())
}

// usable fails when the store is closed or the caller has given up.
func (p *Pack) usable(ctx context.Context) error {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.closed {
		return ErrClosed
	}
	return ctx.Err()
}

func (p *Pack) warn(err error) {
	if p.opts.Warn != nil {
		p.opts.Warn(fmt.Errorf("store %s: %w", p.dir, err))
	}
}

// fillFilter adds what the index held when the store was opened. Until it is
// done, the index is asked instead.
func (p *Pack) fillFilter(ctx context.Context) {
	err := p.index.list(ctx, func(page []entry) error {
		for _, e := range page {
			p.filter.add(e.id)
		}
		return nil
	})
	if err == nil {
		p.filter.ready.Store(true)
	} else if ctx.Err() == nil {
		p.warn(err)
	}
}

// flushLoop commits in the background whenever it is asked to.
func (p *Pack) flushLoop(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.kick:
			if err := p.flush(ctx); err != nil && ctx.Err() == nil {
				p.warn(err) // nothing is lost: Sync and Close try again and say so
			}
		}
	}
}

func (p *Pack) askFlush() {
	select {
	case p.kick <- struct{}{}:
	default: // already asked
	}
}

// Usage returns what the store occupies, including what is not yet synced.
func (p *Pack) Usage(ctx context.Context) (Usage, error) {
	if err := p.usable(ctx); err != nil {
		return Usage{}, fmt.Errorf("measure store: %w", err)
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	var u Usage
	for _, s := range p.stats {
		u.Shards += s.shards
		u.Bytes += s.live
		u.Disk += s.size
	}
	return u, nil
}

// Dir returns the store's directory.
func (p *Pack) Dir() string { return p.dir }
