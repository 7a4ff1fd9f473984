package blocktest

import (
	"bytes"
	"context"
	"fmt"
	"sync"

	"pifs/blockstore"
)

// Memory is a store in memory. It checks what any store must check, so that
// tests built on it fail where real stores would.
type Memory struct {
	mu     sync.RWMutex
	shards map[blockstore.ShardID][]byte
}

var (
	_ blockstore.Store  = (*Memory)(nil)
	_ blockstore.Lister = (*Memory)(nil)
	_ blockstore.Sizer  = (*Memory)(nil)
)

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{shards: make(map[blockstore.ShardID][]byte)}
}

// Put stores a copy of shard; see blockstore.Store.
func (m *Memory) Put(ctx context.Context, id blockstore.ShardID, shard []byte) error {
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("put shard %v: %w", id, ctx.Err())
	case len(shard) < 1 || len(shard) > blockstore.MaxShard:
		return fmt.Errorf("put shard %v of %d bytes: %w", id, len(shard), blockstore.ErrTooLarge)
	case blockstore.ShardIDOf(shard) != id:
		return fmt.Errorf("put shard %v: %w: bytes have another id", id, blockstore.ErrCorrupt)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, held := m.shards[id]; !held {
		m.shards[id] = bytes.Clone(shard)
	}
	return nil
}

// Get appends the shard to dst; see blockstore.Store.
func (m *Memory) Get(ctx context.Context, id blockstore.ShardID, dst []byte) ([]byte, error) {
	if ctx.Err() != nil {
		return dst, fmt.Errorf("get shard %v: %w", id, ctx.Err())
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	shard, held := m.shards[id]
	if !held {
		return dst, fmt.Errorf("get shard %v: %w", id, blockstore.ErrNotFound)
	}
	if blockstore.ShardIDOf(shard) != id {
		return dst, fmt.Errorf("get shard %v: %w", id, blockstore.ErrCorrupt)
	}
	return append(dst, shard...), nil
}

// Has reports whether id is held.
func (m *Memory) Has(ctx context.Context, id blockstore.ShardID) (bool, error) {
	if ctx.Err() != nil {
		return false, fmt.Errorf("look for shard %v: %w", id, ctx.Err())
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	_, held := m.shards[id]
	return held, nil
}

// Delete forgets id.
func (m *Memory) Delete(ctx context.Context, id blockstore.ShardID) error {
	if ctx.Err() != nil {
		return fmt.Errorf("delete shard %v: %w", id, ctx.Err())
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.shards, id)
	return nil
}

// Sync has nothing to do: memory is as durable as it gets.
func (m *Memory) Sync(ctx context.Context) error { return ctx.Err() }

// List calls fn for every shard; fn may use the store.
func (m *Memory) List(ctx context.Context, fn func(id blockstore.ShardID, size int) error) error {
	m.mu.RLock()
	sizes := make(map[blockstore.ShardID]int, len(m.shards))
	for id, shard := range m.shards {
		sizes[id] = len(shard)
	}
	m.mu.RUnlock()
	for id, size := range sizes {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("list shards: %w", err)
		}
		if err := fn(id, size); err != nil {
			return err
		}
	}
	return nil
}

// Usage counts the shards.
func (m *Memory) Usage(ctx context.Context) (blockstore.Usage, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	u := blockstore.Usage{Shards: int64(len(m.shards))}
	for _, shard := range m.shards {
		u.Bytes += int64(len(shard))
	}
	u.Disk = u.Bytes
	return u, ctx.Err()
}

// Damage flips a bit of a shard in place, behind the store's back. It reports
// whether the shard was there.
func (m *Memory) Damage(id blockstore.ShardID) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	shard, held := m.shards[id]
	if held {
		shard = bytes.Clone(shard)
		shard[len(shard)/2] ^= 1
		m.shards[id] = shard
	}
	return held
}
