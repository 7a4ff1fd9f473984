package blockstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
)

// Verify reads every shard held and calls fn with nil, or with why it cannot
// be had (ErrCorrupt, or the error of the disk), until fn returns an error,
// which it returns. Shards put or deleted meanwhile may be left out. fn may
// use the store.
func (p *Pack) Verify(ctx context.Context, fn func(id ShardID, err error) error) error {
	var buf []byte
	check := func(batch []entry) error {
		// A page lies all over the packs: read it front to back.
		slices.SortFunc(batch, func(a, b entry) int {
			return cmp.Or(cmp.Compare(a.pack, b.pack), cmp.Compare(a.off, b.off))
		})
		for _, e := range batch {
			var err error
			if buf, err = p.Get(ctx, e.id, buf[:0]); errors.Is(err, ErrNotFound) {
				continue // deleted since it was listed
			}
			if ctx.Err() != nil || errors.Is(err, ErrClosed) {
				return fmt.Errorf("verify store: %w", err)
			}
			if err := fn(e.id, err); err != nil {
				return err
			}
		}
		return nil
	}
	return p.inBatches(ctx, check)
}

// verifyBatch is how many entries Verify holds, at 48 bytes each.
const verifyBatch = 16 * indexPage

// inBatches joins the pages of each into larger batches.
func (p *Pack) inBatches(ctx context.Context, fn func([]entry) error) error {
	var batch []entry
	err := p.each(ctx, func(page []entry) error {
		batch = append(batch, page...)
		if len(batch) < verifyBatch {
			return nil
		}
		err := fn(batch)
		batch = batch[:0]
		return err
	})
	if err != nil || len(batch) == 0 {
		return err
	}
	return fn(batch)
}
