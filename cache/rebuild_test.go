package cache

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pifs/blockstore"
)

func TestLostIndexIsRebuilt(t *testing.T) {
	damage := map[string]func(path string) error{
		"lost":    os.Remove,
		"garbage": func(path string) error { return os.WriteFile(path, []byte("this is no database, far from it"), 0o600) },
		"foreign": func(path string) error {
			db, err := openIndexDB(path)
			if err != nil {
				return err
			}
			_, err = db.writer.Exec("PRAGMA user_version = 99")
			return errors.Join(err, db.close())
		},
	}
	for name, hurt := range damage {
		t.Run(name, func(t *testing.T) {
			f, s, dir := newFakeBackend(), testSealer(), t.TempDir()
			o := Options{RetryEvery: time.Hour}
			b := openTest(t, dir, f, o)
			stored := mustPut(t, b, s, plainOf(0, 5000))
			f.setDown(3)
			waiting := mustPut(t, b, s, plainOf(1, 6000))
			var manifest []blockstore.Descriptor
			for _, ref := range []blockstore.Ref{stored, waiting} {
				d, err := b.Descriptor(t.Context(), ref.Address)
				if err != nil {
					t.Fatal(err)
				}
				manifest = append(manifest, d)
			}
			if err := errors.Join(b.Sync(t.Context()), b.Close(), hurt(filepath.Join(dir, indexFile))); err != nil {
				t.Fatal(err)
			}
			if _, err := OpenBlocks(dir, f, o); !errors.Is(err, blockstore.ErrCorrupt) {
				t.Fatalf("open without a good index: %v", err)
			}

			if err := RemoveIndex(dir); err != nil {
				t.Fatal(err)
			}
			b = openTest(t, dir, f, o)
			if on, err := b.Rebuilding(); err != nil || !on {
				t.Errorf("rebuilding %v, %v", on, err)
			}
			if err := b.Drain(t.Context(), nil); err != nil { // must not clear the outbox
				t.Errorf("drain of an empty index: %v", err)
			}
			for i, d := range manifest {
				for range 2 {
					if err := b.Adopt(t.Context(), d, uint32(5000+1000*i)); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := b.FinishRebuild(t.Context()); err != nil {
				t.Fatal(err)
			}
			if on, err := b.Rebuilding(); err != nil || on {
				t.Errorf("still rebuilding: %v, %v", on, err)
			}
			if st := b.Stats(); st.Blocks != 2 || st.Outbox != 1 || st.PlainBytes != 11000 {
				t.Errorf("stats: %+v", st)
			}
			mustGet(t, b, s, waiting, plainOf(1, 6000))
			f.setDown(0)
			if err := b.Drain(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			b.memory.drop()
			mustGet(t, b, s, stored, plainOf(0, 5000))
			mustGet(t, b, s, waiting, plainOf(1, 6000))
		})
	}
}

func TestAdoptRefusesFalseDescriptors(t *testing.T) {
	b := openTest(t, t.TempDir(), newFakeBackend(), Options{})
	d := testEntry(1, full).desc
	d.Class = blockstore.Class{K: 7, N: 9}
	if err := b.Adopt(t.Context(), d, 10); !errors.Is(err, blockstore.ErrFormat) {
		t.Errorf("class off the ladder: %v", err)
	}
}

func TestOneProcessAtATime(t *testing.T) {
	dir := t.TempDir()
	openTest(t, dir, newFakeBackend(), Options{})
	if _, err := OpenBlocks(dir, newFakeBackend(), Options{}); !errors.Is(err, blockstore.ErrInUse) {
		t.Errorf("second open: %v", err)
	}
}
