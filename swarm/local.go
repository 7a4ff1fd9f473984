package swarm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"pifs/blockstore"
	"pifs/blockstore/failpoint"
)

// Local is a member's store in a folder of this machine. The folder may be
// away, when a disk is not mounted for example: the store is unreachable then,
// and Reopen takes it back once it has returned. A folder that was moved or
// replaced while open is noticed by Probe and Sync.
type Local struct {
	dir  string
	id   MemberID // what the folder's identity must be
	opts blockstore.PackOptions

	mu   sync.RWMutex // held for reading by whoever uses pack
	pack *blockstore.Pack
	seen os.FileInfo // of the folder when pack was opened
	away error       // why pack is nil

	commits atomic.Uint64 // transactions of pack, whenever it was opened
	reads   atomic.Uint64 // shards asked for

	opened chan struct{} // closed when OpenLocal has opened the folder, or has found that it cannot
}

var (
	_ blockstore.Store       = (*Local)(nil)
	_ blockstore.Lister      = (*Local)(nil)
	_ blockstore.PiecePutter = (*Local)(nil)
	_ blockstore.RawGetter   = (*Local)(nil)
	_ blockstore.Sizer       = (*Local)(nil)
	_ Prober                 = (*Local)(nil)
	_ Reopener               = (*Local)(nil)
)

// CreateLocal makes a store with a new identity in dir. A folder that has an
// identity already keeps it.
func CreateLocal(dir string) (MemberID, error) {
	if err := blockstore.MakeDir(dir); err != nil {
		return "", fmt.Errorf("create store: %w", err)
	}
	// The pack comes first: it refuses a folder that holds anything foreign.
	pack, err := blockstore.OpenPack(dir, blockstore.PackOptions{})
	if err != nil {
		return "", fmt.Errorf("create store %s: %w", dir, err)
	}
	if err := pack.Close(); err != nil {
		return "", fmt.Errorf("create store %s: %w", dir, err)
	}
	id, err := EnsureIdentity(dir)
	if err != nil {
		return "", fmt.Errorf("create store %s: %w", dir, err)
	}
	return id.ID, nil
}

// OpenLocal opens the store of member id in dir. That it cannot be opened is
// not an error but a condition, which Probe tells. The disk may not answer:
// OpenLocal does not wait for it, but whatever uses the store does.
func OpenLocal(dir string, id MemberID, log *slog.Logger) *Local {
	opts := blockstore.PackOptions{MustExist: true, NoteStrays: true}
	if log != nil {
		opts.Warn = func(err error) { log.Warn("store damage", "err", err) }
	}
	l := &Local{dir: dir, id: id, opts: opts, opened: make(chan struct{})}
	l.opts.Commits = &l.commits
	l.mu.Lock()
	go func() {
		defer close(l.opened)
		defer l.mu.Unlock()
		l.open()
	}()
	return l
}

// Opened is closed when it is known whether the folder can be used.
func (l *Local) Opened() <-chan struct{} { return l.opened }

// open takes the folder into use, or notes why not. The caller holds mu.
func (l *Local) open() {
	l.pack, l.seen, l.away = nil, nil, nil
	err := confirmIdentity(l.dir, l.id)
	if err == nil {
		l.seen, err = os.Stat(l.dir)
	}
	if err == nil {
		l.pack, err = blockstore.OpenPack(l.dir, l.opts)
	}
	if err != nil {
		l.away = fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
}

// use returns the open pack, which the caller must give back with done.
func (l *Local) use() (pack *blockstore.Pack, done func(), err error) {
	l.mu.RLock()
	if l.pack == nil {
		defer l.mu.RUnlock()
		return nil, nil, l.away
	}
	return l.pack, l.mu.RUnlock, nil
}

// Put stores a shard; see blockstore.Store.
func (l *Local) Put(ctx context.Context, id blockstore.ShardID, shard []byte) error {
	pack, done, err := l.use()
	if err != nil {
		return err
	}
	defer done()
	if err := l.room(len(shard)); err != nil {
		return err
	}
	return pack.Put(ctx, id, shard)
}

// room refuses a shard that would take what the databases on the disk need
// when everything else is full: without it nothing could be deleted any more.
func (l *Local) room(size int) error {
	r, err := blockstore.RoomOf(l.dir)
	if err == nil && r.Free < r.Floor()+uint64(size) {
		err = fmt.Errorf("put shard of %d bytes: %w", size, syscall.ENOSPC)
	}
	return err
}

// PutPiece stores a shard whose id is known to be right.
func (l *Local) PutPiece(ctx context.Context, p blockstore.Piece) error {
	pack, done, err := l.use()
	if err != nil {
		return err
	}
	defer done()
	if err := l.room(len(p.Bytes())); err != nil {
		return err
	}
	return pack.PutPiece(ctx, p)
}

// Get appends a shard to dst; see blockstore.Store.
func (l *Local) Get(ctx context.Context, id blockstore.ShardID, dst []byte) ([]byte, error) {
	pack, done, err := l.use()
	if err != nil {
		return dst, err
	}
	defer done()
	l.reads.Add(1)
	return pack.Get(ctx, id, dst)
}

// GetRaw lends a part of a shard, unchecked; see blockstore.RawGetter.
func (l *Local) GetRaw(ctx context.Context, id blockstore.ShardID, off, n int) (blockstore.Lent, error) {
	pack, done, err := l.use()
	if err != nil {
		return blockstore.Lent{}, err
	}
	defer done()
	l.reads.Add(1)
	return pack.GetRaw(ctx, id, off, n)
}

// Has reports whether a shard is held; see blockstore.Store.
func (l *Local) Has(ctx context.Context, id blockstore.ShardID) (bool, error) {
	pack, done, err := l.use()
	if err != nil {
		return false, err
	}
	defer done()
	return pack.Has(ctx, id)
}

// Delete forgets a shard; see blockstore.Store.
func (l *Local) Delete(ctx context.Context, id blockstore.ShardID) error {
	pack, done, err := l.use()
	if err != nil {
		return err
	}
	defer done()
	return pack.Delete(ctx, id)
}

// Sync makes durable what was put. A folder that is no longer where it was
// cannot be vouched for.
func (l *Local) Sync(ctx context.Context) error {
	if err := l.Probe(ctx); err != nil {
		return err
	}
	pack, done, err := l.use()
	if err != nil {
		return err
	}
	defer done()
	return pack.Sync(ctx)
}

// List enumerates the shards; see blockstore.Lister.
func (l *Local) List(ctx context.Context, fn func(id blockstore.ShardID, size int) error) error {
	pack, done, err := l.use()
	if err != nil {
		return err
	}
	defer done()
	return pack.List(ctx, fn)
}

// Usage returns what the store occupies.
func (l *Local) Usage(ctx context.Context) (blockstore.Usage, error) {
	pack, done, err := l.use()
	if err != nil {
		return blockstore.Usage{}, err
	}
	defer done()
	return pack.Usage(ctx)
}

// Compact gives back the space of deleted shards; see blockstore.Pack.
func (l *Local) Compact(ctx context.Context, minGarbage float64) (int64, error) {
	pack, done, err := l.use()
	if err != nil {
		return 0, err
	}
	defer done()
	return pack.Compact(ctx, minGarbage)
}

// Strays lists shards that a crash left unnamed; see blockstore.Pack.
func (l *Local) Strays(ctx context.Context, after blockstore.ShardID, limit int) ([]blockstore.ShardID, error) {
	pack, done, err := l.use()
	if err != nil {
		return nil, err
	}
	defer done()
	return pack.Strays(ctx, after, limit)
}

// Settle says that strays are needed; see blockstore.Pack.
func (l *Local) Settle(ctx context.Context, ids []blockstore.ShardID) error {
	pack, done, err := l.use()
	if err != nil {
		return err
	}
	defer done()
	return pack.Settle(ctx, ids)
}

// Activity is what a store was made to do since OpenLocal.
type Activity struct {
	Reads   uint64 // shards asked for
	Commits uint64 // transactions of its index
}

// Activity returns the present figures.
func (l *Local) Activity() Activity {
	return Activity{Reads: l.reads.Load(), Commits: l.commits.Load()}
}

// Probe reports whether the folder is where it was opened.
func (l *Local) Probe(context.Context) error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.pack == nil {
		return l.away
	}
	return l.moved()
}

// moved reports a folder that is no longer the one that was opened. The caller
// holds mu.
func (l *Local) moved() error {
	now, err := os.Stat(l.dir)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	if !os.SameFile(now, l.seen) {
		return fmt.Errorf("%w: %s was replaced", ErrUnreachable, l.dir)
	}
	return nil
}

// Reopen closes the store if it is open and opens it again.
func (l *Local) Reopen(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pack != nil {
		// What close has to say is about the folder as it was.
		_ = l.pack.Close()
	}
	l.open()
	failpoint.Hit(failpoint.StoreReopened)
	return l.away
}

// Close closes the store if it is open. Using it afterwards is ErrClosed.
func (l *Local) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	pack := l.pack
	l.pack, l.away = nil, errors.Join(ErrUnreachable, blockstore.ErrClosed)
	if pack == nil {
		return nil
	}
	return pack.Close()
}
