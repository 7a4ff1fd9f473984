package node_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"pifs/blockstore"
	"pifs/blockstore/blocktest"
	"pifs/swarm"
	"pifs/swarm/decide"
	"pifs/swarm/node"
	"pifs/swarm/wire"
)

var bg = context.Background()

// rig is a node with a clock that the test moves.
type rig struct {
	t        testing.TB
	dir      string
	id       swarm.Identity
	users    []swarm.Identity
	clock    int64 // what the wall clock shows
	passed   int64 // seconds that really passed
	periods  decide.Lease
	seq      uint64
	reported []blockstore.ShardID // as bad
	*node.Node
}

const day = 24 * 3600

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), clock: 1_800_000_000, periods: decide.Lease{Lease: 31 * day, Grace: 7 * day, Trash: 14 * day}}
	for i := range 4 {
		id, err := swarm.CreateIdentity(t.TempDir())
		must(t, err)
		if i == 0 {
			r.id = id
		} else {
			r.users = append(r.users, id)
		}
	}
	r.open()
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func (r *rig) open() {
	r.t.Helper()
	var err error
	r.Node, err = node.Open(node.Options{
		Dir: r.dir, Stores: []string{filepath.Join(r.dir, "a"), filepath.Join(r.dir, "b")}, Identity: r.id,
		Capacity: 1 << 20, Periods: r.periods, Now: func() int64 { return r.clock },
		Elapsed: func() time.Duration { return time.Duration(r.passed) * time.Second },
		Report:  func(id blockstore.ShardID, _ error) { r.reported = append(r.reported, id) },
	})
	must(r.t, err)
}

// put puts shard seed as a block of its own.
func (r *rig) put(user int, seed uint64) error {
	id, shard := blocktest.Shard(seed, 1000)
	p := &wire.Put{Stripe: blockstore.Descriptor{Address: blockstore.Address(id), Class: blockstore.Class{K: 1, N: 1}, Length: 1000, Shards: []blockstore.ShardID{id}}}
	return r.Put(bg, r.users[user].ID, p, shard)
}

func (r *rig) has(seed uint64) bool {
	id, _ := blocktest.Shard(seed, 1000)
	_, err := r.Get(bg, r.users[0].ID, id, nil)
	if err != nil && !errors.Is(err, blockstore.ErrNotFound) {
		r.t.Fatal(err)
	}
	return err == nil
}

func (r *rig) keep(user int, seeds ...uint64) error {
	r.seq++
	var ids []blockstore.ShardID
	for _, s := range seeds {
		id, _ := blocktest.Shard(s, 1000)
		ids = append(ids, id)
	}
	k, filter := node.NewKeepSet(r.users[user].ID, r.id.ID, r.seq, r.clock, ids)
	must(r.t, k.Sign(r.users[user].Key))
	return r.Keep(bg, r.users[user].ID, k, filter)
}

// wait lets seconds pass.
func (r *rig) wait(seconds int64) {
	r.clock += seconds
	r.passed += seconds
}

// pass lets days pass, with a sweep in each.
func (r *rig) pass(days int) {
	r.t.Helper()
	for range days {
		r.wait(day)
		_, err := r.Sweep(bg)
		must(r.t, err)
	}
}

func ids(seeds ...uint64) (out []blockstore.ShardID) {
	for _, s := range seeds {
		id, _ := blocktest.Shard(s, 1000)
		out = append(out, id)
	}
	return out
}

// TestReceiptSurvives: what a receipt covers is there after the node was opened
// again, with its claims; nobody gets a receipt for what he did not claim.
func TestReceiptSurvives(t *testing.T) {
	r := newRig(t)
	for seed := range uint64(20) {
		must(t, r.put(0, seed))
	}
	receipt, err := r.Sync(bg, r.users[0].ID, ids(1, 2, 3))
	must(t, err)
	must(t, receipt.Verify())
	if !receipt.Covers(ids(3, 2, 1)) {
		t.Error("the receipt covers something else")
	}
	if _, err := r.Sync(bg, r.users[1].ID, ids(1)); !errors.Is(err, blockstore.ErrNotFound) {
		t.Errorf("a receipt for somebody else's shard: %v", err)
	}
	must(t, r.Close())
	r.open()
	if _, err := r.Sync(bg, r.users[0].ID, ids(1, 2, 3)); err != nil {
		t.Error(err)
	}
	for seed := range uint64(20) {
		if !r.has(seed) {
			t.Errorf("shard %d is gone", seed)
		}
	}
}

// TestClaimByToken: who shows that it has a shard need not put it; and then it
// stays when the other gives it up.
func TestClaimByToken(t *testing.T) {
	r := newRig(t)
	must(t, r.put(0, 1))
	id, shard := blocktest.Shard(1, 1000)
	h := &wire.Has{Nonce: [32]byte{1}, IDs: []blockstore.ShardID{id, {9}}, Claim: true}
	held, err := r.Has(bg, r.users[1].ID, h)
	must(t, err)
	if held.Tokens[0] != wire.Token(r.users[1].ID, r.id.ID, h.Nonce, held.Nonce, id, shard) || held.Tokens[1] != [32]byte{} {
		t.Error("tokens are wrong")
	}
	_, err = r.Sync(bg, r.users[1].ID, ids(1))
	must(t, err)
	must(t, r.Release(bg, r.users[0].ID, ids(1)))
	r.pass(100)
	if !r.has(1) {
		t.Error("the shard of one was deleted when another gave it up")
	}
	must(t, r.Release(bg, r.users[1].ID, ids(1)))
	r.pass(13)
	if !r.has(1) {
		t.Error("it left the trash too soon")
	}
	r.pass(2)
	if r.has(1) {
		t.Error("it stayed in the trash")
	}
}

func TestUndelete(t *testing.T) {
	r := newRig(t)
	must(t, r.put(0, 1))
	must(t, r.Release(bg, r.users[0].ID, ids(1)))
	trash, err := r.Trash(bg, r.users[0].ID, &wire.Trash{Limit: 10})
	if err != nil || len(trash.Items) != 1 || trash.Items[0].ID != ids(1)[0] || trash.Items[0].Until-trash.Items[0].Since != 14*day {
		t.Fatalf("trash %+v, %v", trash, err)
	}
	for _, try := range []struct {
		user  int
		count uint32
	}{{1, 0}, {0, 1}, {0, 0}} {
		if got, err := r.Undelete(bg, r.users[try.user].ID, ids(1)); err != nil || got.Count != try.count {
			t.Errorf("user %d brings back %v, %v", try.user, got, err)
		}
	}
	r.pass(30)
	if !r.has(1) {
		t.Error("what was brought back is gone")
	}
}

// TestLease: a claim that two keep-sets leave out ends when lease and grace are
// over; one alone, or none, ends nothing.
func TestLease(t *testing.T) {
	r := newRig(t)
	for seed := range uint64(3) {
		must(t, r.put(0, seed))
	}
	must(t, r.put(1, 2)) // who says nothing
	r.wait(60)
	must(t, r.keep(0, 1))
	r.pass(60)
	if !r.has(0) {
		t.Fatal("one keep-set was enough")
	}
	must(t, r.keep(0, 1))
	if err := r.keep(1); err != nil {
		t.Fatal(err)
	}
	r.seq -= 2
	if err := r.keep(0); !errors.Is(err, wire.ErrRefused) {
		t.Errorf("an old keep-set: %v", err)
	}
	r.pass(60)
	for seed, want := range map[uint64]bool{0: false, 1: true, 2: true} {
		if r.has(seed) != want {
			t.Errorf("shard %d is held: %v", seed, !want)
		}
	}
}

// TestClockJumps sets the machine's clock a year ahead and back, again and again,
// beside a node that runs and between two runs: neither lease nor trash ends early,
// and both end when their time has come.
func TestClockJumps(t *testing.T) {
	r := newRig(t)
	must(t, r.put(0, 0))
	for range 2 {
		r.wait(60)
		must(t, r.keep(0))
	}
	jumps := func() {
		for _, jump := range []int64{365, -365, 365, -365, 365, -730, 365} {
			r.clock += jump * day
			for range 60 {
				_, err := r.Sweep(bg)
				must(t, err)
			}
			must(t, r.Close())
			r.open()
			_, err := r.Sweep(bg)
			must(t, err)
		}
	}
	thrown := func() int {
		trash, err := r.Trash(bg, r.users[0].ID, &wire.Trash{Limit: 10})
		must(t, err)
		return len(trash.Items)
	}
	jumps()
	r.pass(36) // a start adds a day once, since the clock may be right
	if thrown() != 0 {
		t.Fatal("a claim ended early")
	}
	r.pass(2)
	if thrown() != 1 || !r.has(0) {
		t.Fatal("a claim did not end")
	}
	jumps()
	r.pass(13)
	if !r.has(0) {
		t.Fatal("it left the trash early")
	}
	r.pass(2)
	if r.has(0) {
		t.Fatal("it stayed in the trash")
	}
}

func TestFull(t *testing.T) {
	r := newRig(t)
	var err error
	held := uint64(0)
	for ; err == nil && held < 2000; held++ {
		err = r.put(0, held)
	}
	if !errors.Is(err, syscall.ENOSPC) || held < 1000 {
		t.Errorf("after %d shards: %v", held, err)
	}
	if !r.has(0) || !r.has(held-2) || r.has(held-1) {
		t.Error("something was lost, or taken all the same")
	}
}

// TestNothingClaimedGoes drives a node with random calls of three users, time,
// and restarts, beside a model that knows for each user what it wants: that is
// never deleted.
func TestNothingClaimedGoes(t *testing.T) {
	rapid.Check(t, func(k *rapid.T) {
		r := newRig(t)
		defer r.Close()
		r.periods = decide.Lease{Lease: 5 * day, Grace: day, Trash: 2 * day}
		must(t, r.Close())
		r.open()
		wants := make([]map[uint64]bool, len(r.users))
		for i := range wants {
			wants[i] = map[uint64]bool{}
		}
		list := func(user int) (out []uint64) {
			for seed := range wants[user] {
				out = append(out, seed)
			}
			return out
		}
		user := func() int { return rapid.IntRange(0, len(r.users)-1).Draw(k, "user") }
		seed := func() uint64 { return rapid.Uint64Range(0, 7).Draw(k, "shard") }
		k.Repeat(map[string]func(*rapid.T){
			"put": func(*rapid.T) { u, s := user(), seed(); must(t, r.put(u, s)); wants[u][s] = true },
			"release": func(*rapid.T) {
				u, s := user(), seed()
				must(t, r.Release(bg, r.users[u].ID, ids(s)))
				delete(wants[u], s)
			},
			"lose interest": func(*rapid.T) { delete(wants[user()], seed()) }, // the next keep-sets say so
			"claim": func(*rapid.T) {
				u, s := user(), seed()
				held, err := r.Has(bg, r.users[u].ID, &wire.Has{IDs: ids(s), Claim: true})
				must(t, err)
				if held.Tokens[0] != [32]byte{} {
					wants[u][s] = true
				}
			},
			"keep":       func(*rapid.T) { u := user(); must(t, r.keep(u, list(u)...)) },
			"day":        func(*rapid.T) { r.pass(rapid.IntRange(1, 4).Draw(k, "days")) },
			"open again": func(*rapid.T) { must(t, r.Close()); r.open() },
			"": func(*rapid.T) {
				for u := range wants {
					for s := range wants[u] {
						if !r.has(s) {
							k.Fatalf("shard %d is gone, and user %d wants it", s, u)
						}
					}
				}
			},
		})
	})
}

// TestOrphansGo: a shard whose claim was not saved before the process ended is
// deleted when it begins again.
func TestOrphansGo(t *testing.T) {
	r := newRig(t)
	must(t, r.Close())
	pack, err := blockstore.OpenPack(filepath.Join(r.dir, "a"), blockstore.PackOptions{})
	must(t, err)
	id, shard := blocktest.Shard(5, 1000)
	must(t, pack.Put(bg, id, shard))
	must(t, pack.Close())
	r.open()
	must(t, r.put(0, 6))
	s, err := r.Sweep(bg)
	if err != nil || s.Orphans != 1 || !r.has(6) {
		t.Errorf("swept %+v, %v", s, err)
	}
	again, err := r.Sweep(bg)
	if err != nil || again.Orphans != 0 {
		t.Errorf("swept %+v, %v", again, err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(fmt.Errorf("%w", err))
	}
}
