package blockstore

import (
	"context"
	"fmt"
)

// Piece is a shard together with its id, which was computed from these very
// bytes in this process: only Shards.Piece and NewPiece make one. The bytes
// belong to whoever made it and must not change.
type Piece struct {
	id     ShardID
	bytes  []byte
	stripe *Descriptor
	index  int
}

// NewPiece returns shard i of the stripe that d describes, if shard is that:
// ErrCorrupt otherwise.
func NewPiece(d *Descriptor, i int, shard []byte) (Piece, error) {
	if len(shard) != d.ShardSize() || ShardIDOf(shard) != d.Shards[i] {
		return Piece{}, fmt.Errorf("shard %d of stripe %v: %w", i, d.Address, ErrCorrupt)
	}
	return Piece{id: d.Shards[i], bytes: shard, stripe: d, index: i}, nil
}

// ID returns the shard's id.
func (p Piece) ID() ShardID { return p.id }

// Bytes returns the shard.
func (p Piece) Bytes() []byte { return p.bytes }

// Stripe returns the stripe that the shard belongs to, and its index there.
func (p Piece) Stripe() (*Descriptor, int) { return p.stripe, p.index }

// PiecePutter is a Store that takes a Piece's id on trust. Hashing a shard a
// second time on its way from the coder to the disk would be a quarter of the
// work of storing it.
type PiecePutter interface {
	PutPiece(ctx context.Context, p Piece) error
}

// PutPiece stores p in s, under the contract of Store.Put.
func PutPiece(ctx context.Context, s Store, p Piece) error {
	if t, ok := s.(PiecePutter); ok {
		return t.PutPiece(ctx, p)
	}
	return s.Put(ctx, p.id, p.bytes)
}
