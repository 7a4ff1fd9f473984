package blockstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
)

const (
	indexName    = "index.db"
	indexVersion = 1
	indexPage    = 4096 // rows read at a time when all are listed
)

const indexSchema = `
CREATE TABLE shard (
	id   BLOB PRIMARY KEY,
	pack INTEGER NOT NULL,
	off  INTEGER NOT NULL, -- of the record
	size INTEGER NOT NULL  -- of the shard
) WITHOUT ROWID;
CREATE TABLE pack (
	n      INTEGER PRIMARY KEY,
	size   INTEGER NOT NULL, -- of the file, as far as it has been indexed
	shards INTEGER NOT NULL, -- that the index places in it
	live   INTEGER NOT NULL  -- their bytes
);
CREATE TABLE state (
	one   INTEGER PRIMARY KEY CHECK (one = 1),
	clean INTEGER NOT NULL -- closed in good order
);
INSERT INTO state VALUES (1, 1);
PRAGMA user_version = 1;`

// packStat is what a pack holds. The difference between its size and what is
// live is garbage, which compaction frees.
type packStat struct {
	size   int64 // of the file, as far as its records are known
	shards int64 // live
	live   int64 // bytes of the live shards
}

// packIndex maps ids to locations in a SQLite database. It is derived: the
// packs hold all that it takes to build it again, except which shards were
// deleted.
type packIndex struct {
	path   string
	mark   Mark // found when it was opened
	made   bool // there was none
	db     *sql.DB
	get    *sql.Stmt
	listed *sql.Stmt
}

// openIndex opens or creates the index of the store in dir. It fails with
// ErrCorrupt when the database is damaged, and with ErrFormat when a newer
// program made it.
func openIndex(dir string, o PackOptions) (*packIndex, error) {
	mark, err := TakeMark(filepath.Join(dir, indexName))
	if err != nil {
		return nil, fmt.Errorf("open index: %w", err)
	}
	if mark == Altered {
		return nil, fmt.Errorf("open index: %w: it is not as it was closed", ErrCorrupt)
	}
	synchronous := "FULL"
	if o.NoSync {
		synchronous = "OFF"
	}
	uri := url.URL{Scheme: "file", Opaque: (&url.URL{Path: filepath.Join(dir, indexName)}).EscapedPath(),
		RawQuery: "_journal_mode=WAL&_busy_timeout=10000&_txlock=immediate&_cache_size=-4096&_synchronous=" + synchronous}
	commits := o.Commits
	if commits == nil {
		commits = new(atomic.Uint64)
	}
	db := OpenDB(uri.String(), commits)
	x := &packIndex{path: filepath.Join(dir, indexName), mark: mark, db: db}
	err = indexError(OpenConns(db, 2)) // one reads while the other commits
	if err == nil {
		err = x.prepare()
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return x, nil
}

func (x *packIndex) prepare() error {
	var version int
	if err := x.db.QueryRow("PRAGMA user_version").Scan(&version); err != nil {
		return fmt.Errorf("open index: %w", indexError(err))
	}
	if version > indexVersion {
		return fmt.Errorf("open index: %w: version %d, this program knows %d", ErrFormat, version, indexVersion)
	}
	if version == 0 {
		if _, err := x.db.Exec("BEGIN;" + indexSchema + "COMMIT;"); err != nil {
			return fmt.Errorf("create index: %w", indexError(err))
		}
		x.made = true
	}
	if _, err := x.db.Exec(straySchema); err != nil { // older indexes lack it
		return fmt.Errorf("open index: %w", indexError(err))
	}
	var err error
	if x.get, err = x.db.Prepare("SELECT pack, off, size FROM shard WHERE id = ?"); err != nil {
		return fmt.Errorf("open index: %w", indexError(err))
	}
	x.listed, err = x.db.Prepare("SELECT id, pack, off, size FROM shard WHERE id > ? ORDER BY id LIMIT ?")
	if err != nil {
		return fmt.Errorf("open index: %w", indexError(err))
	}
	return nil
}

// begin marks the index as in use. One that has no closing mark is first read
// through once.
func (x *packIndex) begin() error {
	var clean bool
	if err := x.db.QueryRow("SELECT clean FROM state").Scan(&clean); err != nil {
		return fmt.Errorf("open index: %w: %w", ErrCorrupt, err)
	}
	if !clean || x.mark != Sound {
		var verdict string
		if err := x.db.QueryRow("PRAGMA quick_check(1)").Scan(&verdict); err != nil {
			return fmt.Errorf("check index: %w", indexError(err))
		}
		if verdict != "ok" {
			return fmt.Errorf("check index: %w: %s", ErrCorrupt, verdict)
		}
	}
	if _, err := x.db.Exec("UPDATE state SET clean = 0"); err != nil {
		return fmt.Errorf("open index: %w", indexError(err))
	}
	return nil
}

// lookup returns where id is, and whether the index knows it.
func (x *packIndex) lookup(ctx context.Context, id ShardID) (loc location, ok bool, err error) {
	err = x.get.QueryRowContext(ctx, id[:]).Scan(&loc.pack, &loc.off, &loc.size)
	if errors.Is(err, sql.ErrNoRows) {
		return location{}, false, nil
	}
	if err != nil {
		return location{}, false, fmt.Errorf("read index: %w", indexError(err))
	}
	return loc, true, nil
}

// entry is a row of the index.
type entry struct {
	id ShardID
	location
}

// list calls fn with all entries in the order of their ids, some thousands at
// a time. No read is open while fn runs.
func (x *packIndex) list(ctx context.Context, fn func([]entry) error) error {
	var last []byte
	page := make([]entry, 0, indexPage)
	for {
		var err error
		if page, err = x.page(ctx, page[:0], last); err != nil {
			return fmt.Errorf("list index: %w", indexError(err))
		}
		if len(page) == 0 {
			return nil
		}
		last = append(last[:0], page[len(page)-1].id[:]...)
		if err := fn(page); err != nil {
			return err
		}
	}
}

func (x *packIndex) page(ctx context.Context, page []entry, after []byte) ([]entry, error) {
	if after == nil {
		after = []byte{} // a NULL would compare with nothing
	}
	rows, err := x.listed.QueryContext(ctx, after, indexPage)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var e entry
		var id sql.RawBytes
		if err := rows.Scan(&id, &e.pack, &e.off, &e.size); err != nil {
			return nil, err
		}
		if len(id) != len(e.id) || e.size < 1 || e.size > MaxShard {
			return nil, fmt.Errorf("%w: impossible row", ErrCorrupt)
		}
		copy(e.id[:], id)
		page = append(page, e)
	}
	return page, rows.Err()
}

// close closes the database; clean says that nothing is left to be indexed.
func (x *packIndex) close(clean bool) error {
	var err error
	if clean {
		if _, err = x.db.Exec("UPDATE state SET clean = 1"); err != nil {
			err = fmt.Errorf("close index: %w", indexError(err))
		}
	}
	err = errors.Join(err, x.get.Close(), x.listed.Close(), x.db.Close())
	if clean && err == nil {
		err = WriteMark(x.path)
	}
	return err
}

// removeIndex removes the database of the store in dir, to be built again.
func removeIndex(dir string) error {
	for _, suffix := range []string{"", "-wal", "-shm", markSuffix} {
		err := os.Remove(filepath.Join(dir, indexName+suffix))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove damaged index: %w", err)
		}
	}
	return nil
}
