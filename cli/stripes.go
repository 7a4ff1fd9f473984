package cli

import (
	"context"

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
