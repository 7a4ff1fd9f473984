package cache

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"pifs/blockstore"
	"pifs/blockstore/failpoint"
)

const (
	upsertBlock = `INSERT INTO blocks (address, state, row) VALUES (?, ?, ?)
		ON CONFLICT (address) DO UPDATE SET state = excluded.state, row = excluded.row`
	insertDoomed = "INSERT OR REPLACE INTO doomed (address, row) VALUES (?, ?)"
	deleteBlock  = "DELETE FROM blocks WHERE address = ?"
	addTotals    = "UPDATE totals SET blocks = blocks + ?, plain = plain + ?, bytes = bytes + ?"
)

// write commits the entries as one transaction, durable on return.
func (db *indexDB) write(ctx context.Context, batch map[blockstore.Address]*entry) error {
	tx, err := db.writer.BeginTx(ctx, nil)
	if err != nil {
		return sqlError(err)
	}
	defer tx.Rollback()
	delta, err := writeRows(tx, batch)
	if err != nil {
		return sqlError(err)
	}
	if _, err := tx.Exec(addTotals, delta.blocks, delta.plain, delta.bytes); err != nil {
		return sqlError(err)
	}
	failpoint.Hit(failpoint.BlockIndexWriting)
	if err := tx.Commit(); err != nil {
		return sqlError(err)
	}
	failpoint.Hit(failpoint.BlockIndexCommitted)
	return nil
}

// writeRows writes the rows in order of address, which spares the B-tree, and
// returns by how much the totals change.
func writeRows(tx *sql.Tx, batch map[blockstore.Address]*entry) (delta sums, err error) {
	upsert, err := tx.Prepare(upsertBlock)
	if err != nil {
		return delta, err
	}
	defer upsert.Close()
	var row []byte
	for _, e := range sorted(batch) {
		if e.state == gone {
			if err := dropRow(tx, e); err != nil {
				return delta, err
			}
			if e.saved {
				was := *e
				was.state = full
				delta.count(&was, -1)
			}
			continue
		}
		row = appendRow(row[:0], e)
		if _, err := upsert.Exec(e.desc.Address[:], e.state, row); err != nil {
			return delta, err
		}
		if !e.saved {
			delta.count(e, +1)
		}
	}
	return delta, nil
}

// dropRow deletes a row, or moves it to the doomed ones.
func dropRow(tx *sql.Tx, e *entry) error {
	if _, err := tx.Exec(deleteBlock, e.desc.Address[:]); err != nil || !e.doomed {
		return err
	}
	was := *e
	was.state = full
	_, err := tx.Exec(insertDoomed, e.desc.Address[:], appendRow(nil, &was))
	return err
}

func sorted(batch map[blockstore.Address]*entry) []*entry {
	rows := make([]*entry, 0, len(batch))
	for _, e := range batch {
		rows = append(rows, e)
	}
	slices.SortFunc(rows, func(a, b *entry) int {
		return slices.Compare(a.desc.Address[:], b.desc.Address[:])
	})
	return rows
}

// RemoveIndex replaces a lost or damaged index in dir by an empty one that is
// marked as incomplete until FinishRebuild: the outbox keeps its blocks, and
// Adopt puts the rows back. No Blocks may be open in dir.
func RemoveIndex(dir string) error {
	for _, suffix := range []string{"", "-wal", "-shm", ".mark"} {
		err := os.Remove(filepath.Join(dir, indexFile+suffix))
		if err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("remove block index: %w", err)
		}
	}
	db, err := openIndexDB(filepath.Join(dir, indexFile))
	if err != nil {
		return err
	}
	defer db.close()
	if err := db.setRebuilding(true); err != nil {
		return err
	}
	failpoint.Hit(failpoint.BlockIndexRemoved)
	return nil
}

func (db *indexDB) setRebuilding(on bool) error {
	if _, err := db.writer.Exec("UPDATE totals SET rebuilding = ?", on); err != nil {
		return fmt.Errorf("mark block index: %w", sqlError(err))
	}
	return nil
}

func (db *indexDB) rebuilding() (on bool, err error) {
	err = db.reader.QueryRow("SELECT rebuilding FROM totals").Scan(&on)
	if err != nil {
		return false, fmt.Errorf("read mark of block index: %w", sqlError(err))
	}
	return on, nil
}

// Rebuilding reports that the index was removed and not yet rebuilt: blocks
// that are stored may be unknown.
func (b *Blocks) Rebuilding() (bool, error) { return b.index.db.rebuilding() }

// FinishRebuild declares that every block in use has been adopted.
func (b *Blocks) FinishRebuild(ctx context.Context) error {
	if err := b.Sync(ctx); err != nil {
		return err
	}
	failpoint.Hit(failpoint.BlockIndexAdopted)
	return b.index.db.setRebuilding(false)
}
