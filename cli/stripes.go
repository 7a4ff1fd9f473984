package cli

import (
	"context"
	"syscall"

	"pifs/blockstore"
	"pifs/fsnode"
	"pifs/swarm"
)

// stripes shows the swarm to a volume as fsnode wants to see it.
type stripes struct{ st *stack }

var _ fsnode.Stripes = stripes{}

// Health implements fsnode.Stripes.
func (s stripes) Health(ctx context.Context, d blockstore.Descriptor, deep bool) ([]fsnode.ShardHealth, error) {
	found, err := s.st.swarm.Health(ctx, d, deep)
	if err != nil {
		return nil, err
	}
	out := make([]fsnode.ShardHealth, len(found))
	for i, h := range found {
		out[i] = fsnode.ShardHealth{Store: h.Name, OK: h.Condition == swarm.OK, State: h.Condition.String()}
	}
	return out, nil
}

// Repair implements fsnode.Stripes.
func (s stripes) Repair(ctx context.Context, d blockstore.Descriptor) (int, error) {
	return s.st.swarm.Repair(ctx, d)
}

// Room implements fsnode.Stripes. Stores on one disk share its free bytes; a
// stripe takes one shard of each store, so the fullest disk decides.
func (s stripes) Room(ctx context.Context) (uint64, error) {
	type disk struct{ free, stores uint64 }
	disks := map[uint64]*disk{}
	for _, c := range s.st.home.Config.Stores {
		var st syscall.Stat_t
		var fs syscall.Statfs_t
		if syscall.Stat(c.Path, &st) != nil || syscall.Statfs(c.Path, &fs) != nil {
			continue // a store that is away offers no room and takes no shards
		}
		d := disks[st.Dev]
		if d == nil {
			d = &disk{free: fs.Bavail * uint64(fs.Bsize)}
			disks[st.Dev] = d
		}
		d.stores++
	}
	if len(disks) == 0 {
		return 0, ctx.Err()
	}
	perStore := ^uint64(0)
	for _, d := range disks {
		perStore = min(perStore, d.free/d.stores)
	}
	return perStore * uint64(s.st.swarm.Class().K), nil
}
