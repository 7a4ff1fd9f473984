package cache

import (
	"context"
	"database/sql"
	"fmt"
	"sync"

	"pifs/blockstore"
)

// strayBackend is a Backend whose stores may hold strays: shards that were put
// before a crash and that may have no row. *swarm.Swarm is one.
type strayBackend interface {
	HasStrays(ctx context.Context) bool
	SweepStrays(ctx context.Context, hold sync.Locker, needed func(blockstore.ShardID) bool) (deleted int64, err error)
}

// A stray goes if no row names it. That is right only as long as every block
// that is needed has a row: each that is kept is looked up, and if one has none
// the strays stay until the index is whole again, for they may be its shards.
// Shards that are put meanwhile are noted with their rows: put and row happen
// under placing, which the sweep takes to begin and for every step.

// usualShards is how many shards a row names, about: it sizes a filter.
const usualShards = 8

// lookForStrays decides whether this collection is to sweep strays.
func (c *Collection) lookForStrays(ctx context.Context) {
	s, ok := c.b.backend.(strayBackend)
	c.strays = ok && s.HasStrays(ctx)
}

// keepsRow gives up on strays if the block addr, which is needed, has no row.
func (c *Collection) keepsRow(addr blockstore.Address) {
	if !c.strays {
		return
	}
	if e, err := c.b.index.lookup(c.b.life, addr); err != nil || e == nil {
		c.strays = false
		c.b.o.Log.Warn("the block index lacks a block that is needed; shards that a crash left stay until pifs check --repair", "block", addr, "err", err)
	}
}

// sweepStrays deletes the strays that no row names.
func (c *Collection) sweepStrays(ctx context.Context) error {
	if on, err := c.b.index.db.rebuilding(); err != nil || on || !c.strays {
		return err
	}
	c.noteShards()
	if err := c.nameRows(ctx); err != nil {
		return fmt.Errorf("sweep strays: %w", err)
	}
	n, err := c.b.backend.(strayBackend).SweepStrays(ctx, &c.b.placing, func(id blockstore.ShardID) bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.named.has(blockstore.Address(id))
	})
	if n > 0 {
		c.b.o.Log.Info("deleted shards that a crash left", "shards", n)
	}
	return err
}

// noteShards begins to note the shards of every row that is set.
func (c *Collection) noteShards() {
	c.b.placing.Lock()
	defer c.b.placing.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.named = newFilter(usualShards * c.b.index.totals().blocks)
}

// name notes the shards of a block.
func (c *Collection) name(e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.named == nil || e.state == gone {
		return
	}
	for _, id := range e.desc.Shards {
		c.named.add(blockstore.Address(id))
	}
}

// nameRows notes the shards of all rows, those in memory first: one that is
// written meanwhile is in the file then.
func (c *Collection) nameRows(ctx context.Context) error {
	for _, e := range c.b.index.unsavedRows() {
		c.name(e)
	}
	return c.b.index.db.rows(ctx, func(page []*entry) error {
		for _, e := range page {
			c.name(e)
		}
		return nil
	})
}

// setRow makes e the entry of its address, and tells a collection of it. The
// caller holds placing, for reading, and the address's lock.
func (b *Blocks) setRow(ctx context.Context, e *entry) error {
	if c := b.running.Load(); c != nil {
		c.name(e)
	}
	return b.index.set(ctx, e)
}

// unsavedRows returns the entries that wait for a round, or are in one.
func (x *index) unsavedRows() (all []*entry) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for _, m := range []map[blockstore.Address]*entry{x.pending, x.round} {
		for _, e := range m {
			all = append(all, e)
		}
	}
	return all
}

// rows calls fn with all rows, some at a time. One that cannot be read is
// ErrCorrupt.
func (db *indexDB) rows(ctx context.Context, fn func([]*entry) error) error {
	after := []byte{}
	for {
		page, err := db.rowPage(ctx, after)
		if err != nil {
			return sqlError(err)
		}
		if len(page) == 0 {
			return nil
		}
		if err := fn(page); err != nil {
			return err
		}
		last := page[len(page)-1].desc.Address
		after = last[:]
	}
}

func (db *indexDB) rowPage(ctx context.Context, after []byte) (page []*entry, err error) {
	rows, err := db.reader.QueryContext(ctx, "SELECT address, row FROM blocks WHERE address > ? ORDER BY address LIMIT 1024", after)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	return scanRows(rows)
}

// scanRows reads entries from a query of addresses and rows.
func scanRows(rows *sql.Rows) (page []*entry, err error) {
	for rows.Next() {
		var raw, row sql.RawBytes
		if err := rows.Scan(&raw, &row); err != nil {
			return nil, err
		}
		var addr blockstore.Address
		if len(raw) != len(addr) {
			return nil, fmt.Errorf("%w: address of %d bytes", blockstore.ErrCorrupt, len(raw))
		}
		copy(addr[:], raw)
		e, err := parseRow(addr, row)
		if err != nil {
			return nil, err
		}
		page = append(page, e)
	}
	return page, rows.Err()
}
