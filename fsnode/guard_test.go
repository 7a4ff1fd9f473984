package fsnode

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// openLarge opens the rig's volume as if its database were a large one.
func openLarge(r *rig) {
	r.adjust = func(o *Options) { o.VouchAtOnce = 1 }
	r.open()
}

func TestLargeDatabaseIsHashedBesideItsUse(t *testing.T) {
	r := newRig(t, nil)
	for range 3 {
		r.create(RootIno, time.Now().String(), noise(1, 5000))
		r.close()
		openLarge(r)
		r.create(RootIno, time.Now().String(), noise(2, 5000)) // perhaps before the hash is made
		if err := r.v.save(bg); err != nil {
			t.Fatal(err)
		}
		if err := r.v.vouched(bg); err != nil {
			t.Fatalf("after the hash: %v", err)
		}
	}
	r.close()
	r.adjust = nil
	r.open()
	r.checkClean()
}

// A bit that flipped in a large database while it was closed is found while it
// is in use; from then on nothing is saved, and nobody opens it before it was
// loaded again.
func TestLargeDatabaseThatWasAltered(t *testing.T) {
	r := newRig(t, nil)
	r.create(RootIno, "file", noise(1, 5000))
	r.close()
	path := filepath.Join(r.dir, "volume", metaFile)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)-1] ^= 1
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	openLarge(r)
	if err := r.v.vouched(bg); !errors.Is(err, ErrDatabase) {
		t.Errorf("it is taken for sound: %v", err)
	}
	a, err := r.v.Create(bg, RootIno, "late", 0o644, root)
	if err == nil {
		err = r.v.Fsync(bg, a.Ino)
	}
	if !errors.Is(err, ErrDatabase) {
		t.Errorf("a change of an altered database: %v; want ErrDatabase", err)
	}
	if err := r.v.Close(bg); !errors.Is(err, ErrDatabase) {
		t.Errorf("close: %v; want ErrDatabase", err)
	}
	r.v = nil
	o := Options{Dir: r.dir + "/volume", Name: "test", Keys: r.keys, Blocks: r.blocks, Heads: r.heads, Stripes: r.backend}
	if _, err := Open(context.Background(), o); !errors.Is(err, ErrDatabase) {
		t.Errorf("open again: %v; want ErrDatabase", err)
	}
	if err := SetAside(o.Dir); err != nil {
		t.Fatal(err)
	}
	r.blocks.Close()
	r.adjust = nil
	r.open()
	if ino, err := r.lookup(RootIno, "file"); err != nil || len(r.read(ino)) != 5000 {
		t.Errorf("loaded again from the head: %v", err)
	}
	r.checkClean()
}
