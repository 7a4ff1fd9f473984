package fsnode

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"os"

	"pifs/cache"
)

// tally is a sum over the rows that a file's content consists of, so that one
// that vanished does not read as a hole. Each row by itself is authenticated.
type tally struct {
	_struct        bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Extents, Fresh uint64
}

func (t *tally) extent(e *extent) {
	t.Extents += mix(uint64(e.Off), binary.LittleEndian.Uint64(e.Ref.Address[:8]))
}

func (t *tally) piece(off, length int64, zero bool) {
	kind := uint64(1)
	if zero {
		kind = 2
	}
	t.Fresh += mix(uint64(off), uint64(length)<<2|kind)
}

func tallyOf(exts []extent, pieces []cache.Piece) (t tally) {
	for i := range exts {
		t.extent(&exts[i])
	}
	for i := range pieces {
		t.piece(pieces[i].Off, pieces[i].Len, pieces[i].Zero)
	}
	return t
}

// mix spreads two numbers over 64 bits (splitmix64's finaliser, twice).
func mix(a, b uint64) uint64 {
	x := a ^ 0x9e3779b97f4a7c15
	for _, more := range []uint64{b, 1} {
		x += more
		x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
		x = (x ^ x>>27) * 0x94d049bb133111eb
		x ^= x >> 31
	}
	return x
}

// tallied compares what was loaded of a file with its tally; ErrDatabase if a
// row is missing or too many.
func (m *reader) tallied(ino Ino, have tally, mustHave bool) error {
	var v sql.RawBytes
	var want tally
	found, err := m.row(qTally, &v, func() error { return m.open('t', ino, 0, v, &want) }, int64(ino))
	if err != nil {
		return err
	}
	if found && have != want || !found && mustHave {
		return fmt.Errorf("%w: the rows of inode %d are not all there", ErrDatabase, ino)
	}
	return nil
}

// verify looks a database over that was not closed in good order: SQLite's
// structure, and of one that is not large, every row and how they agree.
func (m *metaDB) verify(ctx context.Context, path string) error {
	var verdict string
	if err := m.r.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict); err != nil {
		return fmt.Errorf("%w: %w", ErrDatabase, err)
	}
	if verdict != "ok" {
		return fmt.Errorf("%w: %s", ErrDatabase, verdict)
	}
	var size int64
	for _, p := range []string{path, path + "-wal"} {
		if fi, err := os.Stat(p); err == nil {
			size += fi.Size()
		}
	}
	if size > verifyRows {
		return nil
	}
	if err := m.verifyTree(ctx); err != nil && ctx.Err() == nil {
		return fmt.Errorf("%w: %w", ErrDatabase, err)
	}
	return ctx.Err()
}

// verifyTree compares names, inodes and contents with each other.
func (m *metaDB) verifyTree(ctx context.Context) error {
	var count volumeCount
	if _, err := m.value("count", &count); err != nil {
		return err
	}
	var manifest manifestState
	if err := manifest.load(m); err != nil {
		return err
	}
	names, sizes := map[Ino]int{}, map[Ino]uint64{}
	err := m.scan(ctx, "SELECT parent, h, v FROM dirent", func(parent, h uint64, v []byte) error {
		var d dirent
		err := m.open('d', parent, h, v, &d)
		names[d.Ino]++
		sizes[parent]++
		return err
	})
	if err != nil {
		return err
	}
	inodes := uint64(0)
	err = m.scan(ctx, "SELECT ino, 0, v FROM inode", func(ino, _ uint64, v []byte) error {
		var r record
		if err := m.open('i', ino, 0, v, &r); err != nil {
			return err
		}
		inodes++
		if len(r.Links) != names[ino] || r.isDir() && r.Size != sizes[ino] {
			return fmt.Errorf("inode %d has %d of %d names, %d entries", ino, names[ino], len(r.Links), sizes[ino])
		}
		if !r.isFile() || r.Inlined {
			return nil
		}
		return m.verifyContent(ino)
	})
	if err == nil && inodes != count.Inodes {
		err = fmt.Errorf("%d of %d inodes are there", inodes, count.Inodes)
	}
	return err
}

func (m *metaDB) verifyContent(ino Ino) error {
	exts, err := m.extents(ino)
	if err != nil {
		return err
	}
	have := tallyOf(exts, nil)
	err = m.each(qFresh, func(off int64, sealed []byte) error {
		var p freshRow
		err := m.open('f', ino, uint64(off), sealed, &p)
		have.piece(off, p.Len, p.Zero)
		return err
	}, int64(ino))
	if err != nil {
		return err
	}
	return m.tallied(ino, have, false)
}

// scan calls fn for all rows of a query of two integers and a blob.
func (m *metaDB) scan(ctx context.Context, q string, fn func(a, b uint64, v []byte) error) error {
	rows, err := m.r.QueryContext(ctx, q)
	if err != nil {
		return fmt.Errorf("query metadata: %w", err)
	}
	defer rows.Close()
	var a, b int64
	var v sql.RawBytes
	for rows.Next() {
		if err := rows.Scan(&a, &b, &v); err != nil {
			return fmt.Errorf("read metadata: %w", err)
		}
		if err := fn(uint64(a), uint64(b), v); err != nil {
			return err
		}
	}
	return rows.Err()
}
