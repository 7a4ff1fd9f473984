package blockstore

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"syscall"

	"github.com/mattn/go-sqlite3"

	"pifs/blockstore/failpoint"
)

// change is what the index does not know yet about one id.
type change struct {
	location
	deleted bool
	stray   bool // found on opening; see packstray.go
}

// batch is one transaction of the index.
type batch struct {
	changes map[ShardID]change
	stats   map[uint32]packStat // of the packs that changed
}

// commit applies b, durably.
func (x *packIndex) commit(b batch) error {
	tx, err := x.db.Begin()
	if err != nil {
		return fmt.Errorf("write index: %w", indexError(err))
	}
	if err := errors.Join(applyChanges(tx, b.changes), applyStrays(tx, b.changes), applyStats(tx, b.stats)); err != nil {
		return fmt.Errorf("write index: %w", errors.Join(indexError(err), tx.Rollback()))
	}
	failpoint.Hit(failpoint.PackIndexWriting)
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("write index: %w", indexError(err))
	}
	failpoint.Hit(failpoint.PackIndexCommitted)
	return nil
}

func applyChanges(tx *sql.Tx, changes map[ShardID]change) error {
	put, err := tx.Prepare("INSERT OR REPLACE INTO shard VALUES (?, ?, ?, ?)")
	if err != nil {
		return err
	}
	defer put.Close()
	del, err := tx.Prepare("DELETE FROM shard WHERE id = ?")
	if err != nil {
		return err
	}
	defer del.Close()
	// In order, neighbouring rows share the pages that they touch.
	ids := slices.SortedFunc(maps.Keys(changes), func(a, b ShardID) int { return bytes.Compare(a[:], b[:]) })
	for _, id := range ids {
		c := changes[id]
		if c.deleted {
			_, err = del.Exec(id[:])
		} else {
			_, err = put.Exec(id[:], c.pack, c.off, c.size)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func applyStats(tx *sql.Tx, stats map[uint32]packStat) error {
	for n, s := range stats {
		_, err := tx.Exec("INSERT OR REPLACE INTO pack VALUES (?, ?, ?, ?)", n, s.size, s.shards, s.live)
		if err != nil {
			return err
		}
	}
	return nil
}

// load returns what the index knows of the packs.
func (x *packIndex) load() (map[uint32]*packStat, error) {
	rows, err := x.db.Query("SELECT n, size, shards, live FROM pack")
	if err != nil {
		return nil, fmt.Errorf("read index: %w", indexError(err))
	}
	defer rows.Close()
	stats := make(map[uint32]*packStat)
	for rows.Next() {
		var n uint32
		s := new(packStat)
		if err := rows.Scan(&n, &s.size, &s.shards, &s.live); err != nil {
			return nil, fmt.Errorf("read index: %w", indexError(err))
		}
		stats[n] = s
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read index: %w", indexError(err))
	}
	return stats, nil
}

// truncate forgets the shards of pack n that reach beyond size, and returns
// what is left of the pack and how many shards were forgotten.
func (x *packIndex) truncate(n uint32, size int64) (left packStat, lost int64, err error) {
	r, err := x.db.Exec("DELETE FROM shard WHERE pack = ? AND off + ? + size > ?", n, recordHeader, size)
	if err != nil {
		return left, 0, fmt.Errorf("write index: %w", indexError(err))
	}
	if lost, err = r.RowsAffected(); err != nil {
		return left, 0, fmt.Errorf("write index: %w", err)
	}
	left.size = size
	row := x.db.QueryRow("SELECT count(*), coalesce(sum(size), 0) FROM shard WHERE pack = ?", n)
	if err := row.Scan(&left.shards, &left.live); err != nil {
		return left, 0, fmt.Errorf("read index: %w", indexError(err))
	}
	_, err = x.db.Exec("INSERT OR REPLACE INTO pack VALUES (?, ?, ?, ?)", n, left.size, left.shards, left.live)
	if err != nil {
		return left, 0, fmt.Errorf("write index: %w", indexError(err))
	}
	return left, lost, nil
}

// forgetPack removes the record of a pack that holds nothing.
func (x *packIndex) forgetPack(n uint32) error {
	if _, err := x.db.Exec("DELETE FROM pack WHERE n = ?", n); err != nil {
		return fmt.Errorf("write index: %w", indexError(err))
	}
	return nil
}

// indexError gives SQLite's codes the kinds that callers match.
func indexError(err error) error {
	var e sqlite3.Error
	if !errors.As(err, &e) {
		return err
	}
	if e.SystemErrno == syscall.ENOSPC || e.SystemErrno == syscall.EDQUOT {
		return fmt.Errorf("%w: %w", e.SystemErrno, err)
	}
	switch e.Code {
	case sqlite3.ErrCorrupt, sqlite3.ErrNotADB:
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	case sqlite3.ErrFull:
		return fmt.Errorf("%w: %w", syscall.ENOSPC, err)
	}
	return err
}
