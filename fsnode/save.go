package fsnode

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"syscall"
	"time"

	"github.com/mattn/go-sqlite3"

	"pifs/blockstore/failpoint"
	"pifs/cache"
)

// freshRow is what the database keeps of a fresh piece.
type freshRow struct {
	_struct bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Len     int64
	Zero    bool
	Pos     cache.JournalPos
}

// pendingRows is what changed since the last save began.
type pendingRows struct {
	inodes   map[Ino]*inode
	dents    []*dent
	behind   map[Ino]bool // directories whose tree fell behind, or caught up again
	orphans  map[Ino]bool // true: became one; false: is gone
	manifest map[string]int64
	kv       map[string]any
}

func newPendingRows() pendingRows {
	return pendingRows{inodes: map[Ino]*inode{}, behind: map[Ino]bool{}, orphans: map[Ino]bool{}, manifest: map[string]int64{}, kv: map[string]any{}}
}

func (p *pendingRows) empty() bool {
	return len(p.inodes) == 0 && len(p.dents) == 0 && len(p.behind) == 0 && len(p.orphans) == 0 && len(p.manifest) == 0 && len(p.kv) == 0
}

// batch is a consistent copy of what changed, at one moment.
type batch struct {
	gen      uint64
	inodes   []inodeRow
	dents    []dent
	pending  pendingRows
	count    volumeCount
	partial  bool // the tree is not all there yet
	blocks   bool // rows name blocks that may not be durable yet
	pieces   []freshPiece
	segments map[uint32]bool // of the journal, in use
	logged   uint64          // the position in the session log of what it contains
}

type inodeRow struct {
	in     *inode
	ino    Ino
	rec    record
	dead   bool
	extent *extentEdit
	fresh  bool // the fresh pieces are to be as follows
	tally  *tally

	content *content     // of which they are
	pieces  []savedPiece // filled in by the writer
}

// savedPiece is a fresh row as it stands in the database.
type savedPiece struct {
	off int64
	row freshRow
}

// savedPieces are the fresh rows of a file in the database, in order. They
// belong to whoever saves, and are not under mu.
type savedPieces []savedPiece

type extentEdit struct {
	lo, hi int64
	base   []extent
}

type freshPiece struct {
	row   int // index in batch.inodes
	piece cache.Piece
}

// save makes memory's state at one moment durable: fresh bytes in the journal,
// blocks in their stores, then rows in the database, in one transaction.
// Callers that arrive while one is running share the next.
func (v *Volume) save(ctx context.Context) error {
	v.mu.Lock()
	want := v.gen
	v.mu.Unlock()
	v.saveMu.Lock()
	defer v.saveMu.Unlock()
	v.mu.Lock()
	if v.saved >= want {
		v.mu.Unlock()
		return nil
	}
	if err := v.doubt.err; err != nil {
		v.lastSave = time.Now()
		v.mu.Unlock()
		return fmt.Errorf("save: %w", err)
	}
	b := v.collect()
	v.mu.Unlock()
	if b == nil {
		return nil
	}
	err := v.write(ctx, b)
	v.mu.Lock()
	defer v.mu.Unlock()
	if err != nil {
		v.restorePending(b)
		return fmt.Errorf("save: %w", err)
	}
	v.settleBatch(b)
	if v.hoard {
		return nil
	}
	for seg := range v.inUse {
		b.segments[seg] = true
	}
	if err := v.journal.Retain(b.segments); err != nil {
		v.o.Log.Warn("trim journal", "err", err)
	}
	return nil
}

// collect copies what changed and starts a new generation; nil if nothing did.
// v.mu is held.
func (v *Volume) collect() *batch {
	b := &batch{gen: v.gen, pending: v.pending, count: v.count, partial: v.loading, blocks: v.namesBlocks, segments: map[uint32]bool{}}
	b.count.NextIno = v.nextIno
	v.lastSave = time.Now()
	if v.pending.empty() {
		v.saved = v.gen
		v.gen++
		return nil
	}
	v.gen++
	v.namesBlocks = false
	v.pending = newPendingRows()
	if v.log.mem != nil {
		b.logged = v.log.applied
		b.pending.kv[markKey] = sessionMark{ID: v.log.mem.ID(), Pos: b.logged}
	}
	for ino, in := range b.pending.inodes {
		row := inodeRow{in: in, ino: ino, rec: in.rec, dead: in.dead}
		if c := in.content; c != nil && !in.dead {
			v.collectContent(b, &row, c)
		}
		b.inodes = append(b.inodes, row)
	}
	for _, d := range b.pending.dents {
		b.dents = append(b.dents, *d)
	}
	for ino := range v.fresh {
		if in := v.inodes[ino]; in != nil && in.content != nil {
			for _, p := range in.content.fresh.Pieces() {
				if p.Pos.Segment != 0 {
					b.segments[p.Pos.Segment] = true
				}
			}
		}
	}
	return b
}

// collectContent adds a file's changed extents and fresh pieces to the batch.
func (v *Volume) collectContent(b *batch, row *inodeRow, c *content) {
	if c.edited || c.freshEdit {
		defer func() { row.tally = &tally{Extents: c.tally.Extents, Fresh: c.tally.Fresh} }()
	}
	if c.edited {
		c.tally.Extents = tallyOf(c.base, nil).Extents
		row.extent = &extentEdit{lo: c.editLo, hi: c.editHi, base: c.base}
		c.edited = false
	}
	if !c.freshEdit {
		return
	}
	c.freshEdit = false
	row.fresh, row.content = true, c
	pieces, _ := c.fresh.Freeze()
	c.tally.Fresh = tallyOf(nil, pieces).Fresh
	for _, p := range pieces {
		b.pieces = append(b.pieces, freshPiece{row: len(b.inodes), piece: p})
	}
}

// restorePending puts a batch that could not be written back. v.mu is held.
func (v *Volume) restorePending(b *batch) {
	for _, row := range b.inodes {
		v.pending.inodes[row.ino] = row.in
		c := row.in.content
		if c == nil {
			continue
		}
		c.freshEdit = c.freshEdit || row.fresh
		if row.extent != nil {
			c.edit(row.extent.lo, row.extent.hi)
		}
	}
	v.pending.dents = append(v.pending.dents, b.pending.dents...)
	v.pending.behind = newer(b.pending.behind, v.pending.behind)
	v.pending.orphans = newer(b.pending.orphans, v.pending.orphans)
	v.pending.manifest = newer(b.pending.manifest, v.pending.manifest)
	v.pending.kv = newer(b.pending.kv, v.pending.kv)
	v.namesBlocks = v.namesBlocks || b.blocks
}

// newer returns old with what now holds laid over it.
func newer[K comparable, V any](old, now map[K]V) map[K]V {
	maps.Copy(old, now)
	return old
}

// settleBatch unpins what is in the database now. v.mu is held.
func (v *Volume) settleBatch(b *batch) {
	v.saved = b.gen
	v.evictAt = int(v.o.CacheBytes)
	for i := range b.inodes {
		row := &b.inodes[i]
		if row.dead && row.in.gen <= v.saved {
			v.weight -= row.in.weight
			delete(v.inodes, row.ino)
		}
	}
	for _, d := range b.pending.dents {
		if d.gen > v.saved {
			continue
		}
		v.pinned.Delete(d)
		if d.ino == 0 && v.dents[d.key] == d {
			delete(v.dents, d.key)
			v.weight -= dentWeight
		}
	}
	if v.log.mem != nil {
		if err := v.log.mem.Trim(b.logged); err != nil {
			v.o.Log.Warn("trim session log", "err", err)
		}
	}
	v.wake.Broadcast()
}

// write makes a batch durable: the bytes, and with them the rows that name
// them, which count from the commit on, for which the bytes are waited.
func (v *Volume) write(ctx context.Context, b *batch) error {
	positions, err := v.journalPieces(b)
	if err != nil {
		return err
	}
	bytes := make(chan error, 1)
	go func() { bytes <- v.syncBytes(ctx, b, positions) }()
	err = v.writeRows(ctx, b, positions, sync.OnceValue(func() error { return <-bytes }))
	if err != nil {
		return err
	}
	for i := range b.inodes {
		if row := &b.inodes[i]; row.fresh {
			*row.content.saved = row.pieces
		}
	}
	if err := v.guard.saved(v.db); err != nil {
		v.o.Log.Warn("note save", "err", err)
	}
	return nil
}

// writeRows writes the rows of a batch in one transaction, which it commits when
// bytes returns nil. It does not return before bytes does.
func (v *Volume) writeRows(ctx context.Context, b *batch, positions []cache.JournalPos, bytes func() error) error {
	defer bytes() // after an error, too: what it uses is the caller's
	failed := func(err error) error {
		if ctx.Err() != nil {
			return ctx.Err() // which ended the transaction, and closed its statements
		}
		return full(err)
	}
	tx, err := v.db.w.BeginTx(ctx, nil)
	if err != nil {
		return failed(fmt.Errorf("begin: %w", err))
	}
	defer tx.Rollback()
	w := v.db.rowWriter(ctx, tx)
	err = w.batch(b, positions)
	if err == nil {
		err = w.value("save", v.guard.gen+1)
	}
	if err != nil {
		return failed(err)
	}
	if err := bytes(); err != nil {
		return err
	}
	failpoint.Hit(failpoint.MetaWriting)
	if err := tx.Commit(); err != nil {
		return failed(fmt.Errorf("commit: %w", err))
	}
	failpoint.Hit(failpoint.MetaCommitted)
	w.keep()
	return nil
}

// syncBytes makes durable what the rows of a batch name.
func (v *Volume) syncBytes(ctx context.Context, b *batch, positions []cache.JournalPos) error {
	if err := v.syncPieces(b, positions); err != nil {
		return err
	}
	if b.blocks {
		if err := v.o.Blocks.Sync(ctx); err != nil {
			return err
		}
	}
	failpoint.Hit(failpoint.SaveBytesDurable)
	return nil
}

// full makes SQLite's word for a full disk the system's.
func full(err error) error {
	var e sqlite3.Error
	if errors.As(err, &e) && (e.SystemErrno == syscall.ENOSPC || e.SystemErrno == syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", e.SystemErrno, err)
	}
	if e.Code == sqlite3.ErrFull {
		return fmt.Errorf("%w: %w", syscall.ENOSPC, err)
	}
	return err
}

// journalPieces appends the pieces that are in memory only to the journal, and
// returns the position of each. They are durable after syncPieces.
func (v *Volume) journalPieces(b *batch) ([]cache.JournalPos, error) {
	positions := make([]cache.JournalPos, len(b.pieces))
	for i, fp := range b.pieces {
		p := fp.piece
		positions[i] = p.Pos
		if p.Zero || p.Pos.Segment != 0 {
			continue
		}
		pos, err := v.journal.Append(p.Bytes())
		if err != nil {
			return nil, err
		}
		positions[i] = pos
	}
	return positions, nil
}

// syncPieces syncs the journal, if it has pieces of the batch that were in
// memory only, and notes where they stand.
func (v *Volume) syncPieces(b *batch, positions []cache.JournalPos) error {
	moved := func(i int) bool { return b.pieces[i].piece.Pos.Segment == 0 && positions[i].Segment != 0 }
	wrote := false
	for i := range b.pieces {
		wrote = wrote || moved(i)
	}
	if !wrote {
		return nil
	}
	if err := v.journal.Sync(); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	crowded := v.budget.Used() > v.o.DirtyBytes/4
	for i, fp := range b.pieces {
		if moved(i) {
			b.segments[positions[i].Segment] = true
			b.inodes[fp.row].content.fresh.Journaled(fp.piece, positions[i], crowded)
		}
	}
	return nil
}
