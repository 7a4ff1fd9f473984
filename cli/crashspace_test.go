package cli

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"

	"pifs/blockstore"
)

// tidy collects garbage and checks: then the stores hold what the block index
// names and nothing else. What the crash left unnamed has come back as space.
func (o *opened) tidy(ctx context.Context) error {
	if err := o.do(ctx, step{do: "sync"}); err != nil {
		return err // nothing is on its way into a row from here on
	}
	if _, err := o.engine.prune(ctx, pruneArgs{}, quiet); err != nil {
		return err
	}
	if err := o.check(ctx); err != nil {
		return err
	}
	named, err := o.namedShards(ctx)
	if err != nil {
		return fmt.Errorf("read the block index: %w", err)
	}
	for _, s := range o.engine.stack.stores {
		left, bytes := 0, 0
		err := s.List(ctx, func(id blockstore.ShardID, size int) error {
			if !named[id] {
				left, bytes = left+1, bytes+size
			}
			return nil
		})
		if err == nil && left > 0 {
			err = fmt.Errorf("%d shards of %d bytes that nothing names are never freed", left, bytes)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// namedShards reads from the file which shards the block index names, by the
// description of the format.
func (o *opened) namedShards(ctx context.Context) (named map[blockstore.ShardID]bool, err error) {
	path := (&url.URL{Path: o.engine.home.Path("cache", "blocks.db")}).EscapedPath()
	db, err := sql.Open("sqlite3", "file:"+path+"?_query_only=true&_busy_timeout=10000")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	rows, err := db.QueryContext(ctx, "SELECT row FROM blocks")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	named = map[blockstore.ShardID]bool{}
	for rows.Next() {
		var row []byte
		if err := rows.Scan(&row); err != nil {
			return nil, err
		}
		for i := range int(row[1]) {
			named[blockstore.ShardID(row[11+32*i:])] = true
		}
	}
	return named, rows.Err()
}
