package node

import (
	"context"
	"database/sql"
	"fmt"

	"pifs/blockstore"
)

// collectRows returns what scan makes of each row of a query.
func collectRows[T any](ctx context.Context, db *sql.DB, scan func(*sql.Rows) (T, error), q string, args ...any) (out []T, err error) {
	rows, err := db.QueryContext(ctx, q, args...)
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("read row: %w", err)
		}
		out = append(out, v)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	return out, nil
}

func (d *database) principals(ctx context.Context) ([]int64, error) {
	return collectRows(ctx, d.r, func(r *sql.Rows) (n int64, err error) { return n, r.Scan(&n) }, "SELECT n FROM principal ORDER BY n")
}

// keepSets returns the latest sets of a principal, two at most.
func (d *database) keepSets(ctx context.Context, principal int64) ([]keepSet, error) {
	return collectRows(ctx, d.r, func(r *sql.Rows) (s keepSet, err error) {
		var head []byte
		if err := r.Scan(&head, &s.came, &s.filter); err != nil {
			return s, err
		}
		if err := blockstore.Unmarshal(head, &s.KeepSet); err != nil {
			return s, err
		}
		if err := s.Verify(s.filter); err != nil {
			return s, err // the disk altered it: nothing expires by it
		}
		return s, nil
	}, "SELECT head, came, filter FROM keepset WHERE principal=? ORDER BY seq DESC LIMIT 2", principal)
}

// oldClaim is a claim that was made, or renewed, some time ago.
type oldClaim struct {
	shard blockstore.ShardID
	at    int64
}

// oldClaims returns a page of the claims of a principal from before a time.
func (d *database) oldClaims(ctx context.Context, principal int64, after blockstore.ShardID, before int64) ([]oldClaim, error) {
	return collectRows(ctx, d.r, func(r *sql.Rows) (c oldClaim, err error) {
		var id []byte
		err = r.Scan(&id, &c.at)
		copy(c.shard[:], id)
		return c, err
	}, "SELECT shard, at FROM claim WHERE shard>? AND principal=? AND at<=? ORDER BY shard LIMIT ?", after[:], principal, before, sweepPage)
}

// oldTrash returns a page of what may be deleted.
func (d *database) oldTrash(ctx context.Context, now int64) ([]blockstore.ShardID, error) {
	return collectRows(ctx, d.r, func(r *sql.Rows) (id blockstore.ShardID, err error) {
		var raw []byte
		err = r.Scan(&raw)
		copy(id[:], raw)
		return id, err
	}, "SELECT shard FROM trash WHERE until<=? LIMIT ?", now, sweepPage)
}

// knows reports whether a shard is in the table of shards.
func (d *database) knows(ctx context.Context, id blockstore.ShardID) (bool, error) {
	var n int
	if err := d.r.QueryRowContext(ctx, "SELECT count(*) FROM shard WHERE id=?", id[:]).Scan(&n); err != nil {
		return false, fmt.Errorf("look up shard: %w", err)
	}
	return n > 0, nil
}

// stripeRow is a shard and the stripe it came with, encoded.
type stripeRow struct {
	shard  blockstore.ShardID
	stripe []byte
}

// stripes returns a page of the shards that are not in the trash.
func (d *database) stripes(ctx context.Context, after blockstore.ShardID, limit int) ([]stripeRow, error) {
	return collectRows(ctx, d.r, func(r *sql.Rows) (s stripeRow, err error) {
		var id []byte
		err = r.Scan(&id, &s.stripe)
		copy(s.shard[:], id)
		return s, err
	}, "SELECT id, stripe FROM shard WHERE id>? AND stripe IS NOT NULL AND id NOT IN (SELECT shard FROM trash) ORDER BY id LIMIT ?", after[:], limit)
}

// storeKey names, in the table of single values, a store whose shards all have
// rows.
func storeKey(dir string) string { return "store " + dir }

// knowsStore reports whether all shards of a store have rows, but for those that
// a crash left.
func (d *database) knowsStore(ctx context.Context, dir string) (bool, error) {
	var n int
	if err := d.r.QueryRowContext(ctx, "SELECT count(*) FROM kv WHERE k=?", storeKey(dir)).Scan(&n); err != nil {
		return false, fmt.Errorf("look up store: %w", err)
	}
	return n > 0, nil
}
