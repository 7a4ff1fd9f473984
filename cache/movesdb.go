package cache

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"

	"pifs/blockstore"
)

const (
	movesFile    = "moves.db"
	movesID      = 0x7046636d // SQLite application id: "pFcm"
	movesVersion = 1
)

// movesSchema is described in FORMAT.md: stripes as they were, whose shards may
// still lie there, and blocks as they are.
const movesSchema = `
CREATE TABLE departed (
	address BLOB NOT NULL,
	row     BLOB NOT NULL,
	PRIMARY KEY (address, row)
) WITHOUT ROWID;
CREATE TABLE arrived (
	address BLOB PRIMARY KEY,
	row     BLOB NOT NULL
) WITHOUT ROWID;`

// moves is the record of stripes that were put again elsewhere. It stands beside
// the index and not in it: the manifests of old heads tell where such a stripe
// was, so who has lost the index needs to be told where it is.
type moves struct {
	path         string
	db           *sql.DB
	transactions atomic.Uint64
	fresh        bool // it has not been told of all blocks yet: see movesOf
}

// openMoves opens the record in dir, nil if there is none and create is not set.
// One that is damaged begins anew: the index, which is not, has all that matters.
func openMoves(dir string, create bool) (*moves, error) {
	path := filepath.Join(dir, movesFile)
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) && !create {
		return nil, nil
	}
	m, err := openMovesDB(path)
	if errors.Is(err, blockstore.ErrCorrupt) {
		for _, suffix := range []string{"", "-wal", "-shm", ".mark"} {
			if err := os.Remove(path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
				return nil, fmt.Errorf("remove record of moves: %w", err)
			}
		}
		m, err = openMovesDB(path)
	}
	if err != nil {
		return nil, fmt.Errorf("open record of moves %s: %w", path, err)
	}
	return m, nil
}

func openMovesDB(path string) (*moves, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	f.Close()
	mark, err := blockstore.TakeMark(path)
	if err == nil && mark == blockstore.Altered {
		err = fmt.Errorf("%w: it is not as it was closed", blockstore.ErrCorrupt)
	}
	if err != nil {
		return nil, err
	}
	m := &moves{path: path}
	m.db = blockstore.OpenDB(indexDSN(path, "_journal_mode=WAL&_synchronous=FULL&_txlock=immediate"), &m.transactions)
	m.db.SetMaxOpenConns(1)
	if err := m.prepare(mark == blockstore.Sound); err != nil {
		return nil, errors.Join(sqlError(err), m.db.Close())
	}
	return m, nil
}

func (m *moves) prepare(sound bool) error {
	var id, version int
	if err := m.db.QueryRow("PRAGMA application_id").Scan(&id); err != nil {
		return err
	}
	if err := m.db.QueryRow("PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	m.fresh = version == 0
	if id == 0 && version == 0 {
		_, err := m.db.Exec("BEGIN;" + movesSchema + fmt.Sprintf("PRAGMA application_id=%d; COMMIT;", movesID))
		return err
	}
	if id != movesID || version > movesVersion {
		return fmt.Errorf("%w: not a record of moves of version %d", blockstore.ErrCorrupt, movesVersion)
	}
	if sound {
		return nil
	}
	var verdict string
	err := m.db.QueryRow("PRAGMA quick_check(1)").Scan(&verdict)
	if err == nil && verdict != "ok" {
		err = fmt.Errorf("%w: %s", blockstore.ErrCorrupt, verdict)
	}
	return err
}

// told marks the record as one that has been told of all blocks.
func (m *moves) told() error {
	_, err := m.db.Exec(fmt.Sprintf("PRAGMA user_version=%d", movesVersion))
	m.fresh = err != nil
	return sqlError(err)
}

// depart records, durably, where stripes are that are about to be put elsewhere.
func (m *moves) depart(ctx context.Context, rows []*entry) error {
	return m.change(ctx, "INSERT OR IGNORE INTO departed (address, row) VALUES (?, ?)", rows)
}

// arrive records, durably, where they are now.
func (m *moves) arrive(ctx context.Context, rows []*entry) error {
	return m.change(ctx, "INSERT OR REPLACE INTO arrived (address, row) VALUES (?, ?)", rows)
}

// clear forgets stripes as they were: their shards are gone from there, or they
// never left.
func (m *moves) clear(ctx context.Context, rows []*entry) error {
	return m.change(ctx, "DELETE FROM departed WHERE address = ? AND row = ?", rows)
}

// change runs a statement for each of rows, in one transaction.
func (m *moves) change(ctx context.Context, statement string, rows []*entry) error {
	if len(rows) == 0 {
		return nil
	}
	tx, err := m.db.BeginTx(ctx, nil)
	if err != nil {
		return sqlError(err)
	}
	defer tx.Rollback()
	s, err := tx.Prepare(statement)
	if err != nil {
		return sqlError(err)
	}
	defer s.Close()
	for _, e := range rows {
		if _, err := s.Exec(e.desc.Address[:], moveRow(e)); err != nil {
			return sqlError(err)
		}
	}
	return sqlError(tx.Commit())
}

// moveRow is a row that says where a block is, whatever else is known of it.
func moveRow(e *entry) []byte {
	return appendRow(nil, &entry{desc: e.desc, plain: e.plain, state: full})
}

// forget drops what is recorded of blocks that are collected.
func (m *moves) forget(ctx context.Context, stripes []blockstore.Descriptor) error {
	if len(stripes) == 0 {
		return nil
	}
	tx, err := m.db.BeginTx(ctx, nil)
	if err != nil {
		return sqlError(err)
	}
	defer tx.Rollback()
	for _, d := range stripes {
		if _, err := tx.Exec("DELETE FROM arrived WHERE address = ?", d.Address[:]); err != nil {
			return sqlError(err)
		}
	}
	return sqlError(tx.Commit())
}

// departed returns the next stripes that departed, behind one.
func (m *moves) departed(ctx context.Context, after *entry) ([]*entry, error) {
	addr, row := []byte{}, []byte{}
	if after != nil {
		addr, row = after.desc.Address[:], moveRow(after)
	}
	rows, err := m.db.QueryContext(ctx, "SELECT address, row FROM departed WHERE (address, row) > (?, ?) ORDER BY address, row LIMIT 256", addr, row)
	if err != nil {
		return nil, sqlError(err)
	}
	defer rows.Close()
	page, err := scanRows(rows)
	return page, sqlError(err)
}

// now returns where a block is that moved, or nil.
func (m *moves) now(ctx context.Context, addr blockstore.Address) (*entry, error) {
	var row []byte
	err := m.db.QueryRowContext(ctx, "SELECT row FROM arrived WHERE address = ?", addr[:]).Scan(&row)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, sqlError(err)
	}
	e, err := parseRow(addr, row)
	if errors.Is(err, blockstore.ErrCorrupt) {
		return nil, nil // it says nothing, and the manifests say the best that is known
	}
	return e, err
}

func (m *moves) close() error {
	if err := m.db.Close(); err != nil {
		return err
	}
	return blockstore.WriteMark(m.path)
}
