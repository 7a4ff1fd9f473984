package fsnode

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"testing"

	"pifs/blockstore"
)

// plant makes a small tree, its directories in the order given by flip.
func plant(r *rig, flip bool) {
	r.t.Helper()
	dirs := []string{"x", "y", "z"}
	if flip {
		slices.Reverse(dirs)
	}
	for _, name := range dirs {
		d, err := r.v.Mkdir(bg, RootIno, name, 0o755, root)
		if err != nil {
			r.t.Fatal(err)
		}
		for i := range 40 {
			r.create(d.Ino, fmt.Sprintf("f%d", i), noise(uint64(i), 1000*i))
		}
		r.create(d.Ino, "big", noise(99, 9<<20))
	}
}

// still gives everything below dir the same times, as rsync -a would.
func still(r *rig, dir Ino) {
	r.t.Helper()
	then := Time{Sec: 1_600_000_000}
	var below []DirEntry
	if err := r.v.Readdir(bg, dir, 0, func(e DirEntry) bool { below = append(below, e); return true }); err != nil {
		r.t.Fatal(err)
	}
	for _, e := range below {
		if e.Mode == modeDir {
			still(r, e.Ino)
		}
	}
	for _, ino := range append([]Ino{dir}, inosOf(below)...) {
		if _, err := r.v.Setattr(bg, ino, SetAttr{Mtime: &then}, true); err != nil {
			r.t.Fatal(err)
		}
	}
}

func inosOf(es []DirEntry) []Ino {
	out := make([]Ino, len(es))
	for i, e := range es {
		out[i] = e.Ino
	}
	return out
}

// TestSameTreeSameRoot writes one tree in two ways into two volumes of one
// scope; roots must not depend on order, time of commit or how it was written.
func TestSameTreeSameRoot(t *testing.T) {
	a, b := newRig(t, nil), newRig(t, nil)
	plant(a, false)
	plant(b, true)
	b.commit()
	ino, err := b.lookup(RootIno, "junk")
	if !errors.Is(err, syscall.ENOENT) {
		t.Fatalf("lookup junk: %d, %v", ino, err)
	}
	b.create(RootIno, "junk", noise(5, 100<<10))
	b.commit()
	if err := b.v.Unlink(bg, RootIno, "junk", root); err != nil {
		t.Fatal(err)
	}
	d, _ := b.lookup(RootIno, "y")
	big, _ := b.lookup(d, "big")
	b.write(big, 4<<20, noise(7, 1<<20)) // change it …
	b.commit()
	b.write(big, 4<<20, noise(99, 9<<20)[4<<20:5<<20]) // … and back
	still(a, RootIno)
	still(b, RootIno)
	ra, rb := a.commit().Root, b.commit().Root
	if ra != rb {
		t.Fatalf("roots differ: %s and %s", ra, rb)
	}
	xa, err := a.v.Getxattr(bg, big, "user.pifs.root")
	if err != nil || len(xa) != 64 {
		t.Fatalf("user.pifs.root = %q, %v", xa, err)
	}
	if string(xa) == ra.String() {
		t.Fatal("a file has the root of its volume")
	}
}

// TestOneByteStoresTwoChunksAtMost changes one byte of a large file.
func TestOneByteStoresTwoChunksAtMost(t *testing.T) {
	r := newRig(t, nil)
	ino := r.create(RootIno, "f", noise(1, 64<<20))
	r.commit()
	c, err := r.v.contentOf(r.v.inodes[ino])
	if err != nil {
		t.Fatal(err)
	}
	old := map[blockstore.Address]bool{}
	for _, e := range c.base {
		old[e.Ref.Address] = true
	}
	r.write(ino, 33_333_333, []byte{'x'})
	r.commit()
	fresh := 0
	for _, e := range c.base {
		if !old[e.Ref.Address] {
			fresh++
		}
	}
	if fresh == 0 || fresh > 2 {
		t.Fatalf("%d chunks stored again", fresh)
	}
}

func TestSnapshotsShowOldContent(t *testing.T) {
	r := newRig(t, nil)
	ino := r.create(RootIno, "f", noise(1, 2<<20))
	if _, err := r.v.Symlink(bg, RootIno, "l", "f", root); err != nil {
		t.Fatal(err)
	}
	first, err := r.v.Commit(bg, "before", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.write(ino, 0, noise(2, 2<<20))
	second := r.commit()
	at := Ino(RootIno)
	for _, name := range []string{".pifs", "snapshots", "before", "f"} {
		if at, err = r.lookupKeep(at, name); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	if !bytes.Equal(r.read(at), noise(1, 2<<20)) {
		t.Fatal("the snapshot has other bytes")
	}
	if _, err := r.v.Write(bg, at, 0, []byte("x"), true); !errors.Is(err, syscall.EROFS) {
		t.Fatalf("write to a snapshot: %v", err)
	}
	var changes []Change
	if err := r.v.Diff(bg, first, second, func(c Change) error { changes = append(changes, c); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(changes) != 1 || changes[0] != (Change{Kind: "changed", Path: "f", What: "content"}) {
		t.Fatalf("diff: %+v", changes)
	}
}

func (r *rig) lookupKeep(parent Ino, name string) (Ino, error) {
	a, err := r.v.Lookup(bg, parent, name)
	return a.Ino, err
}

func TestRestoreBringsATreeBack(t *testing.T) {
	r := newRig(t, nil)
	plant(r, false)
	still(r, RootIno)
	first := r.commit()
	d, _ := r.lookup(RootIno, "y")
	if err := r.v.Unlink(bg, d, "f7", root); err != nil {
		t.Fatal(err)
	}
	r.create(d, "new", noise(1, 100))
	f8, _ := r.lookup(d, "f8")
	r.write(f8, 0, []byte("changed"))
	big, _ := r.lookup(d, "big")
	r.write(big, 1<<20, noise(3, 1<<20))
	puts := r.backend.puts
	n, err := r.v.Restore(bg, first, "", "")
	if err != nil || n == 0 {
		t.Fatalf("restore: %d, %v", n, err)
	}
	got := r.commit()
	if got.Root != first.Root {
		t.Fatalf("root %s after restore, want %s", got.Root, first.Root)
	}
	if n, err := r.v.Restore(bg, first, "x/big", "copy"); n != 1 || err != nil {
		t.Fatalf("restore one file elsewhere: %d, %v", n, err)
	}
	ino, _ := r.lookup(RootIno, "copy")
	if !bytes.Equal(r.read(ino), noise(99, 9<<20)) {
		t.Fatal("the restored file differs")
	}
	if more := r.backend.puts - puts; more > 40 {
		t.Fatalf("restoring stored %d blocks", more)
	}
	r.checkClean()
}

func TestReaddirIsStableUnderChange(t *testing.T) {
	r := newRig(t, nil)
	stays := map[string]int{}
	for i := range 600 {
		name := fmt.Sprintf("stays%d", i)
		r.create(RootIno, name, nil)
		stays[name] = 0
		if i == 300 {
			if err := r.v.save(bg); err != nil {
				t.Fatal(err)
			}
		}
	}
	seen, step, cookie := map[string]int{}, 0, uint64(0)
	for more := true; more; step++ {
		more = false
		err := r.v.Readdir(bg, RootIno, cookie, func(e DirEntry) bool {
			seen[e.Name]++
			cookie, more = e.Next, true
			return len(seen)%13 != 0
		})
		if err != nil {
			t.Fatal(err)
		}
		r.create(RootIno, fmt.Sprintf("comes%d", step), nil)
		if step > 0 {
			if err := r.v.Unlink(bg, RootIno, fmt.Sprintf("comes%d", step-1), root); err != nil {
				t.Fatal(err)
			}
		}
		if step%7 == 0 {
			if err := r.v.save(bg); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name := range stays {
		if seen[name] != 1 {
			t.Fatalf("%s was listed %d times", name, seen[name])
		}
	}
}

func TestFailingStoreStopsWritersAndRecovers(t *testing.T) {
	r := newRig(t, func(o *Options) { o.DirtyBytes = 1 << 20 })
	ino := r.create(RootIno, "f", noise(1, 100<<10))
	r.backend.mu.Lock()
	r.backend.fail = syscall.ENOSPC
	r.backend.mu.Unlock()
	_, err := r.v.Commit(bg, "", nil)
	if err != nil && !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("commit on a full store: %v", err)
	}
	r.backend.mu.Lock()
	r.backend.fail = nil
	r.backend.mu.Unlock()
	r.commit()
	if err := r.blocks.Drain(bg, nil); err != nil { // what went to the outbox is placed now
		t.Fatal(err)
	}
	if !bytes.Equal(r.read(ino), noise(1, 100<<10)) {
		t.Fatal("bytes lost")
	}
	r.checkClean()
}
