package cache

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"pifs/blockstore"
	"pifs/blockstore/failpoint"
)

// outbox holds the bytes of pinned blocks, in a pack store of its own whose
// ids are the blocks' addresses. Nothing evicts from it.
type outbox struct {
	dir string

	// mu is held for reading by whoever uses the pack, and for writing to
	// replace it. Pinning holds it over the bytes and the row together.
	mu     sync.RWMutex
	pack   *blockstore.Pack
	unsafe bool // bytes were pinned since the last sync; guarded by dirty
	dirty  sync.Mutex
}

const outboxPack = 64 << 20

// compactAt is the part of the outbox's bytes that may be garbage.
const compactAt = 0.5

func openOutbox(dir string) (*outbox, error) {
	o := &outbox{dir: dir}
	if err := o.open(); err != nil {
		return nil, fmt.Errorf("open outbox: %w", err)
	}
	return o, nil
}

func (o *outbox) open() (err error) {
	o.pack, err = blockstore.OpenPack(o.dir, blockstore.PackOptions{PackSize: outboxPack})
	return err
}

// usable returns the pack; the caller holds mu.
func (o *outbox) usable() (*blockstore.Pack, error) {
	if o.pack == nil {
		return nil, blockstore.ErrClosed
	}
	return o.pack, nil
}

// pin keeps block and then calls record, which names it in the index.
func (o *outbox) pin(ctx context.Context, addr blockstore.Address, block []byte, record func() error) error {
	o.mu.RLock()
	defer o.mu.RUnlock()
	pack, err := o.usable()
	if err != nil {
		return err
	}
	if err := pack.Put(ctx, blockstore.ShardID(addr), block); err != nil {
		return err
	}
	failpoint.Hit(failpoint.OutboxPinned)
	o.dirty.Lock()
	o.unsafe = true
	o.dirty.Unlock()
	return record()
}

func (o *outbox) get(ctx context.Context, addr blockstore.Address, dst []byte) ([]byte, error) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	pack, err := o.usable()
	if err != nil {
		return dst, err
	}
	return pack.Get(ctx, blockstore.ShardID(addr), dst)
}

// getRaw returns n bytes at off of the block, unchecked.
func (o *outbox) getRaw(ctx context.Context, addr blockstore.Address, off, n int) (*blockstore.Raw, error) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	pack, err := o.usable()
	if err != nil {
		return nil, err
	}
	return rawOf(pack.GetRaw(ctx, blockstore.ShardID(addr), off, n))
}

// rawOf makes what a store lent a block.
func rawOf(l blockstore.Lent, err error) (*blockstore.Raw, error) {
	if err != nil {
		return nil, err
	}
	raw := new(blockstore.Raw)
	raw.Add(l.Bytes)
	raw.Keep(l)
	return raw, nil
}

func (o *outbox) has(ctx context.Context, addr blockstore.Address) (bool, error) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	pack, err := o.usable()
	if err != nil {
		return false, err
	}
	return pack.Has(ctx, blockstore.ShardID(addr))
}

// remove drops a block unless needed still says that the index names it here.
// No block is pinned between the question and the removal.
func (o *outbox) remove(ctx context.Context, addr blockstore.Address, needed func() bool) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	pack, err := o.usable()
	if err != nil || needed() {
		return err
	}
	return pack.Delete(ctx, blockstore.ShardID(addr))
}

// sync makes what was pinned durable. It costs nothing if nothing was.
func (o *outbox) sync(ctx context.Context) error {
	o.mu.RLock()
	defer o.mu.RUnlock()
	pack, err := o.usable()
	if err != nil {
		return err
	}
	o.dirty.Lock()
	unsafe := o.unsafe
	o.unsafe = false
	o.dirty.Unlock()
	if !unsafe {
		return nil
	}
	if err := pack.Sync(ctx); err != nil {
		o.dirty.Lock()
		o.unsafe = true
		o.dirty.Unlock()
		return err
	}
	return nil
}

// reset gives all the space back if empty still says that nothing is pinned.
func (o *outbox) reset(ctx context.Context, empty func() bool) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	pack, err := o.usable()
	if err != nil {
		return err
	}
	if u, err := pack.Usage(ctx); err != nil || u.Disk <= outboxPack/64 || !empty() {
		return err
	}
	o.pack = nil
	if err := errors.Join(pack.Close(), os.RemoveAll(o.dir)); err != nil {
		return fmt.Errorf("reset outbox: %w", err)
	}
	failpoint.Hit(failpoint.OutboxReset)
	if err := o.open(); err != nil {
		return fmt.Errorf("reset outbox: %w", err)
	}
	return nil
}

// compact gives back the space of blocks that were removed, once it is worth it.
func (o *outbox) compact(ctx context.Context) error {
	o.mu.RLock()
	defer o.mu.RUnlock()
	pack, err := o.usable()
	if err != nil {
		return err
	}
	if _, err := pack.Compact(ctx, compactAt); err != nil {
		return fmt.Errorf("compact outbox: %w", err)
	}
	return nil
}

func (o *outbox) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.pack == nil {
		return nil
	}
	pack := o.pack
	o.pack = nil
	return pack.Close()
}
