package swarm

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"

	"pifs/blockstore"
	"pifs/blockstore/blocktest"
)

// TestMembersChange moves blocks from stores that come to rest to others, and
// back, while they are read, and finds every byte at every moment, with two
// stores of each side away.
func TestMembersChange(t *testing.T) {
	ctx := t.Context()
	var old, young []Member
	for i := range 5 {
		old = append(old, Member{ID: MemberID(fmt.Sprint("old", i)), Name: "old", Own: true, Store: blocktest.NewMemory()})
	}
	for i := range 10 {
		young = append(young, Member{ID: MemberID(fmt.Sprint("young", i)), Name: "young", Store: blocktest.NewMemory()})
	}
	resting := func(members []Member) (out []Member) {
		for _, m := range members {
			m.Rests = true
			out = append(out, m)
		}
		return out
	}
	s, err := New(old, blockstore.Phi, nil)
	must(t, err)
	var mu sync.Mutex
	blocks := map[blockstore.Address][]byte{}
	known := map[blockstore.Address]blockstore.Descriptor{}
	for i := range 30 {
		addr, block := blockOf(i, 20_000+i)
		d, _, err := s.Put(ctx, addr, block)
		must(t, err)
		blocks[addr], known[addr] = block, d
	}
	check := func() {
		for addr, want := range blocks {
			now := func() blockstore.Descriptor {
				mu.Lock()
				defer mu.Unlock()
				return known[addr]
			}
			d := now()
			got, _, err := s.Get(ctx, d, nil)
			if after := now(); err != nil && after.Class != d.Class { // it was evicted meanwhile
				got, _, err = s.Get(ctx, after, nil)
			}
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("block %v of class %v: %v", addr, d.Class, err)
				return
			}
			raw, _, err := s.GetRaw(ctx, d, 100, 1000)
			if err != nil {
				continue // it is placed elsewhere: Get looks further
			}
			raw.Release()
		}
	}
	move := func(class blockstore.Class) {
		age := s.Age()
		for addr, block := range blocks {
			was := known[addr]
			settled(t, s, was, false)
			d, placed, err := s.Put(ctx, addr, block)
			must(t, err)
			if d.Class != class || placed != int(class.N) {
				t.Fatalf("moved to class %v, %d shards", d.Class, placed)
			}
			mu.Lock()
			known[addr] = d
			mu.Unlock()
			must(t, s.Evict(ctx, age, []blockstore.Descriptor{was}))
			settled(t, s, d, true)
		}
		if err := s.Evict(ctx, age-1, nil); !errors.Is(err, ErrMoved) {
			t.Errorf("evicting after the members changed: %v", err)
		}
	}
	for _, step := range []struct {
		members []Member
		class   blockstore.Class
	}{
		{append(resting(old), young...), blockstore.Class{K: 5, N: 8}},
		{append(resting(young), old...), blockstore.Class{K: 3, N: 5}},
	} {
		must(t, s.SetMembers(step.members))
		check()
		done := make(chan struct{})
		go func() {
			defer close(done)
			check()
		}()
		move(step.class)
		<-done
		check()
	}
	for i := range old {
		if u := usageOf(t, old[i].Store); u != int64(len(blocks)) {
			t.Errorf("store %d holds %d shards of %d stripes", i, u, len(blocks))
		}
	}
	if err := s.SetMembers(resting(old)); err == nil {
		t.Error("a swarm in which nobody takes shards was formed")
	}
}

func usageOf(t testing.TB, s blockstore.Store) int64 {
	t.Helper()
	u, err := s.(blockstore.Sizer).Usage(t.Context())
	must(t, err)
	return u.Shards
}

func settled(t testing.TB, s *Swarm, d blockstore.Descriptor, want bool) {
	t.Helper()
	got, err := s.Settled(t.Context(), d)
	must(t, err)
	if got != want {
		t.Fatalf("stripe of class %v counts as settled: %v", d.Class, got)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
