package fsnode

import (
	"context"
	"database/sql"
	"fmt"
	"math"

	"pifs/cache"
)

// rowWriter writes a batch in one transaction.
type rowWriter struct {
	ctx   context.Context
	tx    *sql.Tx
	db    *metaDB
	stmts map[string]*sql.Stmt // of tx
}

func (m *metaDB) rowWriter(ctx context.Context, tx *sql.Tx) rowWriter {
	return rowWriter{ctx: ctx, tx: tx, db: m, stmts: map[string]*sql.Stmt{}}
}

func (w *rowWriter) exec(q string, args ...any) error {
	s := w.stmts[q]
	if s == nil {
		if kept := w.db.edits[q]; kept != nil {
			s = w.tx.StmtContext(w.ctx, kept)
		} else {
			var err error
			if s, err = w.tx.PrepareContext(w.ctx, q); err != nil {
				return fmt.Errorf("prepare: %w", err)
			}
		}
		w.stmts[q] = s
	}
	if _, err := s.ExecContext(w.ctx, args...); err != nil {
		return fmt.Errorf("write row: %w", err)
	}
	return nil
}

// keep has what was prepared stay so for the transactions to come. It is for
// after the commit: the connection is free again. A statement that cannot be
// kept is prepared each time.
func (w *rowWriter) keep() {
	for q := range w.stmts {
		if w.db.edits[q] != nil {
			continue
		}
		if s, err := w.db.w.Prepare(q); err == nil {
			w.db.edits[q] = s
		}
	}
}

// put seals and writes one row of a table with a two-part key.
func (w *rowWriter) put(q string, table byte, a, b uint64, v any) error {
	sealed, err := w.db.seal(table, a, b, v)
	if err != nil {
		return fmt.Errorf("seal row: %w", err)
	}
	return w.exec(q, int64(a), int64(b), sealed)
}

func (w *rowWriter) batch(b *batch, positions []cache.JournalPos) error {
	for i := range b.inodes {
		if err := w.inode(&b.inodes[i]); err != nil {
			return err
		}
	}
	for i, fp := range b.pieces {
		row := &b.inodes[fp.row]
		row.pieces = append(row.pieces, savedPiece{fp.piece.Off, freshRow{Len: fp.piece.Len, Zero: fp.piece.Zero, Pos: positions[i]}})
	}
	for i := range b.inodes {
		if err := w.pieces(&b.inodes[i]); err != nil {
			return err
		}
	}
	for i := range b.dents {
		if err := w.dent(&b.dents[i]); err != nil {
			return err
		}
	}
	if err := w.sets(b); err != nil {
		return err
	}
	for k, v := range b.pending.kv {
		if err := w.value(k, v); err != nil {
			return err
		}
	}
	if b.partial {
		return nil
	}
	return w.value("count", &b.count)
}

func (w *rowWriter) inode(row *inodeRow) error {
	ino := int64(row.ino)
	if row.dead {
		for _, q := range []string{"DELETE FROM inode WHERE ino=?", "DELETE FROM extent WHERE ino=?", "DELETE FROM fresh WHERE ino=?", "DELETE FROM tally WHERE ino=?"} {
			if err := w.exec(q, ino); err != nil {
				return err
			}
		}
		return nil
	}
	sealed, err := w.db.seal('i', row.ino, 0, &row.rec)
	if err != nil {
		return fmt.Errorf("seal inode %d: %w", row.ino, err)
	}
	if err := w.exec("INSERT OR REPLACE INTO inode VALUES(?,?)", ino, sealed); err != nil {
		return err
	}
	if row.tally != nil {
		sealed, err := w.db.seal('t', row.ino, 0, row.tally)
		if err != nil {
			return fmt.Errorf("seal tally of inode %d: %w", row.ino, err)
		}
		if err := w.exec("INSERT OR REPLACE INTO tally VALUES(?,?)", ino, sealed); err != nil {
			return err
		}
	}
	if row.extent == nil {
		return nil
	}
	return w.extents(row.ino, row.extent)
}

// pieces makes the fresh rows of a file those of row, and writes what differs
// from the last time only: a file into which somebody writes here and there, with
// an fsync each time, has thousands.
func (w *rowWriter) pieces(row *inodeRow) error {
	if !row.fresh {
		return nil
	}
	was, now := *row.content.saved, row.pieces
	if len(now) == 0 && len(was) > 0 {
		return w.exec("DELETE FROM fresh WHERE ino=?", int64(row.ino))
	}
	for len(was) > 0 || len(now) > 0 {
		switch {
		case len(now) == 0 || len(was) > 0 && was[0].off < now[0].off:
			if err := w.exec("DELETE FROM fresh WHERE ino=? AND off=?", int64(row.ino), was[0].off); err != nil {
				return err
			}
			was = was[1:]
			continue
		case len(was) > 0 && was[0] == now[0]:
			was = was[1:]
		default:
			if err := w.put("INSERT OR REPLACE INTO fresh VALUES(?,?,?)", 'f', row.ino, uint64(now[0].off), &now[0].row); err != nil {
				return err
			}
			if len(was) > 0 && was[0].off == now[0].off {
				was = was[1:]
			}
		}
		now = now[1:]
	}
	return nil
}

func (w *rowWriter) extents(ino Ino, e *extentEdit) error {
	if err := w.exec("DELETE FROM extent WHERE ino=? AND off>=? AND off<?", int64(ino), e.lo, e.hi); err != nil {
		return err
	}
	for i := searchExtent(e.base, e.lo); i < len(e.base) && e.base[i].Off < e.hi; i++ {
		x := e.base[i]
		if x.Off < e.lo && e.hi != math.MaxInt64 {
			continue
		}
		if err := w.put("INSERT OR REPLACE INTO extent VALUES(?,?,?)", 'e', ino, uint64(x.Off), &x); err != nil {
			return err
		}
	}
	return nil
}

func (w *rowWriter) dent(d *dent) error {
	if d.ino == 0 {
		return w.exec("DELETE FROM dirent WHERE parent=? AND h=?", int64(d.key.parent), int64(d.key.h))
	}
	return w.put("INSERT OR REPLACE INTO dirent VALUES(?,?,?)", 'd', d.key.parent, d.key.h, &dirent{Name: d.name, Ino: d.ino, Type: d.typ})
}

// sets writes the tables that are sets of numbers, and the manifest's counts.
func (w *rowWriter) sets(b *batch) error {
	for ino, is := range b.pending.orphans {
		q := "DELETE FROM orphan WHERE ino=?"
		if is {
			q = "INSERT OR IGNORE INTO orphan VALUES(?)"
		}
		if err := w.exec(q, int64(ino)); err != nil {
			return err
		}
	}
	for ino, behind := range b.pending.behind {
		q := "DELETE FROM dirty WHERE ino=?"
		if behind {
			q = "INSERT OR IGNORE INTO dirty VALUES(?)"
		}
		if err := w.exec(q, int64(ino)); err != nil {
			return err
		}
	}
	for addr, n := range b.pending.manifest {
		q, args := "INSERT OR REPLACE INTO manifest VALUES(?,?)", []any{[]byte(addr), n}
		if n == 0 {
			q, args = "DELETE FROM manifest WHERE addr=?", args[:1]
		}
		if err := w.exec(q, args...); err != nil {
			return err
		}
	}
	return nil
}

func (w *rowWriter) value(key string, v any) error {
	sealed, err := w.db.seal('k', kvHash(key), 0, v)
	if err != nil {
		return fmt.Errorf("seal %s: %w", key, err)
	}
	return w.exec("INSERT OR REPLACE INTO kv VALUES(?,?)", key, sealed)
}
