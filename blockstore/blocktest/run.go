package blocktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"pifs/blockstore"
)

// Run checks that the stores newStore makes keep the contract of
// blockstore.Store, and of blockstore.Lister and blockstore.Sizer where they
// implement them. newStore returns an empty store and leaves cleaning up to
// t.Cleanup.
func Run(t *testing.T, newStore func(t *testing.T) blockstore.Store) {
	cases := []struct {
		name string
		run  func(t *testing.T, s blockstore.Store)
	}{
		{"PutThenGet", putThenGet},
		{"GetAppends", getAppends},
		{"PutKeepsNoReference", putKeepsNoReference},
		{"Absent", absent},
		{"WrongID", wrongID},
		{"SizeLimits", sizeLimits},
		{"PutTwice", putTwice},
		{"DeleteThenPut", deleteThenPut},
		{"Cancelled", cancelled},
		{"List", list},
		{"ListStops", listStops},
		{"ListAllowsCalls", listAllowsCalls},
		{"Usage", usage},
		{"Concurrent", concurrent},
		{"Model", model},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.run(t, newStore(t)) })
	}
}

// Shard returns size bytes that depend on seed alone, and their id.
func Shard(seed uint64, size int) (blockstore.ShardID, []byte) {
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	b := make([]byte, size)
	_, _ = rand.NewChaCha8(key).Read(b) // never fails
	return blockstore.ShardIDOf(b), b
}

func mustPut(t *testing.T, s blockstore.Store, id blockstore.ShardID, shard []byte) {
	t.Helper()
	if err := s.Put(t.Context(), id, shard); err != nil {
		t.Fatal(err)
	}
}

func mustHold(t *testing.T, s blockstore.Store, id blockstore.ShardID, want []byte) {
	t.Helper()
	got, err := s.Get(t.Context(), id, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("get %v: %d bytes that differ from the %d put", id, len(got), len(want))
	}
	if ok, err := s.Has(t.Context(), id); err != nil || !ok {
		t.Fatalf("has %v: %v, %v; want true", id, ok, err)
	}
}

func mustLack(t *testing.T, s blockstore.Store, id blockstore.ShardID) {
	t.Helper()
	if got, err := s.Get(t.Context(), id, nil); !errors.Is(err, blockstore.ErrNotFound) {
		t.Fatalf("get %v: %d bytes, %v; want ErrNotFound", id, len(got), err)
	}
	if ok, err := s.Has(t.Context(), id); err != nil || ok {
		t.Fatalf("has %v: %v, %v; want false", id, ok, err)
	}
}

func putThenGet(t *testing.T, s blockstore.Store) {
	sizes := []int{1, 2, 31, 1023, 1024, 1025, 4096, 32 << 10, 32<<10 + 1, 350 << 10, 1 << 20, blockstore.MaxShard}
	for i, size := range sizes {
		id, shard := Shard(uint64(i), size)
		mustLack(t, s, id)
		mustPut(t, s, id, shard)
		mustHold(t, s, id, shard)
	}
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, size := range sizes {
		id, shard := Shard(uint64(i), size)
		mustHold(t, s, id, shard)
	}
}

func getAppends(t *testing.T, s blockstore.Store) {
	id, shard := Shard(1, 5000)
	mustPut(t, s, id, shard)
	for _, dst := range [][]byte{[]byte("before"), append(make([]byte, 0, 1<<16), "before"...)} {
		got, err := s.Get(t.Context(), id, dst)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, append([]byte("before"), shard...)) {
			t.Fatal("get did not append to what was there")
		}
	}
	other, _ := Shard(2, 1)
	if got, err := s.Get(t.Context(), other, []byte("before")); err == nil || string(got) != "before" {
		t.Fatalf("get of what is absent: %q, %v; want dst back and an error", got, err)
	}
}

func putKeepsNoReference(t *testing.T, s blockstore.Store) {
	id, shard := Shard(1, 100)
	lent := bytes.Clone(shard)
	mustPut(t, s, id, lent)
	clear(lent)
	mustHold(t, s, id, shard)
	got, err := s.Get(t.Context(), id, nil)
	if err != nil {
		t.Fatal(err)
	}
	clear(got)
	mustHold(t, s, id, shard)
}

func absent(t *testing.T, s blockstore.Store) {
	id, _ := Shard(1, 10)
	mustLack(t, s, id)
	if err := s.Delete(t.Context(), id); err != nil {
		t.Fatalf("delete of what is absent: %v", err)
	}
	mustLack(t, s, id)
	mustLack(t, s, blockstore.ShardID{})
}

func wrongID(t *testing.T, s blockstore.Store) {
	id, shard := Shard(1, 10)
	other, _ := Shard(2, 10)
	if err := s.Put(t.Context(), other, shard); !errors.Is(err, blockstore.ErrCorrupt) {
		t.Fatalf("put under another id: %v; want ErrCorrupt", err)
	}
	mustLack(t, s, id)
	mustLack(t, s, other)
}

func sizeLimits(t *testing.T, s blockstore.Store) {
	for _, size := range []int{0, blockstore.MaxShard + 1} {
		id, shard := Shard(1, size)
		if err := s.Put(t.Context(), id, shard); !errors.Is(err, blockstore.ErrTooLarge) {
			t.Fatalf("put %d bytes: %v; want ErrTooLarge", size, err)
		}
		mustLack(t, s, id)
	}
}

func putTwice(t *testing.T, s blockstore.Store) {
	id, shard := Shard(1, 5000)
	mustPut(t, s, id, shard)
	before := diskUse(t, s)
	mustPut(t, s, id, shard)
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, id, shard)
	mustHold(t, s, id, shard)
	if after := diskUse(t, s); after != before {
		t.Fatalf("putting a shard again took %d bytes", after-before)
	}
	if err := s.Delete(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	mustLack(t, s, id)
}

// diskUse is constant for stores that cannot tell.
func diskUse(t *testing.T, s blockstore.Store) int64 {
	t.Helper()
	z, ok := s.(blockstore.Sizer)
	if !ok {
		return 0
	}
	u, err := z.Usage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return u.Disk
}

func deleteThenPut(t *testing.T, s blockstore.Store) {
	id, shard := Shard(1, 777)
	for range 3 {
		mustPut(t, s, id, shard)
		mustHold(t, s, id, shard)
		if err := s.Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		mustLack(t, s, id)
		if err := s.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		mustLack(t, s, id)
	}
}

func cancelled(t *testing.T, s blockstore.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	id, shard := Shard(1, 10)
	if err := s.Put(ctx, id, shard); !errors.Is(err, context.Canceled) {
		t.Fatalf("put: %v; want context.Canceled", err)
	}
	mustLack(t, s, id)
	mustPut(t, s, id, shard)
	if err := s.Delete(ctx, id); !errors.Is(err, context.Canceled) {
		t.Fatalf("delete: %v; want context.Canceled", err)
	}
	if _, err := s.Get(ctx, id, nil); !errors.Is(err, context.Canceled) {
		t.Fatalf("get: %v; want context.Canceled", err)
	}
	mustHold(t, s, id, shard)
}

func concurrent(t *testing.T, s blockstore.Store) {
	const workers, each = 8, 40
	errs := make(chan error, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() { errs <- hammer(t.Context(), s, uint64(w), each) })
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// hammer puts shards that all workers share and some of its own, reads them
// back, and deletes its own.
func hammer(ctx context.Context, s blockstore.Store, worker uint64, each int) error {
	for i := range each {
		for _, seed := range []uint64{uint64(i), 1000*(worker+1) + uint64(i)} {
			id, shard := Shard(seed, 100+i*97)
			if err := s.Put(ctx, id, shard); err != nil {
				return err
			}
			got, err := s.Get(ctx, id, nil)
			if err != nil {
				return err
			}
			if !bytes.Equal(got, shard) {
				return fmt.Errorf("get %v: other bytes than put", id)
			}
			if seed < 1000 {
				continue
			}
			if err := s.Delete(ctx, id); err != nil {
				return err
			}
			if _, err := s.Get(ctx, id, nil); !errors.Is(err, blockstore.ErrNotFound) {
				return fmt.Errorf("get after delete: %w", err)
			}
		}
		if err := s.Sync(ctx); i%20 == 0 && err != nil {
			return err
		}
	}
	return nil
}
