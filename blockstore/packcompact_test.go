package blockstore_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"pifs/blockstore"
	"pifs/blockstore/blocktest"
)

func usageOf(t *testing.T, s blockstore.Sizer) blockstore.Usage {
	t.Helper()
	u, err := s.Usage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func deleteAll(t *testing.T, s blockstore.Store, ids []blockstore.ShardID) {
	t.Helper()
	for _, id := range ids {
		if err := s.Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCompactFreesGarbage(t *testing.T) {
	dir, ids := filled(t)
	p := openPack(t, dir, packs100K(func(err error) { t.Error(err) }))
	var gone, kept []blockstore.ShardID
	for i, id := range ids {
		if i%4 == 0 || i < 18 { // the first two packs are emptied
			gone = append(gone, id)
		} else {
			kept = append(kept, id)
		}
	}
	deleteAll(t, p, gone)
	before := usageOf(t, p)
	freed, err := p.Compact(t.Context(), 0.2)
	if err != nil {
		t.Fatal(err)
	}
	after := usageOf(t, p)
	headers := freed - (before.Disk - after.Disk) // of new packs are not set off
	if headers < 0 || headers > 4*16 || freed < int64(len(gone)-3)*(10<<10) {
		t.Errorf("freed %d; disk use fell from %d to %d", freed, before.Disk, after.Disk)
	}
	for range 2 {
		if lost := missing(t, p, kept); lost != nil {
			t.Fatalf("lost %v", lost)
		}
		if lost := missing(t, p, gone); len(lost) != len(gone) {
			t.Fatalf("%d of %d deleted shards are back", len(gone)-len(lost), len(gone))
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		p = openPack(t, dir, packs100K(func(err error) { t.Error(err) }))
		if again := usageOf(t, p); again != after {
			t.Errorf("usage %+v after reopening, %+v before", again, after)
		}
	}
}

func TestCompactLeavesGoodPacksAlone(t *testing.T) {
	dir, ids := filled(t)
	p := openPack(t, dir, packs100K(nil))
	deleteAll(t, p, ids[:1])
	if freed, err := p.Compact(t.Context(), 0.5); freed != 0 || err != nil {
		t.Fatalf("freed %d, %v; want nothing done", freed, err)
	}
}

// A damaged shard must not vanish silently with the pack that holds it.
func TestCompactKeepsDamagedPack(t *testing.T) {
	dir, ids := filled(t)
	alter(t, packsIn(t, dir)[0], flip(16+8+100))
	var w warnings
	p := openPack(t, dir, packs100K(w.add))
	deleteAll(t, p, ids[4:9])
	if _, err := p.Compact(t.Context(), 0.2); err != nil {
		t.Fatal(err)
	}
	w.mention(t, "keeps 1 damaged shard")
	if _, err := p.Get(t.Context(), ids[0], nil); !errors.Is(err, blockstore.ErrCorrupt) {
		t.Errorf("get damaged shard: %v; want ErrCorrupt", err)
	}
	if lost := missing(t, p, ids[1:4]); lost != nil {
		t.Errorf("lost %v", lost)
	}
}

func TestCompactStopsWhenDiskIsFull(t *testing.T) {
	disk := blocktest.NewDisk()
	p := openPack(t, t.TempDir(), blockstore.PackOptions{PackSize: 100 << 10, FS: disk})
	ids := fill(t, p, 40, 10<<10)
	deleteAll(t, p, ids[:6])
	disk.Fail(func(op string) error {
		if op == "write" {
			return blocktest.ErrDiskFull
		}
		return nil
	})
	if _, err := p.Compact(t.Context(), 0.2); !errors.Is(err, blocktest.ErrDiskFull) {
		t.Fatalf("compact: %v; want the disk's error", err)
	}
	disk.Fail(nil)
	if lost := missing(t, p, ids[6:]); lost != nil {
		t.Fatalf("lost %v", lost)
	}
	if freed, err := p.Compact(t.Context(), 0.2); freed <= 0 || err != nil {
		t.Fatalf("compact with room again: %d, %v", freed, err)
	}
}

// Readers and writers go on while packs move under them.
func TestCompactDuringUse(t *testing.T) {
	p := openPack(t, t.TempDir(), blockstore.PackOptions{PackSize: 32 << 10, NoSync: true})
	stays := fill(t, p, 60, 2<<10)
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	errs := make(chan error, 8)
	for w := range 2 {
		wg.Go(func() { errs <- churn(ctx, p, uint64(w+1)*1_000_000) })
	}
	wg.Go(func() { errs <- readAll(ctx, p, stays) })
	for range 40 {
		if _, err := p.Compact(t.Context(), 0.1); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	if lost := missing(t, p, stays); lost != nil {
		t.Errorf("lost %v", lost)
	}
	if u := usageOf(t, p); u.Shards != int64(len(stays)) {
		t.Errorf("%d shards counted, want %d", u.Shards, len(stays))
	}
}

// churn puts, reads and deletes shards until ctx is done.
func churn(ctx context.Context, s blockstore.Store, seed uint64) error {
	for ; ctx.Err() == nil; seed++ {
		id, shard := blocktest.Shard(seed, 3000)
		ctx := context.WithoutCancel(ctx) // finish what was begun
		if err := s.Put(ctx, id, shard); err != nil {
			return err
		}
		if _, err := s.Get(ctx, id, nil); err != nil {
			return err
		}
		if err := s.Delete(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

func readAll(ctx context.Context, s blockstore.Store, ids []blockstore.ShardID) error {
	for ctx.Err() == nil {
		for i, id := range ids {
			if _, err := s.Get(context.WithoutCancel(ctx), id, nil); err != nil {
				return fmt.Errorf("shard %d: %w", i, err)
			}
		}
	}
	return nil
}

// More packs than the store keeps open.
func TestPackOfManyFiles(t *testing.T) {
	p := openPack(t, t.TempDir(), blockstore.PackOptions{PackSize: 1 << 10, NoSync: true})
	ids := fill(t, p, 200, 1<<10)
	if n := len(packsIn(t, p.Dir())); n != 200 {
		t.Fatalf("%d packs, want one per shard", n)
	}
	if lost := missing(t, p, ids); lost != nil {
		t.Fatalf("lost %v", lost)
	}
}
