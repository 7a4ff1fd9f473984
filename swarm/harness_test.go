package swarm

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"pifs/blockstore"
	"pifs/blockstore/blocktest"
)

// storeKind makes stores of one kind and knows how to damage them.
type storeKind struct {
	name   string
	make   func(t testing.TB) (s blockstore.Store, dir string)
	damage func(t testing.TB, s blockstore.Store, dir string, id blockstore.ShardID)
}

func storeKinds() []storeKind {
	return []storeKind{
		{"memory", func(testing.TB) (blockstore.Store, string) { return blocktest.NewMemory(), "" },
			func(t testing.TB, s blockstore.Store, _ string, id blockstore.ShardID) {
				if !s.(*blocktest.Memory).Damage(id) {
					t.Fatalf("shard %v is not there to be damaged", id)
				}
			}},
		{"pack", makePack, damagePack},
	}
}

func makePack(t testing.TB) (blockstore.Store, string) {
	dir := t.TempDir()
	p, err := blockstore.OpenPack(dir, blockstore.PackOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p, dir
}

// damagePack alters a shard where it stands in a pack file.
func damagePack(t testing.TB, s blockstore.Store, dir string, id blockstore.ShardID) {
	shard, err := s.Get(context.Background(), id, nil)
	if err != nil {
		t.Fatal(err)
	}
	packs, err := filepath.Glob(filepath.Join(dir, "pack-*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range packs {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		at := bytes.Index(raw, shard)
		if at < 0 {
			continue
		}
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteAt([]byte{shard[0] ^ 1}, int64(at)); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatalf("shard %v is in no pack of %s", id, dir)
}

// valve decides the faults of one store; it can be turned at any time.
type valve struct {
	mu     sync.Mutex
	faults map[string]blocktest.Fault // by call; "" for all others
}

func (v *valve) decide(call string) blocktest.Fault {
	v.mu.Lock()
	defer v.mu.Unlock()
	if f, ok := v.faults[call]; ok {
		return f
	}
	return v.faults[""]
}

func (v *valve) set(call string, f blocktest.Fault) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.faults == nil {
		v.faults = make(map[string]blocktest.Fault)
	}
	v.faults[call] = f
}

// rig is a swarm whose stores can be made to fail.
type rig struct {
	*Swarm
	kind   storeKind
	stores []blockstore.Store // without faults
	dirs   []string
	valves []*valve
}

func newRig(t testing.TB, kind storeKind, n int) *rig {
	t.Helper()
	r := &rig{kind: kind}
	var members []Member
	for i := range n {
		s, dir := kind.make(t)
		v := &valve{}
		r.stores, r.dirs, r.valves = append(r.stores, s), append(r.dirs, dir), append(r.valves, v)
		members = append(members, Member{
			ID: MemberID(fmt.Sprintf("member-%d", i)), Name: fmt.Sprint(i),
			Store: blocktest.NewFaulty(s, v.decide),
		})
	}
	var err error
	if r.Swarm, err = New(members, blockstore.Phi, nil); err != nil {
		t.Fatal(err)
	}
	return r
}

// allFaults makes every call of a store fail, or none.
func (r *rig) allFaults(store int, f blocktest.Fault) {
	for _, call := range []string{"", "put", "get", "has", "delete", "sync"} {
		r.valves[store].set(call, f)
	}
}

func (r *rig) damage(t testing.TB, store int, id blockstore.ShardID) {
	r.kind.damage(t, r.stores[store], r.dirs[store], id)
}

func (r *rig) remove(t testing.TB, store int, id blockstore.ShardID) {
	t.Helper()
	if err := r.stores[store].Delete(t.Context(), id); err != nil {
		t.Fatal(err)
	}
}

// order returns all members, by number, as placement ranks them for a block.
func (s *Swarm) order(addr blockstore.Address) []int {
	v := s.view.Load()
	return Place(addr, v.candidates, v.placing)
}

// held returns how many shards lie unharmed at their homes.
func (r *rig) held(t testing.TB, d blockstore.Descriptor) (n int) {
	order := r.order(d.Address)
	for i, id := range d.Shards {
		if _, err := r.stores[order[i]].Get(t.Context(), id, nil); err == nil {
			n++
		}
	}
	return n
}

func blockOf(seed, size int) (blockstore.Address, []byte) {
	_, b := blocktest.Shard(uint64(seed), size)
	return blockstore.AddressOf(b), b
}

func (r *rig) mustPut(t testing.TB, seed, size int) (blockstore.Descriptor, []byte) {
	t.Helper()
	addr, block := blockOf(seed, size)
	d, placed, err := r.Put(t.Context(), addr, block)
	if err != nil || placed != int(r.Class().N) {
		t.Fatalf("put: %d shards placed, %v", placed, err)
	}
	return d, block
}

func (r *rig) mustGet(t testing.TB, d blockstore.Descriptor, want []byte, wantDegraded bool) {
	t.Helper()
	got, degraded, err := r.Get(t.Context(), d, []byte("before"))
	if err != nil || string(got[:6]) != "before" || !bytes.Equal(got[6:], want) {
		t.Fatalf("get: %d bytes, %v", len(got), err)
	}
	if degraded != wantDegraded {
		t.Errorf("degraded: %v", degraded)
	}
	for _, part := range [][2]int{{0, len(want)}, {0, 1}, {len(want) - 1, 1}, {len(want) / 3, len(want)/3 + 1}} {
		r.rawGet(t, d, part[0], want[part[0]:part[0]+part[1]], wantDegraded)
	}
}

func (r *rig) rawGet(t testing.TB, d blockstore.Descriptor, off int, want []byte, mayDegrade bool) {
	t.Helper()
	raw, degraded, err := r.GetRaw(t.Context(), d, off, len(want))
	if err != nil {
		if !mayDegrade {
			t.Errorf("raw get of %d bytes at %d: %v", len(want), off, err)
		}
		return
	}
	defer raw.Release()
	if raw.Len() != len(want) {
		t.Errorf("raw get of %d bytes at %d: %d", len(want), off, raw.Len())
	}
	if !mayDegrade && (degraded || !bytes.Equal(raw.AppendTo(nil), want)) { // of degraded stripes it may be wrong
		t.Errorf("raw get of %d bytes at %d: degraded %v, or other bytes", len(want), off, degraded)
	}
}
