package swarm

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"pifs/blockstore"
	"pifs/blockstore/blocktest"
)

func TestPutThenGetForEveryNumberOfStores(t *testing.T) {
	kind := storeKinds()[0]
	for n := 1; n <= 36; n++ {
		r := newRig(t, kind, n)
		for i, size := range []int{blockstore.MinBlock, 1000, 300_001} {
			d, block := r.mustPut(t, i, size)
			if got := r.held(t, d); got != int(r.Class().N) {
				t.Errorf("%d stores: %d shards at their homes", n, got)
			}
			r.mustGet(t, d, block, false)
		}
	}
	if _, err := New(nil, blockstore.Phi, nil); err == nil {
		t.Error("a swarm without members")
	}
	twin := Member{ID: "a", Store: blocktest.NewMemory()}
	if _, err := New([]Member{twin, twin}, blockstore.Phi, nil); err == nil {
		t.Error("a swarm with one member twice")
	}
}

// Every way in which a shard can be unavailable, at every set of stores.
func TestGetWithoutSomeStores(t *testing.T) {
	harms := map[string]func(t *testing.T, r *rig, store int, id blockstore.ShardID){
		"missing":     func(t *testing.T, r *rig, store int, id blockstore.ShardID) { r.remove(t, store, id) },
		"corrupt":     func(t *testing.T, r *rig, store int, id blockstore.ShardID) { r.damage(t, store, id) },
		"not applied": func(t *testing.T, r *rig, store int, _ blockstore.ShardID) { r.allFaults(store, blocktest.NotApplied) },
		"lost reply":  func(t *testing.T, r *rig, store int, _ blockstore.ShardID) { r.allFaults(store, blocktest.LostReply) },
	}
	for _, kind := range storeKinds() {
		for name, harm := range harms {
			t.Run(kind.name+"/"+name, func(t *testing.T) {
				r := newRig(t, kind, 5)
				for set := range 1 << 5 {
					hurtSet(t, r, set, harm)
				}
			})
		}
	}
}

// hurtSet stores a block, harms the shards whose bits are in set, and reads.
func hurtSet(t *testing.T, r *rig, set int, harm func(*testing.T, *rig, int, blockstore.ShardID)) {
	for i := range r.valves {
		r.allFaults(i, blocktest.OK)
	}
	d, block := r.mustPut(t, set, 5000+set)
	order, left := r.order(d.Address), 5
	for i, id := range d.Shards {
		if set&(1<<i) != 0 {
			harm(t, r, order[i], id)
			left--
		}
	}
	if left >= 3 {
		r.mustGet(t, d, block, set&0b111 != 0)
		return
	}
	if _, _, err := r.Get(t.Context(), d, nil); !errors.Is(err, blockstore.ErrLost) {
		t.Errorf("shards %05b away: %v", set, err)
	}
}

// A put that fails, in effect or not, at every set of stores: what is reported
// is never more than what is there.
func TestPutWithoutSomeStores(t *testing.T) {
	for _, kind := range storeKinds() {
		for _, fault := range []blocktest.Fault{blocktest.NotApplied, blocktest.LostReply} {
			r := newRig(t, kind, 5)
			for set := range 1 << 5 {
				down := 0
				for i, v := range r.valves {
					v.set("put", blocktest.OK)
					if set&(1<<i) != 0 {
						v.set("put", fault)
						down++
					}
				}
				addr, block := blockOf(1000+set, 4000)
				d, placed, err := r.Put(t.Context(), addr, block)
				if placed != 5-down || (err == nil) != (placed >= 4) {
					t.Fatalf("%s: %d stores down: %d placed, %v", kind.name, down, placed, err)
				}
				if err != nil && !errors.Is(err, blocktest.ErrInjected) {
					t.Errorf("the cause is not wrapped: %v", err)
				}
				if verr := d.Validate(); verr != nil {
					t.Fatalf("descriptor after %v: %v", err, verr)
				}
				if held := r.held(t, d); held < placed {
					t.Errorf("%d shards reported, %d held", placed, held)
				}
				if placed >= 3 {
					got, _, err := r.Get(t.Context(), d, nil)
					if err != nil || string(got) != string(block) {
						t.Errorf("%d placed: %v", placed, err)
					}
				}
				again, placed, err := r.Put(t.Context(), addr, block) // harmless
				if placed != 5-down || (err == nil) != (placed >= 4) || again.Shards[0] != d.Shards[0] {
					t.Errorf("put again: %d placed, %v", placed, err)
				}
			}
		}
	}
}

func TestSparesTakeShards(t *testing.T) {
	r := newRig(t, storeKinds()[0], 7) // class (3,5)
	addr, block := blockOf(1, 9000)
	order := r.order(addr)
	r.allFaults(order[0], blocktest.NotApplied)
	r.allFaults(order[4], blocktest.LostReply)
	d, placed, err := r.Put(t.Context(), addr, block)
	if err != nil || placed != 5 {
		t.Fatalf("%d placed, %v", placed, err)
	}
	r.mustGet(t, d, block, true) // from parity: cheaper than a search
	r.allFaults(order[1], blocktest.NotApplied)
	r.allFaults(order[2], blocktest.NotApplied)
	r.mustGet(t, d, block, true) // shard 3 and both spares
	report, err := r.Health(t.Context(), d, true)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{order[5], order[1], order[2], order[3], order[6]} {
		ok := i == 0 || i == 3 || i == 4
		if report[i].Name != fmt.Sprint(want) || (report[i].Condition == OK) != ok {
			t.Errorf("shard %d: %+v, want at %d", i, report[i], want)
		}
	}
}

func TestGetAfterMembersJoined(t *testing.T) {
	r := newRig(t, storeKinds()[0], 5)
	var members []Member
	for i, s := range r.stores {
		members = append(members, Member{ID: MemberID(fmt.Sprintf("member-%d", i)), Store: s})
	}
	type stored struct {
		d     blockstore.Descriptor
		block []byte
	}
	var all []stored
	for i := range 30 {
		d, block := r.mustPut(t, i, 2000)
		all = append(all, stored{d, block})
	}
	for i := range 4 { // on to class (5,8)
		members = append(members, Member{ID: MemberID(fmt.Sprintf("new-%d", i)), Store: blocktest.NewMemory()})
	}
	wide, err := New(members, blockstore.Phi, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		got, _, err := wide.Get(t.Context(), s.d, nil)
		if err != nil || string(got) != string(s.block) {
			t.Fatalf("after growth: %v", err)
		}
		if report, err := wide.Health(t.Context(), s.d, true); err != nil || len(report) != 5 {
			t.Fatal(report, err)
		} else {
			for _, h := range report {
				if h.Condition != OK {
					t.Errorf("shard %d: %+v", h.Index, h)
				}
			}
		}
	}
}

func TestFalseDescriptors(t *testing.T) {
	r := newRig(t, storeKinds()[0], 5)
	d, _ := r.mustPut(t, 1, 3000)
	e, _ := r.mustPut(t, 2, 3000)
	false1 := d
	false1.Class = blockstore.Class{K: 9, N: 9}
	if _, _, err := r.Get(t.Context(), false1, nil); !errors.Is(err, blockstore.ErrFormat) {
		t.Errorf("class off the ladder: %v", err)
	}
	if _, err := r.Health(t.Context(), false1, true); !errors.Is(err, blockstore.ErrFormat) {
		t.Errorf("health: %v", err)
	}
	false2 := d
	false2.Shards = e.Shards // right shards of another block
	if _, _, err := r.Get(t.Context(), false2, nil); !errors.Is(err, blockstore.ErrCorrupt) {
		t.Errorf("shards of another block: %v", err)
	}
	if n, err := r.Repair(t.Context(), false2); n != 0 || err != nil {
		t.Errorf("repair of whole shards: %d, %v", n, err)
	}
	from, to := r.order(e.Address), r.order(d.Address)
	for i, id := range e.Shards { // now also where they are looked for first
		shard, err := r.stores[from[i]].Get(t.Context(), id, nil)
		if err := errors.Join(err, r.stores[to[i]].Put(t.Context(), id, shard)); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := r.Get(t.Context(), false2, nil); !errors.Is(err, blockstore.ErrCorrupt) {
		t.Errorf("shards of another block at home: %v", err)
	}
	false3 := d
	false3.Length -= 3
	if _, _, err := r.Get(t.Context(), false3, nil); err == nil {
		t.Error("wrong length")
	}
}

func TestCancelledCalls(t *testing.T) {
	r := newRig(t, storeKinds()[0], 5)
	d, block := r.mustPut(t, 1, 3000)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := r.Get(ctx, d, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("get: %v", err)
	}
	if _, placed, err := r.Put(ctx, d.Address, block); !errors.Is(err, context.Canceled) || placed != 0 {
		t.Errorf("put: %d, %v", placed, err)
	}
	if _, err := r.Health(ctx, d, true); !errors.Is(err, context.Canceled) {
		t.Errorf("health: %v", err)
	}
	if _, err := r.Repair(ctx, d); !errors.Is(err, context.Canceled) {
		t.Errorf("repair: %v", err)
	}
	r.mustGet(t, d, block, false)
}
