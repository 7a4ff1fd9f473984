package fsnode

import (
	"errors"
	"fmt"
	"testing"

	"pifs/blockstore"
)

// fullDir makes a directory with n files and returns it and their names.
func (r *rig) fullDir(n int) (Ino, []string) {
	r.t.Helper()
	dir, err := r.v.Mkdir(bg, RootIno, "dir", 0o755, root)
	if err != nil {
		r.t.Fatal(err)
	}
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("file-%04d", i)
		r.v.Forget(r.create(dir.Ino, names[i], noise(uint64(i), 20_000*(i%2)+9)), 1)
	}
	return dir.Ino, names
}

// queries returns how many queries do makes.
func (r *rig) queries(do func()) int {
	before := r.v.db.queries.Load()
	do()
	return int(r.v.db.queries.Load() - before)
}

// TestListingReadsPages: what was just opened is listed with two queries for
// each page, however small the answers are, and the attributes of files of one
// chunk need none.
func TestListingReadsPages(t *testing.T) {
	const files, atOnce = 3*pageRows - 40, 100
	r := newRig(t, nil)
	dir, names := r.fullDir(files)
	twice, err := r.lookup(dir, names[0])
	if err == nil {
		_, err = r.v.Link(bg, twice, dir, "again")
	}
	if err != nil {
		t.Fatal(err)
	}
	r.close()
	r.open()
	seen := map[string]int{}
	got := r.queries(func() {
		for cookie, more := uint64(0), true; more; {
			n := 0
			more = false
			err := r.v.ReaddirPlus(bg, dir, cookie, func(e DirEntry) bool {
				if more = n == atOnce; more {
					return false
				}
				a, ok := r.v.Hold(e.Ino)
				if !ok || a.Blocks == 0 {
					t.Fatalf("%s: %+v, %v", e.Name, a, ok)
				}
				n++
				seen[e.Name]++
				cookie = e.Next
				return true
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	})
	if len(seen) != files+1 {
		t.Fatalf("%d names of %d", len(seen), files+1)
	}
	for name, n := range seen {
		if n != 1 {
			t.Fatalf("%s was listed %d times", name, n)
		}
	}
	if most := 1 + 2*3; got > most {
		t.Errorf("%d queries, at most %d", got, most)
	}
	r.checkWeight()
}

// TestLookupsReadDirectories: who looks up the names of a directory one by one
// gets more than was asked for.
func TestLookupsReadDirectories(t *testing.T) {
	const files = 200
	r := newRig(t, nil)
	dir, names := r.fullDir(files)
	r.close()
	r.open()
	got := r.queries(func() {
		for _, name := range names {
			if _, err := r.lookup(dir, name); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := r.v.Lookup(bg, dir, "absent"); err == nil {
			t.Error("a name that nobody made is there")
		}
	})
	if most := 3 + 2*files/foreseen; got > most {
		t.Errorf("%d queries, at most %d", got, most)
	}
	r.checkWeight()
}

// TestDamagedRowHidesNoOther: one inode that cannot be read is missed by whoever
// wants it and by nobody else.
func TestDamagedRowHidesNoOther(t *testing.T) {
	r := newRig(t, nil)
	dir, names := r.fullDir(12)
	bad, err := r.lookup(dir, names[5])
	if err != nil {
		t.Fatal(err)
	}
	r.close()
	r.open()
	if _, err := r.v.db.w.Exec("UPDATE inode SET v=zeroblob(60) WHERE ino=?", int64(bad)); err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		_, err := r.v.Lookup(bg, dir, name)
		if want := i == 5; errors.Is(err, blockstore.ErrCorrupt) != want || err != nil != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	n := 0
	err = r.v.ReaddirPlus(bg, dir, 0, func(e DirEntry) bool {
		n++
		if _, ok := r.v.Hold(e.Ino); ok == (e.Ino == bad) {
			t.Errorf("inode %d is held: %v", e.Ino, ok)
		}
		return true
	})
	if err != nil || n != len(names) {
		t.Errorf("%d names of %d: %v", n, len(names), err)
	}
}

// checkWeight fails unless the account of memory is what memory holds.
func (r *rig) checkWeight() {
	r.t.Helper()
	r.v.mu.Lock()
	defer r.v.mu.Unlock()
	want := len(r.v.dents) * dentWeight
	for _, in := range r.v.inodes {
		want += in.weight
	}
	if r.v.weight != want {
		r.t.Errorf("an account of %d bytes for %d", r.v.weight, want)
	}
}
