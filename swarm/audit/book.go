package audit

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"sync/atomic"

	"pifs/blockstore"
	"pifs/swarm"
	"pifs/swarm/proof"
)

const schema = `
CREATE TABLE IF NOT EXISTS verdict(round INTEGER NOT NULL, node TEXT NOT NULL, verifier TEXT NOT NULL, outcome INTEGER NOT NULL, raw BLOB NOT NULL, PRIMARY KEY(round, node, verifier)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS evidence(id BLOB PRIMARY KEY, node TEXT NOT NULL, raw BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS noticed(node TEXT PRIMARY KEY, round INTEGER NOT NULL) WITHOUT ROWID;`

// keepRounds is how many rounds verdicts are kept for. Evidence stays.
const keepRounds = 64

// book is what a node keeps of verdicts, with their evidence.
type book struct {
	db      *sql.DB
	commits atomic.Uint64
}

func openBook(dir string) (*book, error) {
	b := &book{}
	uri := (&url.URL{Scheme: "file", Path: filepath.Join(dir, "proofs.db")}).String()
	b.db = blockstore.OpenDB(uri+"?_journal_mode=WAL&_synchronous=FULL&_busy_timeout=10000&_txlock=immediate", &b.commits)
	b.db.SetMaxOpenConns(1)
	if _, err := b.db.Exec(schema); err != nil {
		return nil, errors.Join(fmt.Errorf("open proofs: %w", err), b.db.Close())
	}
	return b, nil
}

func (b *book) close() error { return b.db.Close() }

// add stores a verdict that was checked, and reports whether it is new.
func (b *book) add(v *proof.Verdict) (bool, error) {
	raw, err := encode(v)
	if err != nil {
		return false, err
	}
	res, err := b.db.Exec("INSERT OR IGNORE INTO verdict VALUES(?,?,?,?,?)", int64(v.Round), string(v.Node), string(v.Verifier), v.Outcome, raw)
	if err != nil {
		return false, fmt.Errorf("keep verdict: %w", err)
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

// since returns the verdicts from a round on, the newest rounds first, limit at most.
func (b *book) since(round uint64, limit int) (out []proof.Verdict, err error) {
	err = b.each("SELECT raw FROM verdict WHERE round>=? ORDER BY round DESC, node, verifier LIMIT ?", func(r *sql.Rows) error {
		var raw sql.RawBytes
		if err := r.Scan(&raw); err != nil {
			return err
		}
		var v proof.Verdict
		if err := blockstore.Unmarshal(raw, &v); err != nil {
			return err
		}
		out = append(out, v)
		return nil
	}, int64(round), limit)
	return out, err
}

// finding is a verdict in short.
type finding struct {
	round    uint64
	node     swarm.MemberID
	verifier swarm.MemberID
	outcome  proof.Outcome
}

// findings returns all that is known, oldest first.
func (b *book) findings() (out []finding, err error) {
	err = b.each("SELECT round, node, verifier, outcome FROM verdict ORDER BY round", func(r *sql.Rows) error {
		var f finding
		if err := r.Scan(&f.round, &f.node, &f.verifier, &f.outcome); err != nil {
			return err
		}
		out = append(out, f)
		return nil
	})
	return out, err
}

func (b *book) each(query string, row func(*sql.Rows) error, args ...any) error {
	rows, err := b.db.Query(query, args...)
	if err != nil {
		return fmt.Errorf("read proofs: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows); err != nil {
			return fmt.Errorf("read proofs: %w", err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read proofs: %w", err)
	}
	return nil
}

// prune forgets rounds before one.
func (b *book) prune(before uint64) error {
	if _, err := b.db.Exec("DELETE FROM verdict WHERE round<?", int64(before)); err != nil {
		return fmt.Errorf("prune verdicts: %w", err)
	}
	return nil
}

// convict stores evidence that was checked.
func (b *book) convict(node swarm.MemberID, id [32]byte, e *proof.Evidence) error {
	raw, err := encode(e)
	if err != nil {
		return err
	}
	if _, err := b.db.Exec("INSERT OR IGNORE INTO evidence VALUES(?,?,?)", id[:], string(node), raw); err != nil {
		return fmt.Errorf("keep evidence: %w", err)
	}
	return nil
}

// convicted returns the nodes against which there is evidence, and its ids.
func (b *book) convicted() (map[swarm.MemberID][32]byte, error) {
	out := map[swarm.MemberID][32]byte{}
	err := b.each("SELECT node, id FROM evidence", func(r *sql.Rows) error {
		var node swarm.MemberID
		var raw sql.RawBytes
		if err := r.Scan(&node, &raw); err != nil {
			return err
		}
		var id [32]byte
		copy(id[:], raw)
		out[node] = id
		return nil
	})
	return out, err
}

// evidence returns what is stored under an id, encoded; blockstore.ErrNotFound.
func (b *book) evidence(id [32]byte) (raw []byte, err error) {
	err = b.db.QueryRow("SELECT raw FROM evidence WHERE id=?", id[:]).Scan(&raw)
	if errors.Is(err, sql.ErrNoRows) {
		err = blockstore.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("read evidence: %w", err)
	}
	return raw, nil
}

// notice notes in which round a node was seen first, if it was not before.
func (b *book) notice(node swarm.MemberID, round uint64) error {
	if _, err := b.db.Exec("INSERT OR IGNORE INTO noticed VALUES(?,?)", string(node), int64(round)); err != nil {
		return fmt.Errorf("note member: %w", err)
	}
	return nil
}

func (b *book) noticed() (map[swarm.MemberID]uint64, error) {
	out := map[swarm.MemberID]uint64{}
	err := b.each("SELECT node, round FROM noticed", func(r *sql.Rows) error {
		var node swarm.MemberID
		var round uint64
		if err := r.Scan(&node, &round); err != nil {
			return err
		}
		out[node] = round
		return nil
	})
	return out, err
}
