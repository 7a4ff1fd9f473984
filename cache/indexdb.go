package cache

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"

	"github.com/mattn/go-sqlite3"

	"pifs/blockstore"
)

const (
	indexFile     = "blocks.db"
	outboxDir     = "outbox"
	indexID       = 0x70466362 // SQLite application id: "pFcb"
	indexVersion  = 2          // 1 is read as well: it has no outlines
	indexReaders  = 2
	addressesPage = 4096
)

// indexSchema is described in FORMAT.md.
const indexSchema = `
CREATE TABLE blocks (
	address BLOB PRIMARY KEY,
	state   INTEGER NOT NULL,
	row     BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX waiting ON blocks (state, address) WHERE state > 0;
CREATE TABLE totals (
	one        INTEGER PRIMARY KEY CHECK (one = 1),
	blocks     INTEGER NOT NULL,
	plain      INTEGER NOT NULL,
	bytes      INTEGER NOT NULL,
	rebuilding INTEGER NOT NULL
);
INSERT INTO totals VALUES (1, 0, 0, 0, 0);
`

// doomedSchema is the table of blocks that are collected and whose shards may
// not all be deleted yet.
const doomedSchema = `CREATE TABLE IF NOT EXISTS doomed (
	address BLOB PRIMARY KEY,
	row     BLOB NOT NULL
) WITHOUT ROWID;`

// indexDB is the index on disk: one connection that writes and some that read,
// so that lookups do not wait for a commit.
type indexDB struct {
	path    string
	writer  *sql.DB
	reader  *sql.DB
	find    *sql.Stmt
	commits atomic.Uint64 // transactions of writer
}

func openIndexDB(path string) (*indexDB, error) {
	// SQLite gives its side files the mode of the database.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open block index: %w", err)
	}
	f.Close()
	mark, err := blockstore.TakeMark(path)
	if err == nil && mark == blockstore.Altered {
		err = fmt.Errorf("%w: it is not as it was closed", blockstore.ErrCorrupt)
	}
	if err != nil {
		return nil, fmt.Errorf("open block index %s: %w", path, err)
	}
	db := &indexDB{path: path}
	if err := db.open(path, mark == blockstore.Sound); err != nil {
		return nil, fmt.Errorf("open block index %s: %w", path, errors.Join(sqlError(err), db.close()))
	}
	return db, nil
}

func (db *indexDB) open(path string, sound bool) (err error) {
	db.writer = blockstore.OpenDB(indexDSN(path, "_journal_mode=WAL&_synchronous=FULL&_txlock=immediate"), &db.commits)
	db.writer.SetMaxOpenConns(1)
	if err := db.prepare(); err != nil {
		return err
	}
	if !sound {
		if err := db.check(); err != nil {
			return err
		}
	}
	if db.reader, err = sql.Open("sqlite3", indexDSN(path, "_query_only=true")); err != nil {
		return err
	}
	if err := blockstore.OpenConns(db.reader, indexReaders); err != nil {
		return err
	}
	db.find, err = db.reader.Prepare("SELECT row FROM blocks WHERE address = ?")
	return err
}

func indexDSN(path, options string) string {
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?_busy_timeout=10000&_cache_size=-4096&" + options
}

// prepare creates the tables of a new file and checks those of an old one.
func (db *indexDB) prepare() error {
	var id, version int
	if err := db.writer.QueryRow("PRAGMA application_id").Scan(&id); err != nil {
		return err
	}
	if err := db.writer.QueryRow("PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if id == 0 && version == 0 {
		return db.create()
	}
	if id != indexID || version < 1 || version > indexVersion {
		return fmt.Errorf("%w: not a block index of version %d", blockstore.ErrCorrupt, indexVersion)
	}
	// Indexes made before there was collection lack the table.
	_, err := db.writer.Exec(doomedSchema + fmt.Sprintf("PRAGMA user_version=%d;", indexVersion))
	return err
}

// check reads the file through once, after it was not closed in good order.
func (db *indexDB) check() error {
	var verdict string
	if err := db.writer.QueryRow("PRAGMA quick_check(1)").Scan(&verdict); err != nil {
		return err
	}
	if verdict != "ok" {
		return fmt.Errorf("%w: %s", blockstore.ErrCorrupt, verdict)
	}
	return nil
}

func (db *indexDB) create() error {
	tx, err := db.writer.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	marks := fmt.Sprintf("PRAGMA application_id=%d; PRAGMA user_version=%d;", indexID, indexVersion)
	if _, err := tx.Exec(indexSchema + doomedSchema + marks); err != nil {
		return err
	}
	return tx.Commit()
}

// lookup reads one row; nil if there is none.
func (db *indexDB) lookup(ctx context.Context, addr blockstore.Address) (*entry, error) {
	var row []byte
	err := db.find.QueryRowContext(ctx, addr[:]).Scan(&row)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, sqlError(err)
	}
	e, err := parseRow(addr, row)
	if errors.Is(err, blockstore.ErrCorrupt) {
		return nil, nil // it says nothing: the block is stored, or adopted, anew
	}
	return e, err
}

// sums reads the figures of all rows.
func (db *indexDB) sums() (t sums, err error) {
	err = db.writer.QueryRow("SELECT blocks, plain, bytes FROM totals").Scan(&t.blocks, &t.plain, &t.bytes)
	if err != nil {
		return t, sqlError(err)
	}
	count := "SELECT count(*) FROM blocks WHERE state > 0 AND state = ?"
	if err := db.writer.QueryRow(count, owed).Scan(&t.owed); err != nil {
		return t, sqlError(err)
	}
	return t, sqlError(db.writer.QueryRow(count, pinned).Scan(&t.pinned))
}

// addresses calls fn for all rows, some at a time; fn may change rows.
func (db *indexDB) addresses(ctx context.Context, fn func([]blockstore.Address) error) error {
	query := fmt.Sprintf("SELECT address FROM blocks WHERE address > ? ORDER BY address LIMIT %d", addressesPage)
	return db.pages(ctx, query, fn)
}

// inState calls fn for the addresses of all rows in a state other than full,
// some at a time; fn may change rows.
func (db *indexDB) inState(ctx context.Context, s state, fn func([]blockstore.Address) error) error {
	query := fmt.Sprintf("SELECT address FROM blocks WHERE state > 0 AND state = %d AND address > ? ORDER BY address LIMIT 256", s)
	return db.pages(ctx, query, fn)
}

// pages runs query with the last address of a page until a page is empty.
func (db *indexDB) pages(ctx context.Context, query string, fn func([]blockstore.Address) error) error {
	var page []blockstore.Address
	after := []byte{}
	for {
		var err error
		if page, err = db.page(ctx, page[:0], query, after); err != nil {
			return sqlError(err)
		}
		if len(page) == 0 {
			return nil
		}
		if err := fn(page); err != nil {
			return err
		}
		after = append(after[:0], page[len(page)-1][:]...)
	}
}

func (db *indexDB) page(ctx context.Context, page []blockstore.Address, query string, after []byte) ([]blockstore.Address, error) {
	rows, err := db.reader.QueryContext(ctx, query, after)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var raw sql.RawBytes
		if err := rows.Scan(&raw); err != nil {
			return nil, err
		}
		var addr blockstore.Address
		if copy(addr[:], raw) != len(addr) || len(raw) != len(addr) {
			return nil, fmt.Errorf("%w: address of %d bytes", blockstore.ErrCorrupt, len(raw))
		}
		page = append(page, addr)
	}
	return page, rows.Err()
}

func (db *indexDB) close() error {
	var errs []error
	if db.find != nil {
		errs = append(errs, db.find.Close())
	}
	for _, c := range []*sql.DB{db.reader, db.writer} {
		if c != nil {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}

// sqlError gives damage to the file, and a full disk, the kinds that callers
// look for.
func sqlError(err error) error {
	var e sqlite3.Error
	if !errors.As(err, &e) {
		return err
	}
	if e.SystemErrno == syscall.ENOSPC || e.SystemErrno == syscall.EDQUOT {
		return fmt.Errorf("%w: %w", e.SystemErrno, err)
	}
	if e.Code == sqlite3.ErrFull {
		return fmt.Errorf("%w: %w", syscall.ENOSPC, err)
	}
	if e.Code == sqlite3.ErrCorrupt || e.Code == sqlite3.ErrNotADB || e.Code == sqlite3.ErrFormat {
		return fmt.Errorf("%w: %w", blockstore.ErrCorrupt, err)
	}
	return err
}

// indexMissing reports, as ErrCorrupt, a folder that was in use and has no
// index any more.
func indexMissing(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, outboxDir)); err != nil {
		return nil
	}
	if fi, err := os.Stat(filepath.Join(dir, indexFile)); errors.Is(err, os.ErrNotExist) || err == nil && fi.Size() == 0 {
		return fmt.Errorf("%w: block index %s is missing", blockstore.ErrCorrupt, indexFile)
	}
	return nil
}
