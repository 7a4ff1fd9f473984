package swarm

import (
	"context"
	"errors"
	"testing"

	"pifs/blockstore/blocktest"
)

// Class (3,5) has quorum 4: one member may fail its sync if all five took the
// stripes, none if only four did.
func TestSyncToleratesWhatTheQuorumAllows(t *testing.T) {
	cases := []struct {
		name               string
		putFails, syncFail int
		ok                 bool
	}{
		{"all well", 0, 0, true},
		{"one sync fails", 0, 1, true},
		{"two syncs fail", 0, 2, false},
		{"four placed", 1, 0, true},
		{"four placed, one sync fails", 1, 1, false},
		{"below quorum: nothing was called safe", 2, 2, true},
	}
	for _, c := range cases {
		for _, fault := range []blocktest.Fault{blocktest.NotApplied, blocktest.LostReply} {
			r := newRig(t, storeKinds()[0], 5)
			for i := range c.putFails {
				r.valves[i].set("put", fault)
			}
			for i := range c.syncFail {
				r.valves[4-i].set("sync", fault)
			}
			addr, block := blockOf(1, 3000)
			_, placed, _ := r.Put(t.Context(), addr, block)
			if placed != 5-c.putFails {
				t.Fatalf("%s: %d placed", c.name, placed)
			}
			if err := r.Sync(t.Context()); (err == nil) != c.ok {
				t.Errorf("%s: sync: %v", c.name, err)
			}
			if err := r.Sync(t.Context()); err != nil {
				t.Errorf("%s: a sync with nothing to cover: %v", c.name, err)
			}
		}
	}
}

// After a failed sync a store may deny having lost what it lost: it must not
// be written to until it was reopened.
func TestMemberIsOutOfUseAfterFailedSync(t *testing.T) {
	r := newRig(t, storeKinds()[0], 5)
	r.valves[2].set("sync", blocktest.NotApplied)
	r.mustPut(t, 1, 3000)
	if err := r.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.valves[2].set("sync", blocktest.OK)
	if got := r.MayDie(t.Context()); got != 1 {
		t.Errorf("%d stores may die", got)
	}
	if infos := r.Members(t.Context()); !errors.Is(infos[2].Err, ErrUnreachable) || infos[1].Err != nil {
		t.Errorf("members: %+v", infos)
	}
	addr, block := blockOf(2, 3000)
	if _, placed, err := r.Put(t.Context(), addr, block); placed != 4 || err != nil {
		t.Errorf("put: %d placed, %v", placed, err)
	}
	if err := r.Reopen(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, placed, err := r.Put(t.Context(), addr, block); placed != 5 || err != nil {
		t.Errorf("put after reopening: %d placed, %v", placed, err)
	}
	if got := r.MayDie(t.Context()); got != 2 {
		t.Errorf("%d stores may die", got)
	}
}

func TestCancelledSyncBlamesNobody(t *testing.T) {
	r := newRig(t, storeKinds()[0], 5)
	r.mustPut(t, 1, 3000)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Sync(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("sync: %v", err)
	}
	if got := r.MayDie(t.Context()); got != 2 {
		t.Errorf("%d stores may die", got)
	}
}

// Only what was written needs a sync.
func TestSyncLeavesIdleMembersAlone(t *testing.T) {
	r := newRig(t, storeKinds()[0], 7)
	addr, _ := blockOf(1, 3000)
	for _, m := range r.order(addr)[5:] {
		r.valves[m].set("sync", blocktest.NotApplied)
	}
	r.mustPut(t, 1, 3000)
	if err := r.Sync(t.Context()); err != nil {
		t.Error(err)
	}
	if got := r.MayDie(t.Context()); got != 2 {
		t.Errorf("%d stores may die", got)
	}
}
