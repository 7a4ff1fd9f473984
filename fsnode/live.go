package fsnode

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"pifs/blockstore"
	"pifs/cache"
)

// Live is what a volume refers to at one moment, to be walked at leisure: the
// database as it was then, what memory had beyond it, and the heads. End must
// follow.
type Live struct {
	reads adopted
	heads []HeadEntry
	db    *metaDB   // of a volume that is not open: closed at the end
	snap  *snapshot // nil if there is no database
	segs  []segment // of memory's manifest
	roots []node    // of files and directories in memory
	exts  [][]extent

	seen map[blockstore.Address]struct{} // nodes that Walk met which no saved manifest has
}

// Live begins at a moment when no flush, commit, clone or restore is under
// way, so that every block that was put before it is named by what Live holds,
// or by nothing. ctx bounds the snapshot as well.
func (v *Volume) Live(ctx context.Context) (*Live, error) {
	if err := v.vouched(ctx); err != nil {
		return nil, fmt.Errorf("look at volume %s: %w", v.o.Name, err)
	}
	v.history.Lock()
	defer v.history.Unlock()
	v.commitMu.Lock()
	defer v.commitMu.Unlock()
	v.mu.Lock()
	defer v.mu.Unlock()
	v.holding = true
	for v.flushes > 0 {
		v.wake.Wait()
	}
	defer func() {
		v.holding = false
		v.wake.Broadcast()
	}()
	l := &Live{reads: adopted{v.o.Blocks, v.sealer}, segs: v.manifest.Segments}
	var err error
	if l.heads, err = v.o.Heads.Entries(); err == nil {
		l.snap, err = v.db.snapshot(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("look at volume %s: %w", v.o.Name, err)
	}
	// The database has what memory does not: taking all of memory is simpler
	// than telling what is saved, and slices of extents are never changed.
	for _, in := range v.inodes {
		l.roots = append(l.roots, rootsOf(&in.rec)...)
		if in.content != nil {
			l.exts = append(l.exts, in.content.base)
		}
	}
	return l, nil
}

// LiveClosed is Live for a volume that is not open, with the database in dir,
// if there is one. The caller sees to it that nobody opens the volume before
// it returns.
func LiveClosed(ctx context.Context, dir string, keys VolumeKeys, blocks *cache.Blocks, heads []HeadEntry) (*Live, error) {
	l := &Live{reads: adopted{blocks, blockstore.NewSealer(keys.Scope)}, heads: heads}
	path := filepath.Join(dir, "meta.db")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	var err error
	if l.db, err = openMeta(path, keys.Local); err != nil {
		return nil, err
	}
	if l.snap, err = l.db.snapshot(ctx); err != nil {
		l.End()
		return nil, err
	}
	return l, nil
}

// End gives up the snapshot.
func (l *Live) End() {
	if l.snap != nil {
		l.snap.end()
	}
	if l.db != nil {
		l.db.close()
	}
}

// rootsOf returns the trees that a record names.
func rootsOf(r *record) (out []node) {
	if f := get(r.File); !f.Ref.IsZero() {
		out = append(out, fileChild(f))
	}
	t := get(r.Trees)
	for _, n := range []node{{kind: dirNode, ref: t.Dir.Ref}, {kind: sideNode, ref: t.Side.Ref}} {
		if !n.ref.IsZero() {
			out = append(out, n)
		}
	}
	return out
}

// Walk calls keep for the address of every block that is needed, some more
// than once, leaving out the heads that forget names. An error means that it
// does not know them all.
func (l *Live) Walk(ctx context.Context, forget func(HeadEntry) bool, keep func(blockstore.Address)) error {
	m := manifests{reads: l.reads, keep: keep}
	l.seen = map[blockstore.Address]struct{}{}
	for _, h := range l.heads {
		if h.Forgotten || forget(h) {
			continue
		}
		if err := m.head(ctx, h); err != nil {
			return err
		}
	}
	if err := m.nodes(ctx, l.segs); err != nil {
		return err
	}
	for _, exts := range l.exts {
		for _, e := range exts {
			keep(e.Ref.Address)
		}
	}
	if err := l.trees(ctx, l.roots, keep); err != nil {
		return err
	}
	if l.snap == nil {
		return nil
	}
	return l.database(ctx, &m, keep)
}

// database keeps what the rows refer to: the manifest as it was saved, which
// may be older than the newest head after a crash, extents, and trees that no
// head has yet.
func (l *Live) database(ctx context.Context, m *manifests, keep func(blockstore.Address)) error {
	var saved manifestState
	if _, err := l.snap.value("manifest", &saved); err != nil {
		return err
	}
	if err := m.nodes(ctx, saved.Segments); err != nil {
		return err
	}
	err := l.snap.scan(ctx, "SELECT addr FROM manifest", 1, func(row []sql.RawBytes, _ []int64) error {
		if len(row[0]) != len(blockstore.Address{}) {
			return fmt.Errorf("manifest row of %d bytes: %w", len(row[0]), blockstore.ErrCorrupt)
		}
		keep(blockstore.Address(row[0]))
		return nil
	})
	if err == nil {
		err = l.snap.scan(ctx, "SELECT v, ino, off FROM extent", 1, func(row []sql.RawBytes, key []int64) error {
			var e extent
			if err := l.snap.open('e', uint64(key[0]), uint64(key[1]), row[0], &e); err != nil {
				return err
			}
			keep(e.Ref.Address)
			return nil
		})
	}
	if err != nil {
		return err
	}
	return l.snap.scan(ctx, "SELECT v, ino FROM inode", 1, func(row []sql.RawBytes, key []int64) error {
		var r record
		if err := l.snap.open('i', uint64(key[0]), 0, row[0], &r); err != nil {
			return err
		}
		return l.trees(ctx, rootsOf(&r), keep)
	})
}

// trees keeps nodes and what is below them, but for those that the saved
// manifest has, and with them all that is below: the manifest itself is kept.
func (l *Live) trees(ctx context.Context, todo []node, keep func(blockstore.Address)) error {
	for len(todo) > 0 {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if n.kind == chunkNode {
			keep(n.ref.Address)
			continue
		}
		known, err := l.known(n.ref.Address)
		if err != nil {
			return err
		}
		if known {
			continue
		}
		keep(n.ref.Address)
		below, err := l.reads.children(ctx, n)
		if err != nil {
			return err
		}
		todo = append(todo, below...)
	}
	return nil
}

// known reports whether the saved manifest has a node, or the walk met it.
func (l *Live) known(addr blockstore.Address) (bool, error) {
	if _, ok := l.seen[addr]; ok {
		return true, nil
	}
	if l.snap != nil {
		var n int64
		saved, err := l.snap.row(qManifest, &n, func() error { return nil }, addr[:])
		if err != nil || saved {
			return saved, err
		}
	}
	l.seen[addr] = struct{}{}
	return false, nil
}

// scan runs a query whose first columns are blobs and the others integers.
func (s *snapshot) scan(ctx context.Context, q string, blobs int, fn func([]sql.RawBytes, []int64) error) error {
	rows, err := s.tx.QueryContext(ctx, q)
	if err != nil {
		return fmt.Errorf("query metadata: %w", err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return fmt.Errorf("query metadata: %w", err)
	}
	raw, ints := make([]sql.RawBytes, blobs), make([]int64, len(names)-blobs)
	var dst []any
	for i := range raw {
		dst = append(dst, &raw[i])
	}
	for i := range ints {
		dst = append(dst, &ints[i])
	}
	for rows.Next() {
		if err := rows.Scan(dst...); err != nil {
			return fmt.Errorf("read metadata: %w", err)
		}
		if err := fn(raw, ints); err != nil {
			return err
		}
	}
	return rows.Err()
}
