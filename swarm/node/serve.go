package node

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"syscall"

	"pifs/blockstore"
	"pifs/swarm"
	"pifs/swarm/wire"
)

// Put implements wire.ShardServer.
func (n *Node) Put(ctx context.Context, from swarm.MemberID, p *wire.Put, shard []byte) error {
	stripe, err := blockstore.MarshalDescriptor(p.Stripe)
	if err != nil {
		return err
	}
	if err := n.room(ctx, len(shard)); err != nil {
		return err
	}
	if err := n.put(ctx, claimKey{p.ID(), from}, shard, claim{size: len(shard), stripe: stripe, index: int(p.Index)}); err != nil {
		return err
	}
	return n.relieve(ctx)
}

func (n *Node) put(ctx context.Context, k claimKey, shard []byte, c claim) error {
	n.putting.RLock()
	defer n.putting.RUnlock()
	if err := n.makeWay(ctx, k.shard); err != nil {
		return err
	}
	if err := n.pack(k.shard).Put(ctx, k.shard, shard); err != nil {
		return err
	}
	n.note(k, c)
	return nil
}

// room refuses what is beyond the capacity, or what the disk needs for itself.
func (n *Node) room(ctx context.Context, size int) error {
	used, err := n.usage(ctx)
	if err != nil {
		return err
	}
	if used.Bytes+int64(size) > n.o.Capacity {
		return fmt.Errorf("%d of %d bytes are taken: %w", used.Bytes, n.o.Capacity, syscall.ENOSPC)
	}
	for _, dir := range n.o.Stores {
		r, err := blockstore.RoomOf(dir)
		if err != nil {
			return err
		}
		if r.Free < r.Floor()+uint64(size) {
			return fmt.Errorf("the disk is full: %w", syscall.ENOSPC)
		}
	}
	return nil
}

// note notes a claim that begins now. It is durable with the next receipt.
func (n *Node) note(k claimKey, c claim) {
	c.at = n.time.now()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.pending[k] = &c
}

// relieve saves if much is pending.
func (n *Node) relieve(ctx context.Context) error {
	n.mu.Lock()
	full := len(n.pending) >= maxPending
	n.mu.Unlock()
	if full {
		return n.save(ctx)
	}
	return nil
}

// Get implements wire.ShardServer.
func (n *Node) Get(ctx context.Context, _ swarm.MemberID, id blockstore.ShardID, dst []byte) ([]byte, error) {
	return n.read(ctx, id, dst)
}

// Has implements wire.ShardServer. Who asks without a claim is told only what
// whoever has the bytes can check.
func (n *Node) Has(ctx context.Context, from swarm.MemberID, h *wire.Has) (*wire.Held, error) {
	out := &wire.Held{Tokens: make([][32]byte, len(h.IDs))}
	_, _ = rand.Read(out.Nonce[:])
	var buf []byte
	for i, id := range h.IDs {
		shard, err := n.show(ctx, from, id, h.Claim, buf[:0])
		switch {
		case errors.Is(err, blockstore.ErrNotFound), errors.Is(err, blockstore.ErrCorrupt):
			continue
		case err != nil:
			return nil, err
		}
		buf = shard
		out.Tokens[i] = wire.Token(from, n.o.Identity.ID, h.Nonce, out.Nonce, id, shard)
	}
	return out, n.relieve(ctx)
}

// show reads a shard and notes the claim to it, if that is meant, in one step as
// far as a sweep is concerned.
func (n *Node) show(ctx context.Context, from swarm.MemberID, id blockstore.ShardID, claims bool, dst []byte) ([]byte, error) {
	n.putting.RLock()
	defer n.putting.RUnlock()
	shard, err := n.read(ctx, id, dst)
	if err == nil && claims {
		n.note(claimKey{id, from}, claim{size: len(shard)})
	}
	return shard, err
}

// Sync implements wire.ShardServer.
func (n *Node) Sync(ctx context.Context, from swarm.MemberID, ids []blockstore.ShardID) (*wire.Receipt, error) {
	if err := n.save(ctx); err != nil {
		return nil, err
	}
	for _, id := range ids {
		held, err := n.pack(id).Has(ctx, id)
		if err != nil {
			return nil, err
		}
		claimed, err := n.db.claimed(ctx, claimKey{id, from})
		if err != nil {
			return nil, err
		}
		if !held || !claimed {
			return nil, fmt.Errorf("shard %v: %w", id, blockstore.ErrNotFound)
		}
	}
	r := &wire.Receipt{Swarm: n.o.Swarm, Node: n.o.Identity.ID, Principal: from, Time: n.o.Now()}
	r.Root, r.Count = wire.ReceiptRoot(ids)
	return r, r.Sign(n.o.Identity.Key)
}

// save makes durable what was put, and then the claims to it.
func (n *Node) save(ctx context.Context) error {
	n.saving.Lock()
	defer n.saving.Unlock()
	n.putting.Lock() // a shard without its claim would be nobody's
	n.mu.Lock()
	claims := n.pending
	n.pending = map[claimKey]*claim{}
	n.mu.Unlock()
	n.putting.Unlock()
	var err error
	for _, p := range n.packs {
		err = errors.Join(err, p.Sync(ctx))
	}
	if err == nil && len(claims) > 0 {
		err = n.db.claim(ctx, claims)
	}
	if err == nil {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for k, c := range claims {
		if n.pending[k] == nil {
			n.pending[k] = c
		}
	}
	return fmt.Errorf("save claims: %w", err)
}

// Usage implements wire.ShardServer.
func (n *Node) Usage(ctx context.Context, _ swarm.MemberID) (*wire.Used, error) {
	u, err := n.usage(ctx)
	if err != nil {
		return nil, err
	}
	out := &wire.Used{Shards: uint64(u.Shards), Bytes: uint64(u.Bytes), Disk: uint64(u.Disk), Capacity: uint64(n.o.Capacity)}
	out.Free = uint64(max(0, n.o.Capacity-u.Bytes))
	for _, dir := range n.o.Stores {
		r, err := blockstore.RoomOf(dir)
		if err != nil {
			return nil, err
		}
		out.Free = min(out.Free, r.Usable())
	}
	return out, nil
}
