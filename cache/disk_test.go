package cache

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"pifs/blockstore"
)

func openTestDisk(t *testing.T, dir string, limit int64) *disk {
	t.Helper()
	d, err := openDisk(dir, limit, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.close() })
	return d
}

func diskBlock(i, size int) (blockstore.Address, []byte) {
	b := plainOf(i, size)
	return blockstore.AddressOf(b), b
}

func TestDiskStaysWithinItsLimit(t *testing.T) {
	const limit = 400_000
	dir := filepath.Join(t.TempDir(), "disk")
	d := openTestDisk(t, dir, limit)
	hot, hotBlock := diskBlock(1000, 9000)
	d.put(t.Context(), hot, hotBlock)
	for i := range 100 {
		addr, block := diskBlock(i, 10_000)
		d.put(t.Context(), addr, block)
		if d.used() > limit {
			t.Fatalf("%d bytes used of %d", d.used(), limit)
		}
		if got, ok := d.get(t.Context(), addr, nil); !ok || !bytes.Equal(got, block) {
			t.Fatalf("latest block %d is not there", i)
		}
		if got, ok := d.get(t.Context(), hot, []byte("x")); !ok || !bytes.Equal(got[1:], hotBlock) {
			t.Fatalf("block in use was evicted after %d others", i)
		}
	}
	if first, _ := diskBlock(0, 10_000); d.used() < limit/2 {
		t.Errorf("only %d bytes of %d are used", d.used(), limit)
	} else if _, ok := d.get(t.Context(), first, nil); ok {
		t.Error("the first block was not evicted")
	}

	// What is there is there after reopening, and used in the same order.
	used := d.used()
	if err := d.close(); err != nil {
		t.Fatal(err)
	}
	d = openTestDisk(t, dir, limit)
	if d.used() != used {
		t.Errorf("%d bytes after reopening, %d before", d.used(), used)
	}
	if last, _ := diskBlock(99, 10_000); len(d.gens) != generations {
		t.Errorf("%d generations", len(d.gens))
	} else if _, age := d.find(t.Context(), last, nil); age != 0 {
		t.Errorf("the latest block is in generation %d", age)
	}
	freed, err := d.drop()
	if err != nil || freed != used || d.used() != 0 {
		t.Errorf("dropped %d of %d bytes, %v", freed, used, err)
	}
	d.put(t.Context(), hot, hotBlock)
	if _, ok := d.get(t.Context(), hot, nil); !ok {
		t.Error("nothing is kept after drop")
	}
}

func TestDiskOfNoSizeKeepsNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "disk")
	addr, block := diskBlock(0, 100)
	d := openTestDisk(t, dir, 1<<20)
	d.put(t.Context(), addr, block)
	if err := d.close(); err != nil {
		t.Fatal(err)
	}
	d = openTestDisk(t, dir, 0)
	d.put(t.Context(), addr, block)
	if _, ok := d.get(t.Context(), addr, nil); ok {
		t.Error("a block was kept")
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the folder is still there: %v", err)
	}
}

func TestDamagedDiskTierIsForgotten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "disk")
	addr, block := diskBlock(0, 5000)
	d := openTestDisk(t, dir, 1<<20)
	d.put(t.Context(), addr, block)
	if err := d.close(); err != nil {
		t.Fatal(err)
	}
	packs, err := filepath.Glob(filepath.Join(dir, "*", "pack-*"))
	if err != nil || len(packs) != 1 {
		t.Fatalf("packs: %v, %v", packs, err)
	}
	raw, err := os.ReadFile(packs[0])
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)-100] ^= 1
	if err := os.WriteFile(packs[0], raw, 0o600); err != nil {
		t.Fatal(err)
	}
	d = openTestDisk(t, dir, 1<<20)
	for range 2 {
		if _, ok := d.get(t.Context(), addr, nil); ok {
			t.Error("damaged block was returned")
		}
	}
	d.put(t.Context(), addr, block)
	if got, ok := d.get(t.Context(), addr, nil); !ok || !bytes.Equal(got, block) {
		t.Error("the block cannot be kept again")
	}
	if err := d.close(); err != nil {
		t.Fatal(err)
	}
	// A generation that is something else altogether.
	if err := os.WriteFile(packs[0], []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	d = openTestDisk(t, dir, 1<<20)
	d.put(t.Context(), addr, block)
	if _, ok := d.get(t.Context(), addr, nil); !ok {
		t.Error("nothing is kept beside a damaged generation")
	}
}
