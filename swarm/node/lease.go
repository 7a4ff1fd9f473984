package node

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"

	"pifs/blockstore"
	"pifs/swarm"
	"pifs/swarm/decide"
	"pifs/swarm/wire"
)

// Release implements wire.KeepServer: shards that nobody claims any more go to
// the trash.
func (n *Node) Release(ctx context.Context, from swarm.MemberID, ids []blockstore.ShardID) error {
	if err := n.save(ctx); err != nil {
		return err
	}
	return n.db.change(ctx, func(tx *sql.Tx) error {
		known := principals{}
		p, err := known.number(ctx, tx, from)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if err := n.drop(ctx, tx, id, p, math.MaxInt64, "released"); err != nil {
				return err
			}
		}
		return nil
	})
}

// drop ends a claim that is not from after a time, and puts the shard into the
// trash if it was the last.
func (n *Node) drop(ctx context.Context, tx *sql.Tx, id blockstore.ShardID, principal, before int64, why string) error {
	now := n.time.now()
	done, err := tx.ExecContext(ctx, "DELETE FROM claim WHERE shard=? AND principal=? AND at<=?", id[:], principal, before)
	if err != nil {
		return fmt.Errorf("drop claim: %w", err)
	}
	if gone, err := done.RowsAffected(); err != nil || gone == 0 {
		return err
	}
	res, err := tx.ExecContext(ctx, "INSERT OR IGNORE INTO trash SELECT ?,?,?,? WHERE NOT EXISTS (SELECT 1 FROM claim WHERE shard=?)",
		id[:], now, now+n.o.Periods.Trash, principal, id[:])
	if err != nil {
		return fmt.Errorf("throw shard away: %w", err)
	}
	if thrown, err := res.RowsAffected(); err != nil || thrown == 0 {
		return err
	}
	return journal(ctx, tx, now, id, why)
}

func journal(ctx context.Context, tx *sql.Tx, now int64, id blockstore.ShardID, what string) error {
	if _, err := tx.ExecContext(ctx, "INSERT INTO journal(at, shard, what) VALUES(?,?,?)", now, id[:], what); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	return nil
}

// Keep implements wire.KeepServer. A set renews the claims to what it names.
func (n *Node) Keep(ctx context.Context, from swarm.MemberID, k *wire.KeepSet, filter []byte) error {
	if k.Principal != from || k.Node != n.o.Identity.ID {
		return fmt.Errorf("keep-set of %s for %s: %w", k.Principal, k.Node, wire.ErrRefused)
	}
	if err := errors.Join(k.Check(), k.Verify(filter)); err != nil {
		return err
	}
	if err := n.save(ctx); err != nil {
		return err
	}
	head, err := blockstore.Marshal(k)
	if err != nil {
		return err
	}
	return n.db.change(ctx, func(tx *sql.Tx) error {
		p, err := principals{}.number(ctx, tx, from)
		if err != nil {
			return err
		}
		var last sql.NullInt64
		if err := tx.QueryRowContext(ctx, "SELECT max(seq) FROM keepset WHERE principal=?", p).Scan(&last); err != nil {
			return fmt.Errorf("read keep-sets: %w", err)
		}
		if last.Valid && k.Seq <= uint64(last.Int64) || k.Seq > 1<<62 {
			return fmt.Errorf("keep-set %d comes after %d: %w", k.Seq, last.Int64, wire.ErrRefused)
		}
		_, err1 := tx.ExecContext(ctx, "INSERT INTO keepset VALUES(?,?,?,?,?)", p, int64(k.Seq), n.time.now(), head, filter)
		_, err2 := tx.ExecContext(ctx, "DELETE FROM keepset WHERE principal=? AND seq NOT IN (SELECT seq FROM keepset WHERE principal=? ORDER BY seq DESC LIMIT 2)", p, p)
		if err := errors.Join(err1, err2); err != nil {
			return fmt.Errorf("store keep-set: %w", err)
		}
		return nil
	})
}

// Trash implements wire.KeepServer.
func (n *Node) Trash(ctx context.Context, from swarm.MemberID, t *wire.Trash) (*wire.Trashed, error) {
	rows, err := n.db.r.QueryContext(ctx, `SELECT t.shard, s.size, t.since, t.until FROM trash t JOIN shard s ON s.id=t.shard
		WHERE t.shard>? AND t.principal=(SELECT n FROM principal WHERE id=?) ORDER BY t.shard LIMIT ?`, t.After[:], string(from), min(int(t.Limit), wire.MaxIDs))
	if err != nil {
		return nil, fmt.Errorf("list trash: %w", err)
	}
	defer rows.Close()
	out := &wire.Trashed{}
	for rows.Next() {
		var item wire.TrashItem
		var id []byte
		if err := rows.Scan(&id, &item.Size, &item.Since, &item.Until); err != nil {
			return nil, fmt.Errorf("list trash: %w", err)
		}
		copy(item.ID[:], id)
		out.Items = append(out.Items, item)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list trash: %w", err)
	}
	return out, nil
}

// Undelete implements wire.KeepServer: only who threw a shard away brings it
// back so; others put it again.
func (n *Node) Undelete(ctx context.Context, from swarm.MemberID, ids []blockstore.ShardID) (*wire.Undeleted, error) {
	out := &wire.Undeleted{}
	err := n.db.change(ctx, func(tx *sql.Tx) error {
		p, err := principals{}.number(ctx, tx, from)
		if err != nil {
			return err
		}
		for _, id := range ids {
			res, err := tx.ExecContext(ctx, "DELETE FROM trash WHERE shard=? AND principal=?", id[:], p)
			if err != nil {
				return fmt.Errorf("undelete: %w", err)
			}
			back, err := res.RowsAffected()
			if err != nil || back == 0 {
				continue
			}
			out.Count++
			if _, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO claim VALUES(?,?,?)", id[:], p, n.time.now()); err != nil {
				return fmt.Errorf("undelete: %w", err)
			}
			if err := journal(ctx, tx, n.time.now(), id, "undeleted"); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

// Swept is what a sweep did.
type Swept struct {
	Orphans int64 `json:"orphans"` // shards that a crash left without a claim
	Expired int64 `json:"expired"` // claims that ended
	Deleted int64 `json:"deleted"` // shards that left the trash
}

// Add adds what another sweep did.
func (s *Swept) Add(o Swept) {
	s.Orphans, s.Expired, s.Deleted = s.Orphans+o.Orphans, s.Expired+o.Expired, s.Deleted+o.Deleted
}

// sweepPage is how many rows a sweep looks at in one transaction.
const sweepPage = 1000

// Sweep ends claims whose leases ran out and deletes what has been in the trash
// long enough. It is to be called now and then, and may be cut off anywhere.
func (n *Node) Sweep(ctx context.Context) (s Swept, err error) {
	if err := n.save(ctx); err != nil {
		return s, err
	}
	now := n.time.now()
	err = n.db.keepTime(n.time.read())
	if err == nil && !n.tidied.Load() {
		if s.Orphans, err = n.dropOrphans(ctx); err == nil {
			n.tidied.Store(true)
		}
	}
	if err == nil {
		s.Expired, err = n.expire(ctx, now)
	}
	if err == nil {
		s.Deleted, err = n.empty(ctx, now)
	}
	if err != nil {
		return s, fmt.Errorf("sweep: %w", err)
	}
	return s, nil
}

// expire ends the claims that have expired, principal by principal.
func (n *Node) expire(ctx context.Context, now int64) (ended int64, err error) {
	all, err := n.db.principals(ctx)
	if err != nil {
		return 0, err
	}
	for _, p := range all {
		sets, err := n.db.keepSets(ctx, p)
		if err != nil || len(sets) < 2 {
			if err != nil {
				return ended, err
			}
			continue
		}
		count, err := n.expireOf(ctx, p, sets, now)
		ended += count
		if err != nil {
			return ended, err
		}
	}
	return ended, nil
}

// keepSet is a keep-set as the database has it.
type keepSet struct {
	wire.KeepSet
	came   int64
	filter []byte
}

// expireOf looks at all old claims of a principal, a page at a time. A claim
// that a set names is renewed.
func (n *Node) expireOf(ctx context.Context, p int64, sets []keepSet, now int64) (ended int64, err error) {
	var after blockstore.ShardID
	for {
		page, err := n.db.oldClaims(ctx, p, after, now-n.o.Periods.Lease)
		if err != nil || len(page) == 0 {
			return ended, err
		}
		after = page[len(page)-1].shard
		err = n.db.change(ctx, func(tx *sql.Tx) error {
			// A set that came since may name what these leave out. Claims that were
			// renewed since are told by their time.
			if fresh, err := haveNewer(ctx, tx, p, sets[0].Seq); err != nil || fresh {
				return err
			}
			for _, c := range page {
				known := decide.Claimed{At: c.at}
				renewed := int64(0)
				for _, s := range sets {
					named := names(s.Hashes, s.filter, c.shard)
					known.Sets = append(known.Sets, decide.KeepSet{Made: s.Made, Came: s.came, Names: named})
					if named {
						renewed = max(renewed, min(s.Made, s.came))
					}
				}
				switch {
				case n.o.Periods.Expired(known, now):
					ended++
					if err := n.drop(ctx, tx, c.shard, p, c.at, "expired"); err != nil {
						return err
					}
				case renewed > c.at:
					if _, err := tx.ExecContext(ctx, "UPDATE claim SET at=? WHERE shard=? AND principal=? AND at<?", renewed, c.shard[:], p, renewed); err != nil {
						return fmt.Errorf("renew claim: %w", err)
					}
				}
			}
			return nil
		})
		if err != nil {
			return ended, err
		}
	}
}

// haveNewer reports whether a principal has sent a keep-set after seq.
func haveNewer(ctx context.Context, tx *sql.Tx, principal int64, seq uint64) (bool, error) {
	var count int
	err := tx.QueryRowContext(ctx, "SELECT count(*) FROM keepset WHERE principal=? AND seq>?", principal, int64(seq)).Scan(&count)
	if err != nil {
		return false, fmt.Errorf("read keep-sets: %w", err)
	}
	return count > 0, nil
}

// empty deletes what has been in the trash long enough. Nobody puts or claims
// between the question whether a shard is claimed and its deletion.
func (n *Node) empty(ctx context.Context, now int64) (deleted int64, err error) {
	for {
		page, err := n.db.oldTrash(ctx, now)
		if err != nil || len(page) == 0 {
			return deleted, err
		}
		for _, id := range page {
			did, err := n.delete(ctx, id, now)
			if err != nil {
				return deleted, err
			}
			if did {
				deleted++
			}
		}
	}
}

// delete deletes a shard from the trash, unless it was claimed or brought back
// since the trash was read.
func (n *Node) delete(ctx context.Context, id blockstore.ShardID, now int64) (did bool, err error) {
	unlock := n.standStill()
	defer unlock()
	if n.isPending(id) { // claimed since: the next save takes it out of the trash, too
		return false, n.db.change(ctx, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, "DELETE FROM trash WHERE shard=?", id[:])
			return err
		})
	}
	// The rows go first: shards without rows are found, rows without shards lie.
	err = n.db.change(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, "DELETE FROM trash WHERE shard=? AND until<=? AND NOT EXISTS (SELECT 1 FROM claim WHERE shard=?)", id[:], now, id[:])
		if err != nil {
			return err
		}
		if gone, err := res.RowsAffected(); err != nil || gone == 0 {
			return err
		}
		did = true
		_, err1 := tx.ExecContext(ctx, "DELETE FROM shard WHERE id=?", id[:])
		_, err2 := tx.ExecContext(ctx, "DELETE FROM bad WHERE shard=?", id[:])
		return errors.Join(err1, err2, journal(ctx, tx, now, id, "deleted"))
	})
	if err != nil {
		return false, fmt.Errorf("delete shard %v: %w", id, err)
	}
	if !did {
		return false, nil
	}
	return true, n.pack(id).Delete(ctx, id)
}

// standStill waits until nothing is being put, claimed or saved, and holds that
// up: what is claimed is in the database or pending.
func (n *Node) standStill() (unlock func()) {
	n.saving.Lock()
	n.putting.Lock()
	return func() {
		n.putting.Unlock()
		n.saving.Unlock()
	}
}

// dropOrphans deletes shards that are in no table: the process ended between
// the shard and its claim, or between the row and the shard. That happens once,
// when it begins. A store that the database sees for the first time may be older
// than the database, which was lost then: its shards are adopted.
func (n *Node) dropOrphans(ctx context.Context) (dropped int64, err error) {
	for i, pack := range n.packs {
		known, err := n.db.knowsStore(ctx, n.o.Stores[i])
		if err != nil {
			return dropped, err
		}
		err = pack.List(ctx, func(id blockstore.ShardID, size int) error {
			did, err := n.settleOrphan(ctx, pack, id, size, !known)
			if did && known {
				dropped++
			}
			return errors.Join(err, n.relieve(ctx))
		})
		if err == nil && !known {
			err = n.adoptStore(ctx, n.o.Stores[i])
		}
		if err != nil {
			return dropped, err
		}
	}
	return dropped, nil
}

// settleOrphan deletes a shard without a row, or adopts it: nobody in particular
// claims it then, so that it is kept until somebody who knows takes it away.
func (n *Node) settleOrphan(ctx context.Context, pack *blockstore.Pack, id blockstore.ShardID, size int, adopt bool) (did bool, err error) {
	if known, err := n.db.knows(ctx, id); err != nil || known {
		return false, err
	}
	unlock := n.standStill()
	defer unlock()
	if n.isPending(id) {
		return false, nil
	}
	if known, err := n.db.knows(ctx, id); err != nil || known {
		return false, err
	}
	if adopt {
		n.note(claimKey{id, nobody}, claim{size: size})
		return true, nil
	}
	return true, pack.Delete(ctx, id)
}

// adoptStore notes that all shards of a store have rows.
func (n *Node) adoptStore(ctx context.Context, dir string) error {
	if err := n.save(ctx); err != nil {
		return err
	}
	return n.db.change(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO kv VALUES(?, 1)", storeKey(dir))
		return err
	})
}

// isPending reports whether a claim waits for the next save.
func (n *Node) isPending(id blockstore.ShardID) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for k := range n.pending {
		if k.shard == id {
			return true
		}
	}
	return false
}
