package swarmtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"sync"

	"pifs/blockstore"
	"pifs/blockstore/blocktest"
	"pifs/swarm"
	"pifs/swarm/wire"
)

// Shelf is an honest node that holds shards in memory, each for as long as
// somebody claims it. It has no trash and reads no keep-sets.
type Shelf struct {
	id     swarm.Identity
	shards *blocktest.Memory

	mu     sync.Mutex
	claims map[blockstore.ShardID][]swarm.MemberID
	clock  int64
}

var (
	_ wire.ShardServer = (*Shelf)(nil)
	_ wire.WhichServer = (*Shelf)(nil)
	_ wire.MendServer  = (*Shelf)(nil)
	_ wire.KeepServer  = (*Shelf)(nil)
)

// NewShelf returns an empty shelf that signs as id.
func NewShelf(id swarm.Identity) *Shelf {
	return &Shelf{id: id, shards: blocktest.NewMemory(), claims: map[blockstore.ShardID][]swarm.MemberID{}}
}

// Shards is the store beneath, for tests that look or do damage.
func (s *Shelf) Shards() *blocktest.Memory { return s.shards }

// Put implements wire.ShardServer.
func (s *Shelf) Put(ctx context.Context, from swarm.MemberID, p *wire.Put, shard []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.shards.Put(ctx, p.ID(), shard); err != nil {
		return err
	}
	s.claim(from, p.ID())
	return nil
}

// claim notes that from wants id kept. The caller holds mu.
func (s *Shelf) claim(from swarm.MemberID, id blockstore.ShardID) {
	if !slices.Contains(s.claims[id], from) {
		s.claims[id] = append(s.claims[id], from)
	}
}

// Get implements wire.ShardServer.
func (s *Shelf) Get(ctx context.Context, _ swarm.MemberID, id blockstore.ShardID, dst []byte) ([]byte, error) {
	return s.shards.Get(ctx, id, dst)
}

// Has implements wire.ShardServer.
func (s *Shelf) Has(ctx context.Context, from swarm.MemberID, h *wire.Has) (*wire.Held, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := &wire.Held{Tokens: make([][32]byte, len(h.IDs))}
	_, _ = rand.Read(held.Nonce[:]) // it never fails
	for i, id := range h.IDs {
		shard, err := s.shards.Get(ctx, id, nil)
		if err != nil {
			continue
		}
		held.Tokens[i] = wire.Token(from, s.id.ID, h.Nonce, held.Nonce, id, shard)
		if h.Claim {
			s.claim(from, id)
		}
	}
	return held, nil
}

// Sync implements wire.ShardServer. Its clock counts receipts.
func (s *Shelf) Sync(_ context.Context, from swarm.MemberID, ids []blockstore.ShardID) (*wire.Receipt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		if !slices.Contains(s.claims[id], from) {
			return nil, fmt.Errorf("receipt for shard %v: %w", id, blockstore.ErrNotFound)
		}
	}
	s.clock++
	r := &wire.Receipt{Node: s.id.ID, Principal: from, Time: s.clock}
	r.Root, r.Count = wire.ReceiptRoot(ids)
	return r, r.Sign(s.id.Key)
}

// Which implements wire.WhichServer.
func (s *Shelf) Which(ctx context.Context, _ swarm.MemberID, ids []blockstore.ShardID) ([]bool, error) {
	held := make([]bool, len(ids))
	for i, id := range ids {
		var err error
		if held[i], err = s.shards.Has(ctx, id); err != nil {
			return nil, err
		}
	}
	return held, nil
}

// Mend implements wire.MendServer.
func (s *Shelf) Mend(ctx context.Context, _ swarm.MemberID, p *wire.Put, shard []byte) error {
	return s.shards.Put(ctx, p.ID(), shard)
}

// Usage implements wire.ShardServer.
func (s *Shelf) Usage(ctx context.Context, _ swarm.MemberID) (*wire.Used, error) {
	u, err := s.shards.Usage(ctx)
	return &wire.Used{Shards: uint64(u.Shards), Bytes: uint64(u.Bytes), Disk: uint64(u.Disk), Capacity: 1 << 40, Free: 1<<40 - uint64(u.Disk)}, err
}

// Release implements wire.KeepServer: what nobody claims is gone at once.
func (s *Shelf) Release(ctx context.Context, from swarm.MemberID, ids []blockstore.ShardID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		s.claims[id] = slices.DeleteFunc(s.claims[id], func(m swarm.MemberID) bool { return m == from })
		if len(s.claims[id]) > 0 {
			continue
		}
		delete(s.claims, id)
		if err := s.shards.Delete(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// Keep implements wire.KeepServer.
func (s *Shelf) Keep(_ context.Context, from swarm.MemberID, k *wire.KeepSet, filter []byte) error {
	if k.Principal != from {
		return fmt.Errorf("keep-set of %s from %s: %w", k.Principal, from, wire.ErrRefused)
	}
	return k.Verify(filter)
}

// Trash implements wire.KeepServer.
func (s *Shelf) Trash(context.Context, swarm.MemberID, *wire.Trash) (*wire.Trashed, error) {
	return &wire.Trashed{}, nil
}

// Undelete implements wire.KeepServer.
func (s *Shelf) Undelete(_ context.Context, from swarm.MemberID, ids []blockstore.ShardID) (*wire.Undeleted, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := &wire.Undeleted{}
	for _, id := range ids {
		if len(s.claims[id]) > 0 {
			s.claim(from, id)
			u.Count++
		}
	}
	return u, nil
}

// Lone returns the descriptor of a stripe of one shard, which is the block.
func Lone(shard []byte) blockstore.Descriptor {
	id := blockstore.ShardIDOf(shard)
	return blockstore.Descriptor{
		Address: blockstore.Address(id), Class: blockstore.Class{K: 1, N: 1},
		Length: uint32(len(shard)), Shards: []blockstore.ShardID{id},
	}
}

// holds reports whether the shelf has exactly these bytes.
func (s *Shelf) holds(ctx context.Context, shard []byte) bool {
	got, err := s.shards.Get(ctx, blockstore.ShardIDOf(shard), nil)
	return err == nil && bytes.Equal(got, shard)
}
