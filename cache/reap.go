package cache

import (
	"context"
	"fmt"

	"pifs/blockstore"
	"pifs/blockstore/failpoint"
)

// reapBatch is how many blocks are deleted at a time: one sync of every store
// for all of them, and as long as that takes nobody can store one of them.
const reapBatch = 256

// reap deletes the shards of doomed blocks, durably, and then forgets them.
// Those of which a store still keeps something stay doomed.
func (b *Blocks) reap(ctx context.Context) (g Garbage, err error) {
	after := []byte{}
	var failed error
	for {
		batch, err := b.index.db.doomed(ctx, after)
		if err != nil || len(batch) == 0 {
			return g, joinFirst(err, failed)
		}
		last := batch[len(batch)-1].desc.Address
		after = last[:]
		freed, err := b.reapBatch(ctx, batch)
		g.Blocks += freed.Blocks
		g.Bytes += freed.Bytes
		if ctx.Err() != nil {
			return g, ctx.Err()
		}
		if failed == nil {
			failed = err
		}
	}
}

func joinFirst(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func (b *Blocks) reapBatch(ctx context.Context, batch []*entry) (g Garbage, err error) {
	var stripes []blockstore.Descriptor
	for _, e := range batch {
		unlock, err := b.locks.lock(ctx, e.desc.Address)
		if err != nil {
			return g, err
		}
		defer unlock()
		now, err := b.index.lookup(ctx, e.desc.Address)
		if err != nil {
			return g, err
		}
		if now == nil { // else it was stored again
			stripes = append(stripes, e.desc)
		}
	}
	failpoint.Hit(failpoint.CollectDoomed)
	if rec := b.moves.Load(); rec != nil {
		if err := rec.forget(ctx, stripesOf(batch)); err != nil {
			return g, fmt.Errorf("delete garbage: %w", err)
		}
	}
	if len(stripes) > 0 {
		if err := b.backend.Delete(ctx, stripes); err != nil {
			return g, fmt.Errorf("delete garbage: %w", err)
		}
	}
	for _, d := range stripes {
		g.add(d)
	}
	failpoint.Hit(failpoint.CollectDeleted)
	return g, b.index.db.forgetDoomed(ctx, batch)
}

// doomed returns the next rows of doomed blocks behind an address.
func (db *indexDB) doomed(ctx context.Context, after []byte) (batch []*entry, err error) {
	rows, err := db.reader.QueryContext(ctx, "SELECT address, row FROM doomed WHERE address > ? ORDER BY address LIMIT ?", after, reapBatch)
	if err != nil {
		return nil, sqlError(err)
	}
	defer rows.Close()
	batch, err = scanRows(rows)
	return batch, sqlError(err)
}

func (db *indexDB) forgetDoomed(ctx context.Context, batch []*entry) error {
	tx, err := db.writer.BeginTx(ctx, nil)
	if err != nil {
		return sqlError(err)
	}
	defer tx.Rollback()
	for _, e := range batch {
		if _, err := tx.Exec("DELETE FROM doomed WHERE address = ?", e.desc.Address[:]); err != nil {
			return sqlError(err)
		}
	}
	return sqlError(tx.Commit())
}
