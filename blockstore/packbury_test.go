package blockstore_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"pifs/blockstore"
)

// allocated returns the bytes that the packs of a store take on the disk.
func allocated(t *testing.T, dir string) (n int64) {
	t.Helper()
	for _, path := range packsIn(t, dir) {
		var st syscall.Stat_t
		if err := syscall.Stat(path, &st); err != nil {
			t.Fatal(err)
		}
		n += st.Blocks * 512
	}
	return n
}

// Deleted shards give their space back without compaction, stay deleted when
// the index is lost, and are no damage to whoever reads the packs.
func TestDeletedShardsBecomeHoles(t *testing.T) {
	dir := t.TempDir()
	alarm := blockstore.PackOptions{Warn: func(err error) { t.Error(err) }}
	p := openPack(t, dir, alarm)
	ids := fill(t, p, 20, 64<<10)
	if err := p.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := allocated(t, dir)
	gone, kept := ids[2:18], append(ids[:2:2], ids[18:]...)
	deleteAll(t, p, gone)
	if err := p.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if freed := before - allocated(t, dir); freed < int64(len(gone))*(56<<10) {
		t.Errorf("%d shards of 64 KiB freed %d bytes", len(gone), freed)
	}
	for _, id := range gone[:4] { // the same shards again, to new places
		if err := p.Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	again := fill(t, p, 6, 64<<10) // the first six of ids
	kept = append(kept, again[2:]...)
	gone = gone[4:]
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "index.db")); err != nil {
		t.Fatal(err)
	}
	warned := 0
	p = openPack(t, dir, blockstore.PackOptions{Warn: func(err error) {
		if warned++; errors.Is(err, blockstore.ErrCorrupt) {
			t.Error(err)
		}
	}})
	if warned != 1 {
		t.Errorf("%d warnings, want one: that the index is missing", warned)
	}
	if lost := missing(t, p, kept); lost != nil {
		t.Errorf("lost %v", lost)
	}
	if lost := missing(t, p, gone); len(lost) != len(gone) {
		t.Errorf("%d of %d deleted shards are back", len(gone)-len(lost), len(gone))
	}
	err := p.Verify(t.Context(), func(id blockstore.ShardID, err error) error { return err })
	if err != nil {
		t.Error(err)
	}
}
