package fsnode

import (
	"database/sql"
	"errors"
	"path/filepath"
	"testing"
)

// doubted has every database looked over while the volume is in use.
func doubted(o *Options) { o.VouchAtOnce = 1 }

// loseName takes a name out of the closed database, as SQLite would: nothing
// but the hash of the file tells.
func (r *rig) loseName() {
	r.t.Helper()
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(r.dir, "volume", metaFile)+"?_journal_mode=WAL")
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := db.Exec("DELETE FROM dirent"); err != nil {
		r.t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		r.t.Fatal(err)
	}
}

// What a large database lacks gets into no save and no head, and the volume is
// not opened again.
func TestAlteredWhileClosed(t *testing.T) {
	r := newRig(t, doubted)
	r.create(RootIno, "a", noise(1, 100))
	r.commit()
	r.close()
	r.loseName()
	r.open()
	heads := len(r.heads.hs)
	r.v.lock()
	in, err := r.v.inode(RootIno)
	if err != nil {
		t.Fatal(err)
	}
	r.v.touch(RootIno, "a", 0)
	r.v.change(in)
	r.v.mu.Unlock()
	if _, err := r.v.Commit(bg, "", nil); !errors.Is(err, ErrDatabase) {
		t.Errorf("a commit of what is left: %v", err)
	}
	if err := r.v.Save(bg); !errors.Is(err, ErrDatabase) {
		t.Errorf("a save: %v", err)
	}
	if _, err := r.v.Live(bg); !errors.Is(err, ErrDatabase) {
		t.Errorf("a collection: %v", err)
	}
	if _, err := r.v.Create(bg, RootIno, "b", 0o644, root); !errors.Is(err, ErrDatabase) {
		t.Errorf("creating a file: %v", err)
	}
	if err := r.v.Close(bg); !errors.Is(err, ErrDatabase) {
		t.Errorf("closing: %v", err)
	}
	if len(r.heads.hs) != heads {
		t.Errorf("%d heads, there were %d", len(r.heads.hs), heads)
	}
	o := r.v.o
	if v, err := Open(bg, o); !errors.Is(err, ErrDatabase) {
		if err == nil {
			v.Close(bg)
		}
		t.Fatalf("opening it again: %v", err)
	}
	r.blocks.Close()
	if err := SetAside(o.Dir); err != nil {
		t.Fatal(err)
	}
	r.open()
	if _, err := r.lookup(RootIno, "a"); err != nil {
		t.Errorf("loaded from the head: %v", err)
	}
	r.checkClean()
}

// A large database that is sound takes saves as any other, whether it was
// closed or left by a crash.
func TestSoundWhileClosed(t *testing.T) {
	r := newRig(t, doubted)
	for i, end := range []func(){r.close, r.crash, r.close} {
		name := string(rune('a' + i))
		if err := r.v.Fsync(bg, r.create(RootIno, name, noise(1, 100))); err != nil {
			t.Fatal(err)
		}
		end()
		r.open()
		if err := r.v.vouched(bg); err != nil {
			t.Fatal(err)
		}
		if _, err := r.lookup(RootIno, name); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	r.checkClean()
}
