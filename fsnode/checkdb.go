package fsnode

import (
	"context"
	"database/sql"
	"fmt"
)

// database checks the metadata database: SQLite's own structure, that every
// row opens, that names and inodes agree.
func (c *checker) database(ctx context.Context) error {
	if !c.v.o.ReadOnly {
		if err := c.v.save(ctx); err != nil {
			c.problem(Problem{Path: "/", What: "cannot save: " + err.Error(), Lost: true})
		}
	}
	if err := c.v.vouched(ctx); err != nil {
		return c.spoiltDatabase(ctx, err.Error())
	}
	var verdict string
	if err := c.v.db.r.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict); err != nil || verdict != "ok" {
		if err != nil {
			verdict = err.Error()
		}
		return c.spoiltDatabase(ctx, verdict)
	}
	names, err := c.databaseNames(ctx)
	if err == nil {
		err = c.databaseInodes(ctx, names)
	}
	if err != nil && ctx.Err() == nil {
		return c.spoiltDatabase(ctx, err.Error())
	}
	return ctx.Err()
}

// spoiltDatabase reports a damaged database. With Repair it ends the check:
// whoever asked for it loads the database again, and checks that.
func (c *checker) spoiltDatabase(ctx context.Context, what string) error {
	if c.o.Repair && ctx.Err() == nil {
		return fmt.Errorf("%w: %s", ErrDatabase, what)
	}
	c.problem(Problem{Path: "/", What: "metadata database: " + what})
	return ctx.Err()
}

// databaseNames reads all directory entries and returns how many name each
// inode.
func (c *checker) databaseNames(ctx context.Context) (map[Ino]uint32, error) {
	names := map[Ino]uint32{}
	err := c.rows(ctx, "SELECT parent, h, v FROM dirent", func(parent, h int64, v []byte) error {
		var d dirent
		if err := c.v.db.open('d', uint64(parent), uint64(h), v, &d); err != nil {
			return err
		}
		names[d.Ino]++
		return nil
	})
	return names, err
}

func (c *checker) databaseInodes(ctx context.Context, names map[Ino]uint32) error {
	err := c.rows(ctx, "SELECT ino, 0, v FROM inode", func(ino, _ int64, v []byte) error {
		var r record
		if err := c.v.db.open('i', uint64(ino), 0, v, &r); err != nil {
			return err
		}
		have := names[Ino(ino)]
		delete(names, Ino(ino))
		want := r.Nlink
		if r.isDir() {
			want = min(1, r.Nlink)
		}
		if Ino(ino) == RootIno {
			want = 0
		}
		if have != want || int(have) != len(r.Links) {
			c.problem(Problem{Path: c.pathOf(&r), What: fmt.Sprintf("inode %d has %d names, its link count is %d", ino, have, want), Lost: true})
		}
		return nil
	})
	for ino, n := range names {
		c.problem(Problem{Path: fmt.Sprintf("inode %d", ino), What: fmt.Sprintf("%d names for an inode that is not there", n), Lost: true})
	}
	return err
}

// pathOf names an inode for people.
func (c *checker) pathOf(r *record) string {
	c.v.mu.Lock()
	defer c.v.mu.Unlock()
	return c.v.pathOf(r)
}

func (c *checker) rows(ctx context.Context, q string, fn func(a, b int64, v []byte) error) error {
	rows, err := c.v.db.r.QueryContext(ctx, q)
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
		if err := fn(a, b, v); err != nil {
			return err
		}
	}
	return rows.Err()
}
