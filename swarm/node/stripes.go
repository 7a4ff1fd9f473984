package node

import (
	"context"
	"fmt"

	"pifs/blockstore"
	"pifs/swarm"
	"pifs/swarm/wire"
)

var (
	_ wire.WhichServer = (*Node)(nil)
	_ wire.MendServer  = (*Node)(nil)
)

// nobody is the principal of shards that repair put here, or that were here before
// the database. Nobody's keep-sets ever leave them out, since whoever repairs does
// not know whose they are.
const nobody swarm.MemberID = ""

// Which reports which of ids the node holds, without reading them; see
// wire.WhichServer.
func (n *Node) Which(ctx context.Context, _ swarm.MemberID, ids []blockstore.ShardID) ([]bool, error) {
	held := make([]bool, len(ids))
	some, err := n.db.anyBad(ctx)
	if err != nil {
		return nil, err
	}
	for i, id := range ids {
		if held[i], err = n.pack(id).Has(ctx, id); err != nil {
			return nil, err
		}
		if !some || !held[i] {
			continue
		}
		bad, err := n.db.bad(ctx, id)
		if err != nil {
			return nil, err
		}
		held[i] = !bad
	}
	return held, nil
}

// Mend takes a shard that somebody rebuilt; see wire.MendServer. One that is
// held with wrong bytes is replaced.
func (n *Node) Mend(ctx context.Context, _ swarm.MemberID, p *wire.Put, shard []byte) error {
	if blockstore.ShardIDOf(shard) != p.ID() {
		return fmt.Errorf("mend shard %v: %w", p.ID(), blockstore.ErrCorrupt)
	}
	pack := n.pack(p.ID())
	held, err := pack.Has(ctx, p.ID())
	if err == nil && held {
		if _, damaged := pack.Get(ctx, p.ID(), nil); damaged != nil {
			err = pack.Delete(ctx, p.ID())
		}
	}
	if err == nil {
		err = n.Put(ctx, nobody, p, shard)
	}
	if err == nil {
		err = n.save(ctx)
	}
	if err != nil {
		return fmt.Errorf("mend shard %v: %w", p.ID(), err)
	}
	return nil
}

// Stripes returns the descriptors that came with shards after an id, in order of
// the shards' ids, at most limit of them, and the last id that was looked at,
// or false at the end: what this node can look after. Shards in the trash,
// which nobody wants, are left out, and so is what the disk altered.
func (n *Node) Stripes(ctx context.Context, after blockstore.ShardID, limit int) ([]blockstore.Descriptor, blockstore.ShardID, bool, error) {
	rows, err := n.db.stripes(ctx, after, limit)
	if err != nil {
		return nil, after, false, fmt.Errorf("list stripes: %w", err)
	}
	out := make([]blockstore.Descriptor, 0, len(rows))
	for _, r := range rows {
		after = r.shard
		if d, err := blockstore.UnmarshalDescriptor(r.stripe); err == nil {
			out = append(out, d)
		}
	}
	return out, after, len(rows) > 0, nil
}
