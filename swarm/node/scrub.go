package node

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"pifs/blockstore"
)

// Scrubbed is what a scrub read.
type Scrubbed struct {
	Shards int64 `json:"shards"`
	Bytes  int64 `json:"bytes"`
	Bad    int64 `json:"bad"` // missing or damaged, those that were known included
}

// Add adds what another scrub found.
func (s *Scrubbed) Add(o Scrubbed) {
	s.Shards, s.Bytes, s.Bad = s.Shards+o.Shards, s.Bytes+o.Bytes, s.Bad+o.Bad
}

// scrubPage is how many shards are read between two notes of how far it got.
const scrubPage = 256

// scrubKey names the table's row of how far a scrub got.
const scrubKey = "scrub"

// Scrub reads all shards once, at most rate bytes in a second (0: as fast as it
// can), and checks them against their ids; it goes on where the last one was cut
// off. What is missing or damaged is reported and counts as not held until it
// is put again, or turns out sound after all.
func (n *Node) Scrub(ctx context.Context, rate int64) (s Scrubbed, err error) {
	if err := n.save(ctx); err != nil {
		return s, err
	}
	after, err := n.db.cursor(ctx, scrubKey)
	for more := true; err == nil && more; {
		var page []sized
		if page, err = n.db.sizes(ctx, after, scrubPage); err != nil {
			break
		}
		if more = len(page) > 0; !more {
			after = blockstore.ShardID{}
		}
		for _, r := range page {
			if err = n.inspect(ctx, r, rate, &s); err != nil {
				break
			}
			after = r.id
		}
		err = errors.Join(err, n.db.setCursor(scrubKey, after))
	}
	if err != nil {
		return s, fmt.Errorf("scrub: %w", err)
	}
	return s, nil
}

// inspect reads a shard, notes what it finds, and takes the time that it may take.
func (n *Node) inspect(ctx context.Context, r sized, rate int64, s *Scrubbed) error {
	began := time.Now()
	_, err := n.read(ctx, r.id, nil)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s.Shards, s.Bytes = s.Shards+1, s.Bytes+r.size
	switch {
	case err == nil:
		err = n.absolve(ctx, r.id)
	case errors.Is(err, blockstore.ErrNotFound):
		s.Bad++
		err = n.condemn(ctx, r.id, err)
	case errors.Is(err, blockstore.ErrCorrupt):
		s.Bad++
		err = nil // noted when it was read
	default:
		n.o.Log.Warn("a shard cannot be read", "err", err) // nobody knows whether it is bad
		err = nil
	}
	if err != nil || rate <= 0 {
		return err
	}
	timer := time.NewTimer(time.Duration(float64(r.size)/float64(rate)*float64(time.Second)) - time.Since(began))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// read is Get that notes damage.
func (n *Node) read(ctx context.Context, id blockstore.ShardID, dst []byte) ([]byte, error) {
	out, err := n.pack(id).Get(ctx, id, dst)
	if errors.Is(err, blockstore.ErrCorrupt) {
		err = errors.Join(err, n.condemn(ctx, id, err))
	}
	return out, err
}

// condemn notes that a shard is bad, and reports it the first time. One that has
// no row is nobody's, or was deleted meanwhile.
func (n *Node) condemn(ctx context.Context, id blockstore.ShardID, why error) error {
	var first int64
	err := n.db.change(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, "INSERT OR IGNORE INTO bad SELECT id, ?, ? FROM shard WHERE id=?", n.time.now(), why.Error(), id[:])
		if err != nil {
			return err
		}
		first, err = res.RowsAffected()
		return err
	})
	if err != nil {
		return fmt.Errorf("note bad shard %v: %w", id, err)
	}
	if first > 0 {
		n.o.Log.Warn("a shard is bad", "err", why)
		if n.o.Report != nil {
			n.o.Report(id, why)
		}
	}
	return nil
}

// absolve takes back that a shard is bad.
func (n *Node) absolve(ctx context.Context, id blockstore.ShardID) error {
	if bad, err := n.db.bad(ctx, id); err != nil || !bad {
		return err
	}
	if _, err := n.db.w.ExecContext(ctx, "DELETE FROM bad WHERE shard=?", id[:]); err != nil {
		return fmt.Errorf("note sound shard %v: %w", id, err)
	}
	return nil
}

// makeWay deletes the bytes of a shard that is known to be bad: a store does not
// replace what it holds.
func (n *Node) makeWay(ctx context.Context, id blockstore.ShardID) error {
	held, err := n.pack(id).Has(ctx, id)
	if err != nil || !held {
		return err
	}
	if bad, err := n.db.bad(ctx, id); err != nil || !bad {
		return err
	}
	if _, err := n.pack(id).Get(ctx, id, nil); !errors.Is(err, blockstore.ErrCorrupt) {
		return err // put again a moment ago
	}
	return n.pack(id).Delete(ctx, id)
}
