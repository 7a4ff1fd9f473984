package swarm

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"pifs/blockstore"
)

// ErrUnreachable means that a member does not answer: its folder is not there,
// or a sync of it failed and it has to be reopened first.
var ErrUnreachable = errors.New("store is unreachable")

// Member is a store with its place in the swarm.
type Member struct {
	ID     MemberID
	Name   string           // what a user calls it: the folder's path
	Weight uint32           // its share of new shards; 1 if zero
	Site   Site             // whose it is, and where; zero of a folder
	Rests  bool             // it keeps what it has, and takes nothing new
	Own    bool             // a store of this home: nobody else uses it, and to ask it costs little
	Store  blockstore.Store // a *Local, a remote store, or a fake of a test
}

// Site says whose a member is, and under whose law.
type Site struct{ Operator, Jurisdiction string }

// Prober is a Store that can tell, without asking for a shard, whether it
// answers at present: nil, or an error that wraps ErrUnreachable.
type Prober interface {
	Probe(ctx context.Context) error
}

// Reopener is a Store that can try to come back after it became unreachable.
type Reopener interface {
	Reopen(ctx context.Context) error
}

// Claimer is a Store that may have a shard from somebody else already.
type Claimer interface {
	// Claim has the store keep a shard that it has, as if it had been put, and
	// reports whether it did: it has shown that it has all the bytes.
	Claim(ctx context.Context, p blockstore.Piece) (bool, error)
}

// claimFrom is the size in bytes from which a store is asked whether it has a
// shard before it is sent.
const claimFrom = 32 << 10

// member is a Member and what is known of its condition.
type member struct {
	Member
	swarm *Swarm

	compacting atomic.Bool
	pace       pace // of reads

	mu     sync.Mutex
	failed error     // of a sync: what the store says it holds may be lost
	late   int       // calls that were left behind and still run
	since  time.Time // the first of them began
}

// takeOver makes m know what old, of the same store, knew.
func (m *member) takeOver(old *member) {
	old.mu.Lock()
	defer old.mu.Unlock()
	m.failed = old.failed
}

// fail takes the member out of use until it is reopened.
func (m *member) fail(cause error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failed = fmt.Errorf("%w: %w", ErrUnreachable, cause)
}

// writable returns why nothing may be put there, or nil.
func (m *member) writable() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.failed
}

// probe returns why the member does not answer, or nil.
func (m *member) probe(ctx context.Context) error {
	if err := m.writable(); err != nil {
		return err
	}
	if p, ok := m.Store.(Prober); ok {
		return m.ask(ctx, m.swarm.Patience().Hedge, func() error { return p.Probe(ctx) })
	}
	return nil
}

func (m *member) reopen(ctx context.Context) error {
	if r, ok := m.Store.(Reopener); ok {
		if err := m.ask(ctx, m.swarm.Patience().Limit, func() error { return r.Reopen(ctx) }); err != nil {
			return err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failed = nil
	return nil
}

// putPiece stores a shard unless the member is out of use.
func (m *member) putPiece(ctx context.Context, p blockstore.Piece) error {
	if err := m.writable(); err != nil {
		return fmt.Errorf("store %s: %w", m.Name, err)
	}
	if err := m.ask(ctx, m.swarm.Patience().Limit, func() error { return m.place(ctx, p) }); err != nil {
		return fmt.Errorf("store %s: %w", m.Name, err)
	}
	return nil
}

// place puts a shard, unless the store has it from somebody else.
func (m *member) place(ctx context.Context, p blockstore.Piece) error {
	if c, ok := m.Store.(Claimer); ok && len(p.Bytes()) >= claimFrom {
		if had, err := c.Claim(ctx, p); had || errors.Is(err, ErrUnreachable) {
			return err
		}
	}
	return blockstore.PutPiece(ctx, m.Store, p)
}

// hedge is how long a read waits for the member before it turns to others.
func (m *member) hedge() time.Duration {
	most := m.swarm.Patience().Hedge
	if _, here := m.Store.(*Local); here {
		return most // a disk may spin up
	}
	return m.pace.hedge(most)
}

// read is ask of a read, whose time is noted.
func (m *member) read(ctx context.Context, limit time.Duration, fn func() error) error {
	begun := time.Now()
	err := m.ask(ctx, limit, fn)
	if err == nil || errors.Is(err, blockstore.ErrLate) && ctx.Err() == nil {
		m.pace.note(time.Since(begun))
	}
	return err
}

// get appends a shard of at most size bytes to dst. A member that is out of use
// for writing is still asked, since the shard is checked. The store reads into
// memory of its own, which a call that is left behind keeps.
func (m *member) get(ctx context.Context, limit time.Duration, id blockstore.ShardID, size int, dst []byte) ([]byte, error) {
	buf := m.swarm.buffer(size)
	var shard []byte
	err := m.read(ctx, limit, func() (err error) {
		shard, err = m.Store.Get(ctx, id, (*buf)[:0])
		return err
	})
	if err == nil {
		dst = append(dst, shard...)
		*buf = shard[:0]
	}
	if !errors.Is(err, blockstore.ErrLate) {
		m.swarm.buffers.Put(buf)
	}
	if err != nil {
		return dst, fmt.Errorf("store %s: %w", m.Name, err)
	}
	return dst, nil
}
