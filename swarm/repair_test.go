package swarm

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"pifs/blockstore"
	"pifs/blockstore/blocktest"
)

func TestRepairRestoresEveryShard(t *testing.T) {
	for _, kind := range storeKinds() {
		t.Run(kind.name, func(t *testing.T) {
			r := newRig(t, kind, 5)
			for set := range 1 << 5 {
				d, block := r.mustPut(t, 100+set, 7000+set)
				order, wrong := r.order(d.Address), 0
				for i, id := range d.Shards {
					if set&(1<<i) == 0 {
						continue
					}
					wrong++
					if i%2 == 0 {
						r.damage(t, order[i], id)
					} else {
						r.remove(t, order[i], id)
					}
				}
				checkHealth(t, r, d, set)
				fixed, err := r.Repair(t.Context(), d)
				if wrong > 2 {
					if fixed != 0 || !errors.Is(err, blockstore.ErrLost) {
						t.Errorf("%d shards wrong: %d fixed, %v", wrong, fixed, err)
					}
					continue
				}
				if fixed != wrong || err != nil || r.held(t, d) != 5 {
					t.Fatalf("%d shards wrong: %d fixed, %d held, %v", wrong, fixed, r.held(t, d), err)
				}
				r.mustGet(t, d, block, false)
				if again, err := r.Repair(t.Context(), d); again != 0 || err != nil {
					t.Errorf("second repair: %d fixed, %v", again, err)
				}
			}
		})
	}
}

// checkHealth expects even shards of the set to be corrupt and odd ones to be
// missing; without reading, the corrupt ones look well.
func checkHealth(t *testing.T, r *rig, d blockstore.Descriptor, set int) {
	t.Helper()
	for _, deep := range []bool{false, true} {
		report, err := r.Health(t.Context(), d, deep)
		if err != nil {
			t.Fatal(err)
		}
		for i, h := range report {
			want := OK
			switch {
			case set&(1<<i) != 0 && i%2 == 1:
				want = Missing
			case set&(1<<i) != 0 && deep:
				want = Corrupt
			}
			if h.Condition != want || h.Index != i || h.ID != d.Shards[i] || h.Name == "" {
				t.Errorf("deep %v: shard %d is %+v, want %v", deep, i, h, want)
			}
		}
	}
}

// A store that says it failed, or did what it denies, while being repaired.
func TestRepairWithFaults(t *testing.T) {
	for _, call := range []string{"put", "get", "delete"} {
		for _, fault := range []blocktest.Fault{blocktest.NotApplied, blocktest.LostReply} {
			r := newRig(t, storeKinds()[0], 5)
			d, block := r.mustPut(t, 1, 7000)
			order := r.order(d.Address)
			r.damage(t, order[1], d.Shards[1])
			r.valves[order[1]].set(call, fault)
			fixed, err := r.Repair(t.Context(), d)
			if fixed == 1 && r.held(t, d) != 5 {
				t.Errorf("%s, fault %d: reported as fixed and is not", call, fault)
			}
			if fixed == 0 && err == nil {
				t.Errorf("%s, fault %d: neither fixed nor an error", call, fault)
			}
			r.valves[order[1]].set(call, blocktest.OK)
			if _, err := r.Repair(t.Context(), d); err != nil || r.held(t, d) != 5 {
				t.Errorf("%s, fault %d: not right after another repair: %v", call, fault, err)
			}
			r.mustGet(t, d, block, false)
		}
	}
}

func TestRepairUsesSpares(t *testing.T) {
	r := newRig(t, storeKinds()[0], 6)
	d, block := r.mustPut(t, 1, 7000)
	order := r.order(d.Address)
	r.allFaults(order[2], blocktest.NotApplied)
	if fixed, err := r.Repair(t.Context(), d); fixed != 1 || err != nil {
		t.Fatalf("%d fixed, %v", fixed, err)
	}
	if _, err := r.stores[order[5]].Get(t.Context(), d.Shards[2], nil); err != nil {
		t.Errorf("the spare does not hold the shard: %v", err)
	}
	if fixed, err := r.Repair(t.Context(), d); fixed != 0 || err != nil {
		t.Errorf("second repair: %d fixed, %v", fixed, err)
	}
	r.mustGet(t, d, block, true)
}

// Whatever happens to the stores, in whatever order: a block that Put called
// safe can be read as long as no more than n−quorum stores are away, and
// repair brings every stripe that is left back to full.
func TestStripesAgainstFaults(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 9).Draw(rt, "stores")
		r := newRig(t, storeKinds()[0], n)
		spare := int(r.Class().N) - r.Class().Quorum()
		type stored struct {
			d     blockstore.Descriptor
			block []byte
		}
		var safe []stored
		store := rapid.IntRange(0, n-1)
		for range rapid.IntRange(1, 12).Draw(rt, "puts") {
			for range rapid.IntRange(0, 2).Draw(rt, "turns") {
				r.valves[store.Draw(rt, "store")].set("put", rapid.SampledFrom([]blocktest.Fault{
					blocktest.OK, blocktest.OK, blocktest.NotApplied, blocktest.LostReply}).Draw(rt, "fault"))
			}
			addr, block := blockOf(len(safe)+rapid.IntRange(0, 3).Draw(rt, "block"), rapid.IntRange(blockstore.MinBlock, 900).Draw(rt, "size"))
			if d, _, err := r.Put(t.Context(), addr, block); err == nil {
				safe = append(safe, stored{d, block})
			}
		}
		for range spare {
			away := store.Draw(rt, "away")
			r.allFaults(away, blocktest.NotApplied)
		}
		for _, s := range safe {
			got, _, err := r.Get(t.Context(), s.d, nil)
			if err != nil || string(got) != string(s.block) {
				rt.Fatalf("safe block is not to be had with %d stores away: %v", spare, err)
			}
		}
		for i := range n {
			r.allFaults(i, blocktest.OK)
		}
		for _, s := range safe {
			if _, err := r.Repair(t.Context(), s.d); err != nil {
				rt.Fatal(err)
			}
			report, err := r.Health(t.Context(), s.d, true)
			if err != nil {
				rt.Fatal(err)
			}
			for _, h := range report {
				if h.Condition != OK {
					rt.Fatalf("after repair: %+v", h)
				}
			}
		}
	})
}
