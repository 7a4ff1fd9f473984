package node

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"sync/atomic"

	"pifs/blockstore"
	"pifs/swarm"
)

const schema = `
CREATE TABLE IF NOT EXISTS principal(n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS shard(id BLOB PRIMARY KEY, size INTEGER NOT NULL, stripe BLOB, i INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS inventory ON shard(id, size);
CREATE TABLE IF NOT EXISTS claim(shard BLOB NOT NULL, principal INTEGER NOT NULL, at INTEGER NOT NULL, PRIMARY KEY(shard, principal)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS claimed ON claim(principal, shard, at);
CREATE TABLE IF NOT EXISTS bad(shard BLOB PRIMARY KEY, at INTEGER NOT NULL, why TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS keepset(principal INTEGER NOT NULL, seq INTEGER NOT NULL, came INTEGER NOT NULL, head BLOB NOT NULL, filter BLOB NOT NULL, PRIMARY KEY(principal, seq));
CREATE TABLE IF NOT EXISTS trash(shard BLOB PRIMARY KEY, since INTEGER NOT NULL, until INTEGER NOT NULL, principal INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS journal(n INTEGER PRIMARY KEY, at INTEGER NOT NULL, shard BLOB NOT NULL, what TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS kv(k TEXT PRIMARY KEY, v INTEGER NOT NULL) WITHOUT ROWID;`

// database is what a node knows of its shards besides their bytes. There is
// one writer at a time.
type database struct {
	w, r    *sql.DB
	commits atomic.Uint64
}

func openDatabase(path string) (*database, error) {
	if err := blockstore.MakeDir(filepath.Dir(path)); err != nil {
		return nil, err
	}
	uri := (&url.URL{Scheme: "file", Path: path}).String()
	const pragmas = "?_journal_mode=WAL&_synchronous=FULL&_busy_timeout=10000&_cache_size=-16000&_txlock="
	d := &database{}
	d.w = blockstore.OpenDB(uri+pragmas+"immediate", &d.commits)
	d.w.SetMaxOpenConns(1)
	_, err := d.w.Exec(schema)
	if err == nil {
		d.r, err = sql.Open("sqlite3", uri+pragmas+"deferred&_query_only=true")
	}
	if err == nil {
		err = blockstore.OpenConns(d.r, 2)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), d.close())
	}
	return d, nil
}

func (d *database) close() error {
	err := d.w.Close()
	if d.r != nil {
		err = errors.Join(err, d.r.Close())
	}
	return err
}

// change runs fn in a transaction.
func (d *database) change(ctx context.Context, fn func(*sql.Tx) error) error {
	tx, err := d.w.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback()
	if err := fn(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// principals numbers members within a transaction.
type principals map[swarm.MemberID]int64

func (p principals) number(ctx context.Context, tx *sql.Tx, id swarm.MemberID) (n int64, err error) {
	if n, ok := p[id]; ok {
		return n, nil
	}
	if _, err := tx.ExecContext(ctx, "INSERT OR IGNORE INTO principal(id) VALUES(?)", string(id)); err != nil {
		return 0, fmt.Errorf("number principal: %w", err)
	}
	if err := tx.QueryRowContext(ctx, "SELECT n FROM principal WHERE id=?", string(id)).Scan(&n); err != nil {
		return 0, fmt.Errorf("number principal: %w", err)
	}
	p[id] = n
	return n, nil
}

// claim stores claims, and the stripes of their shards. What is claimed is in
// the trash no longer.
func (d *database) claim(ctx context.Context, claims map[claimKey]*claim) error {
	return d.change(ctx, func(tx *sql.Tx) error {
		known := principals{}
		run := func(q string) (*sql.Stmt, error) { return tx.PrepareContext(ctx, q) }
		shard, err1 := run("INSERT INTO shard VALUES(?,?,?,?) ON CONFLICT(id) DO UPDATE SET stripe=excluded.stripe, i=excluded.i WHERE excluded.stripe IS NOT NULL")
		row, err2 := run("INSERT OR REPLACE INTO claim VALUES(?,?,?)")
		untrash, err3 := run("DELETE FROM trash WHERE shard=?")
		sound, err4 := run("DELETE FROM bad WHERE shard=?")
		if err := errors.Join(err1, err2, err3, err4); err != nil {
			return fmt.Errorf("prepare: %w", err)
		}
		for k, c := range claims {
			n, err := known.number(ctx, tx, k.principal)
			if err != nil {
				return err
			}
			_, err1 := shard.ExecContext(ctx, k.shard[:], c.size, c.stripe, c.index)
			_, err2 := row.ExecContext(ctx, k.shard[:], n, c.at)
			_, err3 := untrash.ExecContext(ctx, k.shard[:])
			if err := errors.Join(err1, err2, err3); err != nil {
				return fmt.Errorf("write claim: %w", err)
			}
			if c.stripe == nil {
				continue
			}
			if _, err := sound.ExecContext(ctx, k.shard[:]); err != nil { // its bytes came anew
				return fmt.Errorf("write claim: %w", err)
			}
		}
		return nil
	})
}

// claimed reports whether a claim is in the database, to a shard that is not bad.
func (d *database) claimed(ctx context.Context, k claimKey) (bool, error) {
	var one int
	err := d.r.QueryRowContext(ctx, "SELECT 1 FROM claim WHERE shard=? AND principal=(SELECT n FROM principal WHERE id=?) AND shard NOT IN (SELECT shard FROM bad)", k.shard[:], string(k.principal)).Scan(&one)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look up claim: %w", err)
	}
	return true, nil
}
