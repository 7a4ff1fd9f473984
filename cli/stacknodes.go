package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"pifs/blockstore"
	"pifs/swarm"
	"pifs/swarm/member"
	"pifs/swarm/wire"
)

// enoughNodes is how many nodes a swarm has before the stores of a home come to
// rest: with fewer, stripes would survive less than they do on them.
const enoughNodes = 3

// members returns who holds the shards of this home: its own stores, and the
// nodes of its swarm. Once these are enough they take what is new, and the stores
// only keep what they have; if they are not, or the home is about to leave, it is
// the other way round.
func (st *stack) members() []swarm.Member {
	nodes := st.nodes()
	rest := len(nodes) >= enoughNodes && !st.leaving.Load()
	var all []swarm.Member
	for i, c := range st.home.Config.Stores {
		all = append(all, swarm.Member{ID: swarm.MemberID(c.ID), Name: c.Path, Store: st.stores[i], Rests: rest, Own: true})
	}
	if !rest && !st.receipts.any() {
		return all // nothing was ever put to a node
	}
	for i := range nodes {
		nodes[i].Rests = !rest
	}
	return append(nodes, all...)
}

// nodes returns the nodes of the present record as stores.
func (st *stack) nodes() (out []swarm.Member) {
	if st.node == nil || st.node.gone() {
		return nil
	}
	rec := st.node.book.Current()
	for i := range rec.Entries {
		e := &rec.Entries[i]
		if e.Capacity == 0 {
			continue
		}
		out = append(out, swarm.Member{ID: e.ID, Name: nodeName(e), Store: st.nodeStore(e.ID), Weight: nodeWeight(e.Capacity),
			Site: swarm.Site{Operator: e.Operator, Jurisdiction: e.Jurisdiction}})
	}
	return out
}

// nodeName is how people tell nodes apart.
func nodeName(e *member.Entry) string {
	id := string(e.ID)
	return fmt.Sprintf("%s/%s…%s", e.Operator, e.Jurisdiction, id[max(0, len(id)-6):])
}

// nodeWeight is a node's share of shards: its capacity in steps of 1 GiB.
func nodeWeight(capacity uint64) uint32 {
	return uint32(min(max(capacity>>30, 1), 1<<20))
}

// nodeStore returns a node as a store, always the same one: this process's own,
// or one on the network.
func (st *stack) nodeStore(id swarm.MemberID) blockstore.Store {
	if s := st.remote[id]; s != nil {
		return s
	}
	var s blockstore.Store
	if id == st.node.identity.ID && st.node.shards != nil {
		s = st.node.shards.Own()
	} else {
		s = st.node.host.Store(id, st.receipts.keep)
	}
	st.remote[id] = s
	return s
}

// follow has the swarm know who belongs, until ctx ends.
func (st *stack) follow(ctx context.Context) {
	for {
		changed := st.node.book.Changed()
		st.regroup()
		st.blocks.Retry()
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}

// regroup has the swarm know who belongs now.
func (st *stack) regroup() {
	st.regrouping.Lock()
	defer st.regrouping.Unlock()
	if err := st.swarm.SetMembers(st.members()); err != nil {
		st.log.Warn("the members of the swarm are as before", "err", err)
	}
}

// receipts keeps what nodes signed, one after the other, each with the shards
// that it covers: evidence, should one of them be lost.
type receipts struct {
	path string

	mu   sync.Mutex
	file *os.File
}

// any reports whether a node ever signed one.
func (r *receipts) any() bool {
	_, err := os.Stat(r.path)
	return err == nil
}

// keep appends a receipt. It is durable with the system: who loses it loses
// evidence and no data.
func (r *receipts) keep(receipt wire.Receipt, ids []blockstore.ShardID) error {
	b, err := blockstore.Marshal(&receipt)
	if err != nil {
		return err
	}
	b = append([]byte{byte(len(b) >> 8), byte(len(b))}, b...)
	for i := range ids {
		b = append(b, ids[i][:]...)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file == nil {
		if err := blockstore.MakeDir(filepath.Dir(r.path)); err != nil {
			return fmt.Errorf("keep receipt: %w", err)
		}
		if r.file, err = os.OpenFile(r.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600); err != nil {
			return fmt.Errorf("keep receipt: %w", err)
		}
	}
	if _, err := r.file.Write(b); err != nil {
		return fmt.Errorf("keep receipt: %w", err)
	}
	return nil
}

func (r *receipts) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file == nil {
		return nil
	}
	f := r.file
	r.file = nil
	return errors.Join(f.Sync(), f.Close())
}
