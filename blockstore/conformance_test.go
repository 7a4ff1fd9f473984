package blockstore_test

import (
	"errors"
	"testing"

	"pifs/blockstore"
	"pifs/blockstore/blocktest"
)

// smallPacks makes packs roll over within a test; syncing is tested where a
// crash is.
func smallPacks(t *testing.T) blockstore.PackOptions {
	return blockstore.PackOptions{
		PackSize: 64 << 10,
		NoSync:   true,
		Warn:     func(err error) { t.Errorf("unexpected warning: %v", err) },
	}
}

func openPack(t *testing.T, dir string, opts blockstore.PackOptions) *blockstore.Pack {
	t.Helper()
	p, err := blockstore.OpenPack(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func TestMemoryConforms(t *testing.T) {
	blocktest.Run(t, func(t *testing.T) blockstore.Store { return blocktest.NewMemory() })
}

func TestPackConforms(t *testing.T) {
	blocktest.Run(t, func(t *testing.T) blockstore.Store {
		return openPack(t, t.TempDir(), smallPacks(t))
	})
}

// A store that was used, emptied, closed and opened again must behave like a
// new one, although its packs are full of garbage.
func TestPackReopenedConforms(t *testing.T) {
	blocktest.Run(t, func(t *testing.T) blockstore.Store {
		dir := t.TempDir()
		p := openPack(t, dir, smallPacks(t))
		for i := range 30 {
			id, shard := blocktest.Shard(uint64(i), 10+i*997)
			err := errors.Join(p.Put(t.Context(), id, shard), p.Delete(t.Context(), id))
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		return openPack(t, dir, smallPacks(t))
	})
}
