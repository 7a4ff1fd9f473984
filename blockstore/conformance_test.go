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

// faults has each failure in its two forms.
var faults = []blocktest.Fault{blocktest.OK, blocktest.NotApplied, blocktest.LostReply}

func TestMemoryConformsUnderFaults(t *testing.T) {
	blocktest.Run(t, func(t *testing.T) blockstore.Store {
		return blocktest.NewRetry(blocktest.NewFaulty(blocktest.NewMemory(), blocktest.InTurn(faults...)), 30)
	})
}

func TestPackConformsUnderFaults(t *testing.T) {
	blocktest.Run(t, func(t *testing.T) blockstore.Store {
		p := openPack(t, t.TempDir(), smallPacks(t))
		return blocktest.NewRetry(blocktest.NewFaulty(p, blocktest.InTurn(faults...)), 30)
	})
}

// The pack store itself must survive a disk that fails now and then, in every
// operation, and go on once it is better.
func TestPackConformsOnFailingDisk(t *testing.T) {
	for name, fault := range map[string]error{
		"full": blocktest.ErrDiskFull, "EIO": blocktest.ErrDiskIO, "short": blocktest.ErrShort,
	} {
		t.Run(name, func(t *testing.T) {
			blocktest.Run(t, func(t *testing.T) blockstore.Store {
				disk := blocktest.NewDisk()
				opts := smallPacks(t)
				opts.FS, opts.NoSync = disk, false
				opts.Warn = nil // background commits fail too, and say so
				p := openPack(t, quickDir(t), opts)
				disk.Fail(everyThird(fault))
				t.Cleanup(func() { disk.Fail(nil) })
				return blocktest.NewRetry(p, 100)
			})
		})
	}
}

// everyThird fails every third operation of each kind.
func everyThird(fault error) func(op string) error {
	turn := blocktest.InTurn(blocktest.NotApplied, blocktest.OK, blocktest.OK)
	return func(op string) error {
		if turn(op) == blocktest.OK {
			return nil
		}
		return fault
	}
}
