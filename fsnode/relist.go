package fsnode

import (
	"context"
	"fmt"
	"slices"

	"pifs/blockstore"
)

// haveMoved reports whether a manifest lists a stripe as it is not any more, or is
// itself made of some.
func (v *Volume) haveMoved(ctx context.Context, segs []segment) (bool, error) {
	for _, s := range segs {
		now, err := v.o.Blocks.Descriptor(ctx, s.Top.Address)
		if err != nil || !sameShards(now, s.Top) {
			return err == nil, err
		}
		for _, level := range s.Levels {
			moved := false
			err := adopted{v.o.Blocks, v.sealer}.entries(ctx, level, func(addr blockstore.Address, d *blockstore.Descriptor) error {
				if d == nil {
					return nil
				}
				now, err := v.o.Blocks.Descriptor(ctx, addr)
				if err == nil && !sameShards(now, *d) {
					moved, err = true, errPageFull
				}
				return err
			})
			if moved {
				return true, nil
			}
			if err != nil {
				return false, fmt.Errorf("compare manifest with where stripes are: %w", err)
			}
		}
	}
	return false, nil
}

func sameShards(a, b blockstore.Descriptor) bool { return slices.Equal(a.Shards, b.Shards) }

// relist makes one segment of all, with stripes as they are now.
func (v *Volume) relist(ctx context.Context, segs []segment) ([]segment, error) {
	var failed error
	listed := func(func(k, d []byte) bool) {}
	for i := len(segs) - 1; i >= 0; i-- {
		older := v.pairs(ctx, segs[i].Levels[0], &failed)
		if i == len(segs)-1 {
			listed = older
			continue
		}
		listed = overlay(listed, older)
	}
	made, err := v.buildSegment(ctx, func(yield func(k, d []byte) bool) {
		for k, d := range listed {
			if len(d) == 0 {
				continue // taken back
			}
			now, err := v.owed(ctx, blockstore.Address(k))
			if err != nil {
				failed = err
				return
			}
			if !yield(k, now) {
				return
			}
		}
	}, true)
	if failed != nil {
		err = failed
	}
	if err != nil {
		return nil, fmt.Errorf("list moved stripes: %w", err)
	}
	if made.count() == 0 {
		return nil, nil
	}
	return []segment{made}, nil
}
