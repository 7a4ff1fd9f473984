package swarm

import (
	"bytes"
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
		old = append(old, Member{ID: MemberID(fmt.Sprint("old", i)), Name: "old", Store: blocktest.NewMemory()})
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
			mu.Lock()
			d := known[addr]
			mu.Unlock()
			got, _, err := s.Get(ctx, d, nil)
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
		for addr, block := range blocks {
			if s.Current(known[addr]) {
				t.Fatalf("stripe of class %v counts as moved", known[addr].Class)
			}
			d, placed, err := s.Put(ctx, addr, block)
			must(t, err)
			if d.Class != class || placed != int(class.N) {
				t.Fatalf("moved to class %v, %d shards", d.Class, placed)
			}
			mu.Lock()
			known[addr] = d
			mu.Unlock()
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
	if err := s.SetMembers(resting(old)); err == nil {
		t.Error("a swarm in which nobody takes shards was formed")
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
