package peer

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"pifs/blockstore"
	"pifs/swarm"
	"pifs/swarm/wire"
)

// wholeFrom is the length in bytes from which a read of a shard's beginning asks
// for all of it: hashing it once is cheaper than a slice of so many leaves.
const wholeFrom = 64 << 10

// Store is a remote node as a store. What it returns was checked against its
// hash. Put is made twice if need be, and durable with the receipt that Sync
// gets: then the node can be held to it.
type Store struct {
	host *Host
	id   swarm.MemberID
	keep func(wire.Receipt, []blockstore.ShardID) error

	syncing sync.RWMutex // held by whoever gets a receipt; for reading by whoever gives up a claim

	mu  sync.Mutex
	put map[blockstore.ShardID]bool // what has no receipt yet; guarded by mu
}

var (
	_ blockstore.Store       = (*Store)(nil)
	_ blockstore.PiecePutter = (*Store)(nil)
	_ blockstore.RawGetter   = (*Store)(nil)
	_ blockstore.Sizer       = (*Store)(nil)
	_ swarm.Prober           = (*Store)(nil)
	_ swarm.Reopener         = (*Store)(nil)
	_ swarm.Claimer          = (*Store)(nil)
	_ swarm.Deleter          = (*Store)(nil)
	_ swarm.LeafGetter       = (*Store)(nil)
)

// Store returns the node id as a store. keep, which may be nil, is given every
// receipt with the shards that it covers, before Sync returns; its error is
// Sync's.
func (h *Host) Store(id swarm.MemberID, keep func(wire.Receipt, []blockstore.ShardID) error) *Store {
	return &Store{host: h, id: id, keep: keep, put: map[blockstore.ShardID]bool{}}
}

func (s *Store) run(ctx context.Context, size int, do func(*wire.Conn) error) error {
	return s.take(ctx, size, 0, do)
}

// take makes an exchange of size bytes for which the node may work so long.
func (s *Store) take(ctx context.Context, size int, work time.Duration, do func(*wire.Conn) error) error {
	l, err := s.host.link(s.id)
	if err != nil {
		return err
	}
	return l.run(ctx, exchange{protocol: wire.ShardProtocol, size: size, work: work, do: do})
}

// small asks a question without payloads.
func (s *Store) small(ctx context.Context, op wire.Op, message, answer any) error {
	return s.run(ctx, 0, func(c *wire.Conn) error {
		if err := c.WriteRequest(op, message); err != nil {
			return err
		}
		return c.ReadAnswer(answer)
	})
}

// Put stores a shard that is a block by itself, of class (1,1). Shards of other
// stripes are put as pieces, which know theirs.
func (s *Store) Put(ctx context.Context, id blockstore.ShardID, shard []byte) error {
	if len(shard) == 0 || len(shard) > blockstore.MaxShard {
		return fmt.Errorf("put shard %v of %d bytes: %w", id, len(shard), blockstore.ErrTooLarge)
	}
	d := &blockstore.Descriptor{
		Address: blockstore.Address(id), Class: blockstore.Class{K: 1, N: 1}, Length: uint32(len(shard)), Shards: []blockstore.ShardID{id},
	}
	p, err := blockstore.NewPiece(d, 0, shard)
	if err != nil {
		return fmt.Errorf("put shard %v: %w", id, err)
	}
	return s.PutPiece(ctx, p)
}

// PutPiece stores a shard of a stripe; see blockstore.PiecePutter.
func (s *Store) PutPiece(ctx context.Context, p blockstore.Piece) error {
	if err := s.send(ctx, wire.OpPut, p); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put[p.ID()] = true
	return nil
}

// Mend stores a shard that was rebuilt, durably on return, without a claim: it
// is kept for whomever the stripe belongs to.
func (s *Store) Mend(ctx context.Context, p blockstore.Piece) error {
	return s.send(ctx, wire.OpMend, p)
}

// send makes a request that carries a shard.
func (s *Store) send(ctx context.Context, op wire.Op, p blockstore.Piece) error {
	stripe, index := p.Stripe()
	if err := stripe.Validate(); err != nil {
		return fmt.Errorf("put shard %v: %w", p.ID(), err)
	}
	m := &wire.Put{Stripe: *stripe, Index: uint8(index)}
	var work time.Duration
	if op == wire.OpMend { // is durable
		work = syncWork
	}
	err := s.take(ctx, len(p.Bytes()), work, func(c *wire.Conn) error {
		if err := c.WriteRequest(op, m); err != nil {
			return err
		}
		if err := c.WritePayload(p.Bytes()); err != nil {
			// It may have said why it reads no further.
			var refused *wire.Refusal
			if e := c.ReadAnswer(&wire.Done{}); errors.As(e, &refused) {
				return refused
			}
			return err
		}
		return c.ReadAnswer(&wire.Done{})
	})
	if err != nil {
		return fmt.Errorf("put shard %v: %w", p.ID(), err)
	}
	return nil
}

// Get appends a shard to dst; see blockstore.Store.
func (s *Store) Get(ctx context.Context, id blockstore.ShardID, dst []byte) ([]byte, error) {
	start := len(dst)
	err := s.run(ctx, blockstore.MaxShard, func(c *wire.Conn) (err error) {
		dst = dst[:start]
		if err := c.WriteRequest(wire.OpGet, &wire.Get{ID: id}); err != nil {
			return err
		}
		dst, err = payload(c, dst, blockstore.MaxShard)
		return err
	})
	if err == nil && blockstore.ShardIDOf(dst[start:]) != id {
		err = blockstore.ErrCorrupt
	}
	if err != nil {
		return dst[:start], fmt.Errorf("get shard %v: %w", id, err)
	}
	return dst, nil
}

// payload reads an answer and what it announces, at most limit bytes.
func payload(c *wire.Conn, dst []byte, limit int) ([]byte, error) {
	var got wire.Got
	if err := c.ReadAnswer(&got); err != nil {
		return dst, err
	}
	if uint64(got.Size) > uint64(limit) {
		return dst, fmt.Errorf("%w: %d bytes announced", wire.ErrProtocol, got.Size)
	}
	return c.ReadPayload(dst, int(got.Size))
}

// GetRaw returns a part of a shard; see blockstore.RawGetter. Unlike others this
// one checks it: the node sends the hashes that prove it.
func (s *Store) GetRaw(ctx context.Context, id blockstore.ShardID, off, n int) (blockstore.Lent, error) {
	if off == 0 && n >= wholeFrom {
		shard, err := s.Get(ctx, id, make([]byte, 0, n))
		if err == nil && len(shard) < n {
			err = fmt.Errorf("get %d bytes of shard %v of %d: %w", n, id, len(shard), blockstore.ErrTooLarge)
		}
		if err != nil {
			return blockstore.Lent{}, err
		}
		return blockstore.Lent{Bytes: shard[:n]}, nil
	}
	m := &wire.Range{ID: id, Off: uint32(max(off, 0)), Len: uint32(max(n, 0))}
	if off < 0 || n < 1 || off > blockstore.MaxShard || n > blockstore.MaxShard || m.Check() != nil {
		return blockstore.Lent{}, fmt.Errorf("get %d bytes at %d of shard %v: %w", n, off, id, blockstore.ErrTooLarge)
	}
	limit := blockstore.MaxSlice(blockstore.MaxShard, off, n)
	var slice []byte
	err := s.run(ctx, limit, func(c *wire.Conn) (err error) {
		if err := c.WriteRequest(wire.OpRange, m); err != nil {
			return err
		}
		slice, err = payload(c, nil, limit)
		return err
	})
	var size int
	if err == nil {
		size, err = blockstore.SliceSize(slice)
	}
	if err == nil {
		slice, err = blockstore.OpenSlice(slice, id, size, off, n)
	}
	if err != nil {
		return blockstore.Lent{}, fmt.Errorf("get %d bytes at %d of shard %v: %w", n, off, id, err)
	}
	return blockstore.Lent{Bytes: slice}, nil
}

// Leaf returns a leaf of a shard, which the node proves; see swarm.LeafGetter.
func (s *Store) Leaf(ctx context.Context, id blockstore.ShardID, leaf int) ([]byte, error) {
	l, err := s.GetRaw(ctx, id, leaf*blockstore.LeafSize, 1)
	return l.Bytes, err
}

// Has reports whether the node says that it holds a shard; see
// blockstore.Store. Possesses is for those who do not take its word.
func (s *Store) Has(ctx context.Context, id blockstore.ShardID) (bool, error) {
	held, err := s.ask(ctx, &wire.Has{IDs: []blockstore.ShardID{id}})
	if err != nil {
		return false, fmt.Errorf("ask for shard %v: %w", id, err)
	}
	return held.Tokens[0] != [32]byte{}, nil
}

// HasAll reports which of ids, at most wire.MaxIDs, the node says it lists. It
// reads none of them for that: its word is worth what its proofs are worth.
func (s *Store) HasAll(ctx context.Context, ids []blockstore.ShardID) ([]bool, error) {
	var listed wire.Listed
	err := s.small(ctx, wire.OpWhich, &wire.Which{IDs: ids}, &listed)
	var held []bool
	if err == nil {
		held, err = listed.Held(len(ids))
	}
	if err != nil {
		return nil, fmt.Errorf("ask which of %d shards: %w", len(ids), err)
	}
	return held, nil
}

func (s *Store) ask(ctx context.Context, m *wire.Has) (*wire.Held, error) {
	_, _ = rand.Read(m.Nonce[:])
	held := new(wire.Held)
	if err := s.small(ctx, wire.OpHas, m, held); err != nil {
		return nil, err
	}
	if len(held.Tokens) != len(m.IDs) {
		return nil, fmt.Errorf("%w: %d tokens for %d shards", wire.ErrProtocol, len(held.Tokens), len(m.IDs))
	}
	return held, nil
}

// Claim asks the node to keep a shard that it may have from somebody else, and
// reports whether it does: it has shown that it has all the bytes. Then the
// shard need not be put.
func (s *Store) Claim(ctx context.Context, p blockstore.Piece) (bool, error) {
	m := &wire.Has{IDs: []blockstore.ShardID{p.ID()}, Claim: true}
	held, err := s.ask(ctx, m)
	if err != nil {
		return false, fmt.Errorf("claim shard %v: %w", p.ID(), err)
	}
	if held.Tokens[0] != wire.Token(s.host.self, s.id, m.Nonce, held.Nonce, p.ID(), p.Bytes()) {
		return false, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put[p.ID()] = true
	return true, nil
}

// Delete gives up one's claim to a shard. Whether the node holds it longer is
// its affair, and that of others who claim it.
func (s *Store) Delete(ctx context.Context, id blockstore.ShardID) error {
	return s.DeleteAll(ctx, []blockstore.ShardID{id})
}

// DeleteAll gives up one's claims to shards; see swarm.Deleter.
func (s *Store) DeleteAll(ctx context.Context, ids []blockstore.ShardID) error {
	s.syncing.RLock() // a receipt for them may be under way
	defer s.syncing.RUnlock()
	for part := range slices.Chunk(ids, wire.MaxIDs) {
		if err := s.small(ctx, wire.OpRelease, &wire.Release{IDs: part}, &wire.Done{}); err != nil {
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

// Sync gets receipts for everything that was put before; see blockstore.Store.
// A node that lacks some of it is ErrCorrupt: it said before that it had it.
func (s *Store) Sync(ctx context.Context) error {
	s.syncing.Lock()
	defer s.syncing.Unlock()
	for {
		ids := s.unconfirmed()
		if len(ids) == 0 {
			return nil
		}
		receipt, err := s.receipt(ctx, ids)
		if err == nil && s.keep != nil {
			err = s.keep(*receipt, ids)
		}
		if errors.Is(err, blockstore.ErrNotFound) {
			s.settle(ids)
			err = fmt.Errorf("%w: it lost what was put: %w", blockstore.ErrCorrupt, err)
		}
		if err != nil {
			return fmt.Errorf("sync node %s: %w", s.id, err)
		}
		s.settle(ids)
		if len(ids) < wire.MaxSync {
			return nil
		}
	}
}

// unconfirmed returns shards that have no receipt yet, as many as one covers.
func (s *Store) unconfirmed() []blockstore.ShardID {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := make([]blockstore.ShardID, 0, min(len(s.put), wire.MaxSync))
	for id := range s.put {
		if len(ids) == wire.MaxSync {
			break
		}
		ids = append(ids, id)
	}
	return ids
}

func (s *Store) settle(ids []blockstore.ShardID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		delete(s.put, id)
	}
}

// receipt asks for a receipt and checks that it says what it must.
func (s *Store) receipt(ctx context.Context, ids []blockstore.ShardID) (*wire.Receipt, error) {
	raw := make([]byte, 0, len(ids)*len(ids[0]))
	for i := range ids {
		raw = append(raw, ids[i][:]...)
	}
	r := new(wire.Receipt)
	err := s.take(ctx, len(raw), syncWork, func(c *wire.Conn) error {
		if err := c.WriteRequest(wire.OpSync, &wire.Sync{Count: uint32(len(ids))}); err != nil {
			return err
		}
		if err := c.WritePayload(raw); err != nil {
			return err
		}
		*r = wire.Receipt{}
		return c.ReadAnswer(r)
	})
	switch {
	case err != nil:
		return nil, err
	case r.Node != s.id || r.Principal != s.host.self || !r.Covers(ids):
		return nil, fmt.Errorf("%w: a receipt for something else", swarm.ErrUnreachable)
	}
	return r, r.Verify()
}

// Usage returns what the node holds of everybody.
func (s *Store) Usage(ctx context.Context) (blockstore.Usage, error) {
	used, err := s.Used(ctx)
	if err != nil {
		return blockstore.Usage{}, err
	}
	return blockstore.Usage{Shards: int64(used.Shards), Bytes: int64(used.Bytes), Disk: int64(used.Disk)}, nil
}

// Used returns what the node says of itself.
func (s *Store) Used(ctx context.Context) (*wire.Used, error) {
	used := new(wire.Used)
	if err := s.small(ctx, wire.OpUsage, &wire.Usage{}, used); err != nil {
		return nil, fmt.Errorf("ask node %s for its usage: %w", s.id, err)
	}
	const most = 1 << 62
	if max(used.Shards, used.Bytes, used.Disk, used.Capacity, used.Free) > most {
		return nil, fmt.Errorf("ask node %s for its usage: %w", s.id, wire.ErrProtocol)
	}
	return used, nil
}

// Survey returns what the node says of the stripes that it looks after.
func (s *Store) Survey(ctx context.Context) (*wire.Surveyed, error) {
	v := new(wire.Surveyed)
	err := s.small(ctx, wire.OpSurvey, &wire.Survey{}, v)
	if err == nil {
		err = v.Check()
	}
	if err != nil {
		return nil, fmt.Errorf("ask node %s for its survey: %w", s.id, err)
	}
	return v, nil
}

// Probe reports a node that was not to be reached a moment ago. It asks nobody.
func (s *Store) Probe(context.Context) error { return s.host.Reachable(s.id) }

// Reopen tries to reach the node, however lately that failed.
func (s *Store) Reopen(ctx context.Context) error {
	l, err := s.host.link(s.id)
	if err != nil {
		return err
	}
	l.death.revived()
	_, err = s.Used(ctx)
	return err
}

// RoundTrip returns how long the node takes for a small answer, zero if that is
// not known yet.
func (s *Store) RoundTrip() time.Duration {
	l, err := s.host.link(s.id)
	if err != nil {
		return 0
	}
	return l.rtt.smoothed()
}
