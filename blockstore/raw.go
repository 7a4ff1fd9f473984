package blockstore

import (
	"context"
	"fmt"
)

// Lent is memory that its owner has back when Return is called, or never: then
// the collector takes it.
type Lent struct {
	Bytes  []byte
	Return func() // nil if nobody wants it back
}

// RawGetter is a Store that can lend parts of shards as it finds them, for
// callers who check what they make of them.
type RawGetter interface {
	// GetRaw returns n bytes at off of the shard, unchecked. It fails as Get
	// does, with ErrCorrupt if the shard ends before them.
	GetRaw(ctx context.Context, id ShardID, off, n int) (Lent, error)
}

// GetRaw returns n bytes at off of a shard, unchecked if the store can do that.
func GetRaw(ctx context.Context, s Store, id ShardID, off, n int) (Lent, error) {
	if r, ok := s.(RawGetter); ok {
		return r.GetRaw(ctx, id, off, n)
	}
	shard, err := s.Get(ctx, id, nil)
	if err != nil {
		return Lent{}, err
	}
	if len(shard) < off+n {
		return Lent{}, fmt.Errorf("get %d bytes at %d of shard %v: %w: it has %d", n, off, id, ErrCorrupt, len(shard))
	}
	return Lent{Bytes: shard[off : off+n]}, nil
}

// Raw is a block, or a range of its bytes, as stores hold it: in parts, and
// unchecked.
type Raw struct {
	parts [][]byte
	size  int
	lent  []Lent
}

// Add appends b to the bytes.
func (r *Raw) Add(b []byte) {
	r.parts = append(r.parts, b)
	r.size += len(b)
}

// Keep has l returned with the others. Its bytes need not be among those added.
func (r *Raw) Keep(l Lent) { r.lent = append(r.lent, l) }

// Len returns the number of bytes.
func (r *Raw) Len() int { return r.size }

// AppendTo appends the bytes to dst.
func (r *Raw) AppendTo(dst []byte) []byte {
	for _, p := range r.parts {
		dst = append(dst, p...)
	}
	return dst
}

// Release returns what was lent. The bytes must not be used after it.
func (r *Raw) Release() {
	for _, l := range r.lent {
		if l.Return != nil {
			l.Return()
		}
	}
	*r = Raw{}
}
