package blockstore

import (
	"context"
	"errors"
)

// The kinds of failure of this package. Callers match them with errors.Is;
// mount maps them to errno and cli to an exit status.
var (
	ErrNotFound = errors.New("not found")           // the store does not hold the shard
	ErrCorrupt  = errors.New("corrupt")             // bytes do not match their hash
	ErrLost     = errors.New("too few shards left") // fewer than k shards of a stripe can be had
	ErrFormat   = errors.New("malformed")           // an encoding that we would not have written
	ErrTooLarge = errors.New("too large")           // a size beyond its bound
	ErrLate     = errors.New("no answer in time")   // the call still runs, and uses the memory that it was given
	ErrClosed   = errors.New("store is closed")
)

// Store holds shards by id. The embedded pack store is one; a remote node and
// a fault-injecting wrapper are others. Implementations are safe for
// concurrent use. blocktest.Run is their conformance suite.
type Store interface {
	// Put stores shard under its id, which must be BLAKE3-256 of its bytes
	// (ErrCorrupt otherwise). Putting what is already held does nothing.
	// The shard can be read on return but is durable only after Sync. The
	// store keeps no reference to shard. A damaged shard counts as held: to
	// replace it, Delete it first.
	Put(ctx context.Context, id ShardID, shard []byte) error

	// Get appends the shard to dst and returns the extended slice. The bytes
	// were checked against id: a mismatch is ErrCorrupt, absence ErrNotFound.
	Get(ctx context.Context, id ShardID, dst []byte) ([]byte, error)

	// Has reports whether the store claims to hold id, without reading it.
	Has(ctx context.Context, id ShardID) (bool, error)

	// Delete forgets id. Deleting what is not held does nothing.
	Delete(ctx context.Context, id ShardID) error

	// Sync makes every Put and Delete that returned before it durable. After
	// an error none of them can be relied on: call it again. If it fails with
	// ErrCorrupt, shards could not be kept: Has no longer reports them, and
	// they must be put again.
	Sync(ctx context.Context) error
}

// Lister is a Store that can enumerate what it holds.
type Lister interface {
	// List calls fn for every shard held, in no particular order, until fn
	// returns an error, which it returns. size is the shard's length in bytes.
	List(ctx context.Context, fn func(id ShardID, size int) error) error
}

// Usage is what a store occupies.
type Usage struct {
	Shards int64 // shards held
	Bytes  int64 // their bytes
	Disk   int64 // bytes of the pack files, framing and garbage included
}

// Sizer is a Store that knows what it occupies.
type Sizer interface {
	Usage(ctx context.Context) (Usage, error)
}
