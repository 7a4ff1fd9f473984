package node

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"pifs/blockstore"
)

const inventoryPage = 4096

// Inventory calls fn for every shard that the node owes a proof of, in the order
// of their ids, until fn returns an error, which it returns: what is bad is left
// out, and what is in the trash. Memory does not grow with the number of shards,
// and no read is open while fn runs.
func (n *Node) Inventory(ctx context.Context, fn func(id blockstore.ShardID, size int) error) error {
	if err := n.save(ctx); err != nil {
		return err
	}
	for after := (blockstore.ShardID{}); ; {
		page, err := n.db.sizes(ctx, after, inventoryPage)
		if err != nil {
			return fmt.Errorf("list inventory: %w", err)
		}
		if len(page) == 0 {
			return nil
		}
		for _, r := range page {
			after = r.id
			if r.out {
				continue
			}
			if err := fn(r.id, int(r.size)); err != nil {
				return err
			}
		}
	}
}

// sized is a shard in a listing.
type sized struct {
	id   blockstore.ShardID
	size int64
	out  bool // in the trash, or bad
}

// sizes returns a page of shards behind after, in the order of their ids.
func (d *database) sizes(ctx context.Context, after blockstore.ShardID, limit int) ([]sized, error) {
	return collectRows(ctx, d.r, func(r *sql.Rows) (s sized, err error) {
		var id sql.RawBytes
		err = r.Scan(&id, &s.size, &s.out)
		if err == nil && len(id) != len(s.id) {
			err = blockstore.ErrCorrupt
		}
		copy(s.id[:], id)
		return s, err
	}, `SELECT id, size, id IN (SELECT shard FROM trash) OR id IN (SELECT shard FROM bad)
		FROM shard INDEXED BY inventory WHERE id>? ORDER BY id LIMIT ?`, after[:], limit)
}

// bad reports whether a shard is known to be missing or damaged.
func (d *database) bad(ctx context.Context, id blockstore.ShardID) (bool, error) {
	var n int
	if err := d.r.QueryRowContext(ctx, "SELECT count(*) FROM bad WHERE shard=?", id[:]).Scan(&n); err != nil {
		return false, fmt.Errorf("look up bad shard: %w", err)
	}
	return n > 0, nil
}

// anyBad reports whether any shard is known to be missing or damaged. Mostly none
// is, and nobody has to look each up.
func (d *database) anyBad(ctx context.Context) (some bool, err error) {
	if err := d.r.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM bad)").Scan(&some); err != nil {
		return false, fmt.Errorf("look up bad shards: %w", err)
	}
	return some, nil
}

// cursor returns how far something got that goes through all shards.
func (d *database) cursor(ctx context.Context, name string) (id blockstore.ShardID, err error) {
	var raw []byte
	err = d.r.QueryRowContext(ctx, "SELECT v FROM kv WHERE k=?", name).Scan(&raw)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return id, fmt.Errorf("read cursor: %w", err)
	}
	copy(id[:], raw)
	return id, nil
}

func (d *database) setCursor(name string, id blockstore.ShardID) error {
	if _, err := d.w.Exec("INSERT OR REPLACE INTO kv VALUES(?,?)", name, id[:]); err != nil {
		return fmt.Errorf("keep cursor: %w", err)
	}
	return nil
}
