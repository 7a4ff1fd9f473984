package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"pifs/blockstore"
	"pifs/swarm"
	"pifs/swarm/wire"
)

// Own is a node as a store for the principal that runs it, without sockets.
type Own struct {
	node *Node
	self swarm.MemberID

	mu  sync.Mutex
	put map[blockstore.ShardID]bool // what has no receipt yet; guarded by mu
}

var (
	_ blockstore.Store       = (*Own)(nil)
	_ blockstore.PiecePutter = (*Own)(nil)
	_ blockstore.RawGetter   = (*Own)(nil)
	_ blockstore.Sizer       = (*Own)(nil)
	_ swarm.Deleter          = (*Own)(nil)
)

// Own returns the node as a store for its own principal.
func (n *Node) Own() *Own {
	return &Own{node: n, self: n.o.Identity.ID, put: map[blockstore.ShardID]bool{}}
}

// Put stores a shard that is a block by itself; see blockstore.Store.
func (s *Own) Put(ctx context.Context, id blockstore.ShardID, shard []byte) error {
	d := &blockstore.Descriptor{
		Address: blockstore.Address(id), Class: blockstore.Class{K: 1, N: 1}, Length: uint32(min(len(shard), blockstore.MaxShard+1)), Shards: []blockstore.ShardID{id},
	}
	p, err := blockstore.NewPiece(d, 0, shard)
	if err != nil {
		return fmt.Errorf("put shard %v: %w", id, err)
	}
	return s.PutPiece(ctx, p)
}

// PutPiece stores a shard of a stripe; see blockstore.PiecePutter.
func (s *Own) PutPiece(ctx context.Context, p blockstore.Piece) error {
	stripe, index := p.Stripe()
	m := &wire.Put{Stripe: *stripe, Index: uint8(index)}
	if err := m.Check(); err != nil {
		return fmt.Errorf("put shard %v: %w", p.ID(), err)
	}
	if err := s.node.Put(ctx, s.self, m, p.Bytes()); err != nil {
		return fmt.Errorf("put shard %v: %w", p.ID(), err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put[p.ID()] = true
	return nil
}

// Get appends a shard to dst; see blockstore.Store.
func (s *Own) Get(ctx context.Context, id blockstore.ShardID, dst []byte) ([]byte, error) {
	return s.node.Get(ctx, s.self, id, dst)
}

// GetRaw lends a part of a shard; see blockstore.RawGetter.
func (s *Own) GetRaw(ctx context.Context, id blockstore.ShardID, off, n int) (blockstore.Lent, error) {
	return s.node.pack(id).GetRaw(ctx, id, off, n)
}

// Has reports whether a shard is held; see blockstore.Store.
func (s *Own) Has(ctx context.Context, id blockstore.ShardID) (bool, error) {
	return s.node.pack(id).Has(ctx, id)
}

// Delete gives up the claim to a shard; others may have theirs.
func (s *Own) Delete(ctx context.Context, id blockstore.ShardID) error {
	return s.DeleteAll(ctx, []blockstore.ShardID{id})
}

// DeleteAll gives up the claims to shards; see swarm.Deleter.
func (s *Own) DeleteAll(ctx context.Context, ids []blockstore.ShardID) error {
	for part := range slices.Chunk(ids, wire.MaxIDs) {
		if err := s.node.Release(ctx, s.self, part); err != nil {
			return fmt.Errorf("release %d shards from %v on: %w", len(part), part[0], err)
		}
		s.mu.Lock()
		for _, id := range part {
			delete(s.put, id)
		}
		s.mu.Unlock()
	}
	return nil
}

// Sync makes durable what was put; see blockstore.Store.
func (s *Own) Sync(ctx context.Context) error {
	s.mu.Lock()
	put := s.put
	s.put = map[blockstore.ShardID]bool{}
	s.mu.Unlock()
	if len(put) == 0 {
		return nil
	}
	ids := make([]blockstore.ShardID, 0, len(put))
	for id := range put {
		ids = append(ids, id)
	}
	_, err := s.node.Sync(ctx, s.self, ids)
	if err == nil {
		return nil
	}
	if errors.Is(err, blockstore.ErrNotFound) {
		return fmt.Errorf("sync node: %w: %w", blockstore.ErrCorrupt, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range put {
		s.put[id] = true
	}
	return fmt.Errorf("sync node: %w", err)
}

// Usage returns what the node holds of everybody.
func (s *Own) Usage(ctx context.Context) (blockstore.Usage, error) { return s.node.usage(ctx) }
