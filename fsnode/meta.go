package fsnode

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/mattn/go-sqlite3"
	"github.com/zeebo/blake3"

	"pifs/blockstore"
)

const metaSchema = `
CREATE TABLE IF NOT EXISTS inode(ino INTEGER PRIMARY KEY, v BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS dirent(parent INTEGER, h INTEGER, v BLOB NOT NULL, PRIMARY KEY(parent, h)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS extent(ino INTEGER, off INTEGER, v BLOB NOT NULL, PRIMARY KEY(ino, off)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS fresh(ino INTEGER, off INTEGER, v BLOB NOT NULL, PRIMARY KEY(ino, off)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tally(ino INTEGER PRIMARY KEY, v BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS orphan(ino INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS dirty(ino INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS manifest(addr BLOB PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS kv(k TEXT PRIMARY KEY, v BLOB NOT NULL);`

// metaDB is a volume's SQLite database. Rows are sealed with AES-256-GCM under
// the volume's local key and bound to their table and key; names are found by
// a keyed hash. There is one writer; readers see what is committed.
type metaDB struct {
	reader
	w, r    *sql.DB
	edits   map[string]*sql.Stmt // of w, by query; for whoever saves
	hash    [32]byte             // key of the name hash
	commits atomic.Uint64        // transactions of w
}

// reader reads the database: as it is, or as it was when a snapshot began.
type reader struct {
	aead    cipher.AEAD
	stmts   map[string]*sql.Stmt
	scratch *sync.Pool     // of *scratch
	queries *atomic.Uint64 // how many were asked
}

func newReader(aead cipher.AEAD) reader {
	pool := &sync.Pool{New: func() any { return new(scratch) }}
	return reader{aead: aead, stmts: map[string]*sql.Stmt{}, scratch: pool, queries: new(atomic.Uint64)}
}

// snapshot is a reader of the database as it was at one moment.
type snapshot struct {
	reader
	tx *sql.Tx
}

// openMeta opens or creates the database. A file that is not a healthy
// database of ours is ErrDatabase.
func openMeta(path string, key [32]byte) (*metaDB, error) {
	blk, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(blk)
	if err != nil {
		return nil, err
	}
	m := &metaDB{reader: newReader(aead), edits: map[string]*sql.Stmt{}}
	blake3.DeriveKey("pifs 2026 directory name hash v1", key[:], m.hash[:])
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	uri := (&url.URL{Scheme: "file", Path: abs}).String()
	const pragmas = "?_journal_mode=WAL&_synchronous=FULL&_busy_timeout=10000&_cache_size=-16000&_txlock="
	m.w = blockstore.OpenDB(uri+pragmas+"immediate", &m.commits)
	m.w.SetMaxOpenConns(1)
	if _, err = m.w.Exec(metaSchema); err == nil {
		m.r, err = sql.Open("sqlite3", uri+pragmas+"deferred&_query_only=true")
	}
	if err == nil {
		err = blockstore.OpenConns(m.r, 4)
	}
	if err == nil {
		err = m.prepare()
	}
	if err != nil {
		m.close()
		return nil, fmt.Errorf("open %s: %w", path, metaError(err))
	}
	return m, nil
}

// metaError tells damage from what is wrong with the disk or with us.
func metaError(err error) error {
	var e sqlite3.Error
	if errors.As(err, &e) && e.Code != sqlite3.ErrCorrupt && e.Code != sqlite3.ErrNotADB && e.Code != sqlite3.ErrError {
		return full(err)
	}
	return fmt.Errorf("%w: %w", ErrDatabase, err)
}

const (
	qInode    = "SELECT v FROM inode WHERE ino=?"
	qInodes   = "SELECT i.ino, i.v FROM json_each(?) AS j CROSS JOIN inode AS i ON i.ino=j.value"
	qSlots    = "SELECT h, v FROM dirent WHERE parent=? AND h>=? AND h<?"
	qList     = "SELECT h, v FROM dirent WHERE parent=? AND h>? ORDER BY h LIMIT 256" // pageRows; bound, SQLite would plan anew each time
	qExtents  = "SELECT off, v FROM extent WHERE ino=? ORDER BY off"
	qFresh    = "SELECT off, v FROM fresh WHERE ino=? ORDER BY off"
	qTally    = "SELECT v FROM tally WHERE ino=?"
	qManifest = "SELECT n FROM manifest WHERE addr=?"
	qKV       = "SELECT v FROM kv WHERE k=?"
)

func (m *metaDB) prepare() error {
	return m.reader.prepare(m.r.Prepare, qInode, qInodes, qSlots, qList, qExtents, qFresh, qTally, qManifest, qKV)
}

func (m *reader) prepare(prepare func(q string) (*sql.Stmt, error), queries ...string) error {
	for _, q := range queries {
		s, err := prepare(q)
		if err != nil {
			return err
		}
		m.stmts[q] = s
	}
	return nil
}

// snapshot begins a snapshot of what is committed now.
func (m *metaDB) snapshot(ctx context.Context) (*snapshot, error) {
	tx, err := m.r.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, fmt.Errorf("begin snapshot: %w", err)
	}
	s := &snapshot{reader: newReader(m.aead), tx: tx}
	err = s.prepare(func(q string) (*sql.Stmt, error) { return tx.PrepareContext(ctx, q) }, qInode, qSlots, qExtents, qManifest, qKV)
	if err == nil {
		var ignored volumeCount
		_, err = s.value("count", &ignored) // the snapshot begins with the first read
	}
	if err != nil {
		tx.Rollback()
		return nil, fmt.Errorf("begin snapshot: %w", err)
	}
	return s, nil
}

func (s *snapshot) end() { s.tx.Rollback() }

// clear empties all tables.
func (m *metaDB) clear(ctx context.Context) error {
	tx, err := m.w.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("clear database: %w", err)
	}
	defer tx.Rollback()
	for _, table := range []string{"inode", "dirent", "extent", "fresh", "tally", "orphan", "dirty", "manifest", "kv"} {
		if _, err := tx.ExecContext(ctx, "DELETE FROM "+table); err != nil {
			return fmt.Errorf("clear database: %w", full(err))
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("clear database: %w", full(err))
	}
	return nil
}

func (m *metaDB) close() error {
	var err error
	for _, stmts := range []map[string]*sql.Stmt{m.stmts, m.edits} {
		for _, s := range stmts {
			err = errors.Join(err, s.Close())
		}
	}
	if m.r != nil {
		err = errors.Join(err, m.r.Close())
	}
	if m.w != nil {
		err = errors.Join(err, m.w.Close())
	}
	return err
}

// nameHash is the first slot and cookie of name: a keyed hash, so that the
// database shows no names and nobody can aim for collisions.
func (m *metaDB) nameHash(name string) uint64 {
	var b [32 + maxName]byte
	copy(b[:], m.hash[:])
	n := copy(b[32:], name)
	h := blake3.Sum256(b[:32+n])
	return binary.LittleEndian.Uint64(h[:])>>2 + firstCookie
}

// scratch is memory for one row while it is sealed or opened.
type scratch struct {
	aad   [17]byte
	plain []byte
}

// bind returns what binds a sealed row to its table and key.
func (s *scratch) bind(table byte, a, b uint64) []byte {
	s.aad[0] = table
	binary.LittleEndian.PutUint64(s.aad[1:], a)
	binary.LittleEndian.PutUint64(s.aad[9:], b)
	return s.aad[:]
}

// seal encodes and encrypts a row.
func (m *reader) seal(table byte, a, b uint64, v any) ([]byte, error) {
	s := m.scratch.Get().(*scratch)
	defer m.scratch.Put(s)
	var err error
	if s.plain, err = blockstore.AppendMarshal(s.plain[:0], v); err != nil {
		return nil, err
	}
	return m.aead.Seal(nil, nil, s.plain, s.bind(table, a, b)), nil
}

// open decrypts and decodes a row; what does not open is ErrCorrupt. v keeps
// no reference to sealed.
func (m *reader) open(table byte, a, b uint64, sealed []byte, v any) error {
	s := m.scratch.Get().(*scratch)
	defer m.scratch.Put(s)
	plain, err := m.aead.Open(s.plain[:0], nil, sealed, s.bind(table, a, b))
	if err != nil {
		return fmt.Errorf("open row %c/%d/%d: %w", table, a, b, blockstore.ErrCorrupt)
	}
	s.plain = plain
	if err := decodeRow(plain, v); err != nil {
		return fmt.Errorf("decode row %c/%d/%d: %w", table, a, b, err)
	}
	return nil
}

// decodeRow decodes a row into v, which keeps no reference to it.
func decodeRow(plain []byte, v any) error {
	r, ok := v.(row)
	if !ok {
		return blockstore.Unmarshal(plain, v)
	}
	d := rowDecoder{b: plain}
	r.decode(&d)
	return d.end()
}

// inode reads a record; nil if there is none.
func (m *reader) inode(ino Ino) (*record, error) {
	var v sql.RawBytes
	var rec *record
	_, err := m.row(qInode, &v, func() error {
		rec = new(record)
		return m.open('i', ino, 0, v, rec)
	}, int64(ino))
	return rec, err
}

// extents reads the extents of a file, in order.
func (m *reader) extents(ino Ino) ([]extent, error) {
	var out []extent
	err := m.each(qExtents, func(off int64, sealed []byte) error {
		var e extent
		if err := m.open('e', ino, uint64(off), sealed, &e); err != nil {
			return err
		}
		out = append(out, e)
		return nil
	}, int64(ino))
	return out, err
}

// value reads a kv row into v; false if there is none.
func (m *reader) value(key string, v any) (bool, error) {
	var raw sql.RawBytes
	return m.row(qKV, &raw, func() error { return m.open('k', kvHash(key), 0, raw, v) }, key)
}

func kvHash(key string) uint64 {
	h := blake3.Sum256([]byte(key))
	return binary.LittleEndian.Uint64(h[:])
}

// row runs a query for at most one row; use is called while dst is valid.
func (m *reader) row(q string, dst any, use func() error, args ...any) (bool, error) {
	m.queries.Add(1)
	rows, err := m.stmts[q].Query(args...)
	if err != nil {
		return false, fmt.Errorf("query metadata: %w", err)
	}
	defer rows.Close()
	if !rows.Next() {
		return false, rows.Err()
	}
	if err := rows.Scan(dst); err != nil {
		return false, fmt.Errorf("read metadata: %w", err)
	}
	return true, use()
}

// each runs a query of (integer, blob) rows.
func (m *reader) each(q string, fn func(k int64, v []byte) error, args ...any) error {
	m.queries.Add(1)
	rows, err := m.stmts[q].Query(args...)
	if err != nil {
		return fmt.Errorf("query metadata: %w", err)
	}
	defer rows.Close()
	var k int64
	var v sql.RawBytes
	for rows.Next() {
		if err := rows.Scan(&k, &v); err != nil {
			return fmt.Errorf("read metadata: %w", err)
		}
		if err := fn(k, v); err != nil {
			return err
		}
	}
	return rows.Err()
}

// integers runs a query of one integer column, unprepared.
func (m *metaDB) integers(ctx context.Context, q string, args ...any) ([]uint64, error) {
	rows, err := m.r.QueryContext(ctx, q, args...)
	if err != nil {
		return nil, fmt.Errorf("query metadata: %w", err)
	}
	defer rows.Close()
	var out []uint64
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			return nil, fmt.Errorf("read metadata: %w", err)
		}
		out = append(out, uint64(n))
	}
	return out, rows.Err()
}
