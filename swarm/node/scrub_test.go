package node_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pifs/blockstore"
	"pifs/blockstore/blocktest"
	"pifs/swarm/wire"
)

// inventory returns what the node owes proofs of.
func (r *rig) inventory() (out []blockstore.ShardID) {
	r.t.Helper()
	must(r.t, r.Inventory(bg, func(id blockstore.ShardID, size int) error {
		if size != 1000 {
			r.t.Errorf("shard %v of %d bytes", id, size)
		}
		out = append(out, id)
		return nil
	}))
	return out
}

func sorted(ids []blockstore.ShardID) []blockstore.ShardID {
	slices.SortFunc(ids, func(a, b blockstore.ShardID) int { return bytes.Compare(a[:], b[:]) })
	return ids
}

// TestScrub damages a shard on the disk: the node finds it, says so once, shows and
// owes it no more, gives no receipt for it, and takes it anew.
func TestScrub(t *testing.T) {
	r := newRig(t)
	for seed := range uint64(6) {
		must(t, r.put(0, seed))
	}
	if s, err := r.Scrub(bg, 0); err != nil || s.Shards != 6 || s.Bytes != 6000 || s.Bad != 0 {
		t.Fatalf("a sound node: %+v, %v", s, err)
	}
	must(t, r.Release(bg, r.users[0].ID, ids(5))) // in the trash
	if got := r.inventory(); !slices.Equal(got, sorted(ids(0, 1, 2, 3, 4))) {
		t.Fatalf("an inventory of %d shards", len(got))
	}
	must(t, r.Close())
	damage(t, r.dir, 2)
	r.open()
	for range 2 {
		if s, err := r.Scrub(bg, 1<<30); err != nil || s.Bad != 1 {
			t.Fatalf("scrubbed %+v, %v", s, err)
		}
	}
	if !slices.Equal(r.reported, ids(2)) {
		t.Fatalf("reported %v", r.reported)
	}
	if got := r.inventory(); !slices.Equal(got, sorted(ids(0, 1, 3, 4))) {
		t.Fatalf("an inventory of %d shards", len(got))
	}
	held, err := r.Has(bg, r.users[0].ID, &wire.Has{IDs: ids(2)})
	if err != nil || held.Tokens[0] != [32]byte{} {
		t.Fatalf("it shows a damaged shard: %v", err)
	}
	if which, err := r.Which(bg, r.users[0].ID, ids(1, 2)); err != nil || !slices.Equal(which, []bool{true, false}) {
		t.Fatalf("it says that it holds %v, %v", which, err)
	}
	if _, err := r.Sync(bg, r.users[0].ID, ids(1, 2)); !errors.Is(err, blockstore.ErrNotFound) {
		t.Fatalf("a receipt for a damaged shard: %v", err)
	}
	must(t, r.put(0, 2))
	if _, err := r.Sync(bg, r.users[0].ID, ids(1, 2)); err != nil || !r.has(2) {
		t.Fatalf("after it was put again: %v", err)
	}
	if s, err := r.Scrub(bg, 0); err != nil || s.Bad != 0 {
		t.Fatalf("scrubbed %+v, %v", s, err)
	}
}

// damage flips a bit of a shard in the files of the stores.
func damage(t *testing.T, dir string, seed uint64) {
	t.Helper()
	_, shard := blocktest.Shard(seed, 1000)
	files, err := filepath.Glob(filepath.Join(dir, "[ab]", "*"))
	must(t, err)
	for _, path := range files {
		b, err := os.ReadFile(path)
		must(t, err)
		if at := bytes.Index(b, shard); at >= 0 {
			b[at+500] ^= 4
			must(t, os.WriteFile(path, b, 0o600))
			return
		}
	}
	t.Fatal("the shard is in no file")
}

// TestLostDatabase removes a node's database: its shards are kept, whatever
// keep-sets say, and can be put and claimed as before.
func TestLostDatabase(t *testing.T) {
	r := newRig(t)
	for seed := range uint64(3) {
		must(t, r.put(0, seed))
	}
	must(t, r.Close())
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(filepath.Join(r.dir, "node.db"+suffix)); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	r.open()
	for range 4 {
		r.pass(30)
		must(t, r.keep(0))
	}
	if got := r.inventory(); !slices.Equal(got, sorted(ids(0, 1, 2))) {
		t.Fatalf("an inventory of %d shards", len(got))
	}
	must(t, r.put(0, 1))
	_, err := r.Sync(bg, r.users[0].ID, ids(1))
	must(t, err)
	must(t, r.Release(bg, r.users[0].ID, ids(1)))
	r.pass(60)
	for seed := range uint64(3) {
		if !r.has(seed) {
			t.Errorf("shard %d is gone", seed)
		}
	}
}
