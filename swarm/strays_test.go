package swarm

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"pifs/blockstore"
	"pifs/blockstore/blocktest"
)

// killedMember makes a store that holds count shards and was killed before
// anything of that was indexed.
func killedMember(t *testing.T, name string, count int) (Member, []blockstore.ShardID) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	id, err := CreateLocal(dir)
	if err != nil {
		t.Fatal(err)
	}
	alive := OpenLocal(dir, id, nil)
	t.Cleanup(func() { alive.Close() })
	var ids []blockstore.ShardID
	for i := range count {
		id, shard := blocktest.Shard(uint64(i), 1000+i)
		if err := alive.Put(t.Context(), id, shard); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	killed := dir + "-killed"
	if err := os.CopyFS(killed, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	local := OpenLocal(killed, id, nil)
	t.Cleanup(func() { local.Close() })
	return Member{ID: id, Name: name, Store: local}, ids
}

// Strays that are not needed go, the others are settled; a member that does
// not answer keeps its own, and is named.
func TestSweepStrays(t *testing.T) {
	const count = 2*strayPage + 10
	var members []Member
	var ids []blockstore.ShardID
	for _, name := range []string{"first", "second", "away"} {
		m, held := killedMember(t, name, count)
		members, ids = append(members, m), held
	}
	s, err := New(members, blockstore.Phi, nil)
	if err != nil {
		t.Fatal(err)
	}
	away := members[2].Store.(*Local)
	if err := os.Rename(away.dir, away.dir+"-moved"); err != nil {
		t.Fatal(err)
	}
	needed := map[blockstore.ShardID]bool{}
	for i, id := range ids {
		needed[id] = i%3 == 0
	}
	if !s.HasStrays(t.Context()) {
		t.Error("no strays after a kill")
	}
	var hold sync.Mutex
	sweep := func() (int64, error) {
		return s.SweepStrays(t.Context(), &hold, func(id blockstore.ShardID) bool {
			if hold.TryLock() {
				t.Error("it asks what is needed without holding off puts")
			}
			return needed[id]
		})
	}
	n, err := sweep()
	if !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "store away") {
		t.Errorf("a member is away, and the sweep says %v", err)
	}
	if err := os.Rename(away.dir+"-moved", away.dir); err != nil {
		t.Fatal(err)
	}
	if err := s.Reopen(t.Context()); err != nil {
		t.Fatal(err)
	}
	more, err := sweep()
	if err != nil {
		t.Fatal(err)
	}
	want := int64(count - (count+2)/3)
	if n != 2*want || more != want {
		t.Errorf("deleted %d and then %d shards, want %d and %d", n, more, 2*want, want)
	}
	for _, m := range members {
		for _, id := range ids {
			if held, err := m.Store.Has(t.Context(), id); held != needed[id] || err != nil {
				t.Fatalf("store %s: shard held %v, needed %v, %v", m.Name, held, needed[id], err)
			}
		}
	}
	if s.HasStrays(t.Context()) {
		t.Error("strays are left after the sweep")
	}
}
