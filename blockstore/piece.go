package blockstore

import "context"

// Piece is a shard together with its id, which was computed from these very
// bytes in this process: only Shards.Piece makes one. The bytes belong to the
// Shards and must not change.
type Piece struct {
	id    ShardID
	bytes []byte
}

// ID returns the shard's id.
func (p Piece) ID() ShardID { return p.id }

// Bytes returns the shard.
func (p Piece) Bytes() []byte { return p.bytes }

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
