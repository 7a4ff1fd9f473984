package blockstore

import (
	"context"
	"database/sql"
	"fmt"
)

// A stray is a shard that was found in a pack when the store was opened and
// that the index had not known: the machine stopped before whoever put it
// could name it, or after it was deleted and before that was durable. Whether
// somebody needs it the store cannot tell, so it only keeps note.
const straySchema = `CREATE TABLE IF NOT EXISTS stray (id BLOB PRIMARY KEY) WITHOUT ROWID;`

// Strays returns up to limit strays that are held, in the order of their ids,
// from behind after on. PackOptions.NoteStrays must be set.
func (p *Pack) Strays(ctx context.Context, after ShardID, limit int) ([]ShardID, error) {
	if err := p.usable(ctx); err != nil {
		return nil, fmt.Errorf("list strays: %w", err)
	}
	if after == (ShardID{}) { // what was found is in memory until the first commit
		if err := p.flush(ctx); err != nil {
			return nil, fmt.Errorf("list strays: %w", err)
		}
	}
	ids, err := p.index.strays(ctx, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list strays: %w", indexError(err))
	}
	return ids, nil
}

// Settle says that ids are needed: they are strays no longer, durably. Those
// that are deleted need no Settle.
func (p *Pack) Settle(ctx context.Context, ids []ShardID) error {
	if err := p.usable(ctx); err != nil {
		return fmt.Errorf("settle strays: %w", err)
	}
	if err := p.index.settle(ctx, ids); err != nil {
		return fmt.Errorf("settle strays: %w", indexError(err))
	}
	return nil
}

// applyStrays notes the strays among changes, and forgets those that go.
func applyStrays(tx *sql.Tx, changes map[ShardID]change) error {
	for id, c := range changes {
		var err error
		switch {
		case c.deleted:
			_, err = tx.Exec("DELETE FROM stray WHERE id = ?", id[:])
		case c.stray:
			_, err = tx.Exec("INSERT OR IGNORE INTO stray VALUES (?)", id[:])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (x *packIndex) strays(ctx context.Context, after ShardID, limit int) (ids []ShardID, err error) {
	rows, err := x.db.QueryContext(ctx, "SELECT id FROM stray WHERE id > ? ORDER BY id LIMIT ?", after[:], limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var raw sql.RawBytes
		if err := rows.Scan(&raw); err != nil {
			return nil, err
		}
		var id ShardID
		if len(raw) != len(id) {
			return nil, fmt.Errorf("%w: id of %d bytes", ErrCorrupt, len(raw))
		}
		copy(id[:], raw)
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

func (x *packIndex) settle(ctx context.Context, ids []ShardID) error {
	tx, err := x.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for _, id := range ids {
		if _, err := tx.Exec("DELETE FROM stray WHERE id = ?", id[:]); err != nil {
			return err
		}
	}
	return tx.Commit()
}
