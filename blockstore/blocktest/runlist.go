package blocktest

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"pifs/blockstore"
)

// listed returns what s lists, failing on a shard listed twice; false if s
// does not list.
func listed(t *testing.T, s blockstore.Store) (map[blockstore.ShardID]int, bool) {
	t.Helper()
	l, ok := s.(blockstore.Lister)
	if !ok {
		return nil, false
	}
	got := make(map[blockstore.ShardID]int)
	err := l.List(t.Context(), func(id blockstore.ShardID, size int) error {
		if _, twice := got[id]; twice {
			t.Errorf("%v listed twice", id)
		}
		got[id] = size
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got, true
}

func list(t *testing.T, s blockstore.Store) {
	want := make(map[blockstore.ShardID]int)
	for i := range 50 {
		id, shard := Shard(uint64(i), 10+i)
		mustPut(t, s, id, shard)
		want[id] = len(shard)
		if i == 25 {
			if err := s.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range 10 {
		id, _ := Shard(uint64(5*i), 10+5*i)
		if err := s.Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		delete(want, id)
	}
	got, ok := listed(t, s)
	if !ok {
		return
	}
	if len(got) != len(want) {
		t.Errorf("%d shards listed, want %d", len(got), len(want))
	}
	for id, size := range want {
		if got[id] != size {
			t.Errorf("%v listed with %d bytes, want %d", id, got[id], size)
		}
	}
}

func listStops(t *testing.T, s blockstore.Store) {
	l, ok := s.(blockstore.Lister)
	if !ok {
		return
	}
	for i := range 5 {
		id, shard := Shard(uint64(i), 10)
		mustPut(t, s, id, shard)
	}
	enough, calls := errors.New("enough"), 0
	err := l.List(t.Context(), func(blockstore.ShardID, int) error {
		calls++
		return enough
	})
	if !errors.Is(err, enough) || calls != 1 {
		t.Fatalf("list: %v after %d calls; want the callback's error after 1", err, calls)
	}
}

func listAllowsCalls(t *testing.T, s blockstore.Store) {
	l, ok := s.(blockstore.Lister)
	if !ok {
		return
	}
	for i := range 20 {
		id, shard := Shard(uint64(i), 10)
		mustPut(t, s, id, shard)
	}
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := l.List(t.Context(), func(id blockstore.ShardID, _ int) error {
		if _, err := s.Get(t.Context(), id, nil); err != nil {
			return err
		}
		if err := s.Delete(t.Context(), id); err != nil {
			return err
		}
		return s.Sync(t.Context())
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := listed(t, s); len(got) != 0 {
		t.Fatalf("%d shards left after all were deleted", len(got))
	}
}

func usage(t *testing.T, s blockstore.Store) {
	z, ok := s.(blockstore.Sizer)
	if !ok {
		return
	}
	want := blockstore.Usage{}
	for i := range 30 {
		id, shard := Shard(uint64(i), 100*(i+1))
		mustPut(t, s, id, shard)
		if i%3 == 0 {
			if err := s.Delete(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want.Shards++
		want.Bytes += int64(len(shard))
	}
	for range 2 { // before and after Sync
		got, err := z.Usage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got.Shards != want.Shards || got.Bytes != want.Bytes || got.Disk < want.Bytes {
			t.Fatalf("usage %+v, want %+v and at least as much disk", got, want)
		}
		if err := s.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// model compares s with a map under a random series of calls.
func model(t *testing.T, s blockstore.Store) {
	held := make(map[uint64]bool) // outlives a run, as s does
	rapid.Check(t, func(r *rapid.T) {
		for range rapid.IntRange(1, 40).Draw(r, "calls") {
			seed := rapid.Uint64Range(0, 11).Draw(r, "shard")
			id, shard := Shard(seed, int(10+seed*seed*400))
			var err error
			switch rapid.SampledFrom([]string{"put", "get", "has", "delete", "sync"}).Draw(r, "call") {
			case "put":
				err = s.Put(t.Context(), id, shard)
				held[seed] = true
			case "get":
				var got []byte
				if got, err = s.Get(t.Context(), id, nil); !held[seed] && errors.Is(err, blockstore.ErrNotFound) {
					err = nil
				} else if err == nil && (!held[seed] || !bytes.Equal(got, shard)) {
					r.Fatalf("get %d: %d bytes, held %v", seed, len(got), held[seed])
				}
			case "has":
				var ok bool
				if ok, err = s.Has(t.Context(), id); ok != held[seed] {
					r.Fatalf("has %d: %v, held %v", seed, ok, held[seed])
				}
			case "delete":
				err = s.Delete(t.Context(), id)
				delete(held, seed)
			case "sync":
				err = s.Sync(t.Context())
			}
			if err != nil {
				r.Fatal(err)
			}
		}
	})
}
