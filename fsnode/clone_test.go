package fsnode

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"
)

// stats returns inodes and logical bytes, which clones must keep right.
func (r *rig) stats() [2]uint64 {
	r.t.Helper()
	s, err := r.v.Stats()
	if err != nil {
		r.t.Fatal(err)
	}
	return [2]uint64{s.Inodes, s.Logical}
}

// rootXattr returns user.pifs.root of a name in the root directory.
func (r *rig) rootXattr(name string) string {
	r.t.Helper()
	ino, err := r.lookup(RootIno, name)
	if err != nil {
		r.t.Fatal(err)
	}
	x, err := r.v.Getxattr(bg, ino, "user.pifs.root")
	if err != nil {
		r.t.Fatal(err)
	}
	return string(x)
}

// TestCloneSharesBlocks clones a tree with fresh bytes and a hard link.
func TestCloneSharesBlocks(t *testing.T) {
	r := newRig(t, nil)
	plant(r, false)
	x, _ := r.lookup(RootIno, "x")
	y, _ := r.lookup(x, "big")
	if _, err := r.v.Link(bg, y, x, "second name"); err != nil {
		t.Fatal(err)
	}
	r.commit()
	r.write(y, 1<<20, noise(50, 300<<10)) // fresh
	was := r.stats()
	path, n, err := r.v.Clone(bg, "x", "clone", nil)
	if err != nil || path != "clone" || n != 43 {
		t.Fatalf("clone: %q, %d, %v", path, n, err)
	}
	r.commit()
	stored := r.backend.puts
	if a, b := r.rootXattr("x"), r.rootXattr("clone"); a != b {
		t.Fatalf("the roots differ: %s and %s", a, b)
	}
	if _, _, err := r.v.Clone(bg, "x", "again", nil); err != nil {
		t.Fatal(err)
	}
	r.commit()
	if more := r.backend.puts - stored; more > 8 {
		t.Errorf("cloning what is stored stored %d blocks", more)
	}
	if now := r.stats(); now[0] != was[0]+2*42 || now[1] <= was[1] {
		t.Errorf("inodes and bytes were %d and are %d", was, now)
	}
	r.independent()
	r.checkClean()
	r.close()
	r.open()
	r.checkClean()
}

// independent changes x/big and clone/big and compares both with what they
// must be.
func (r *rig) independent() {
	r.t.Helper()
	want := noise(99, 9<<20)
	copy(want[1<<20:], noise(50, 300<<10))
	files := map[string][]byte{}
	for i, dir := range []string{"x", "clone"} {
		d, _ := r.lookup(RootIno, dir)
		f, err := r.lookup(d, "big")
		if err != nil {
			r.t.Fatal(err)
		}
		mine := bytes.Clone(want)
		copy(mine[5<<20:], noise(uint64(60+i), 1000))
		r.write(f, 5<<20, noise(uint64(60+i), 1000))
		files[dir] = mine
	}
	for _, when := range []string{"fresh", "stored"} {
		for dir, mine := range files {
			d, _ := r.lookup(RootIno, dir)
			f, _ := r.lookup(d, "second name")
			if !bytes.Equal(r.read(f), mine) {
				r.t.Fatalf("%s/big has other bytes (%s)", dir, when)
			}
		}
		r.commit()
	}
}

// TestCloneIsAllOrNothing interrupts a clone, and crashes while one is built.
func TestCloneIsAllOrNothing(t *testing.T) {
	r := newRig(t, nil)
	d, err := r.v.Mkdir(bg, RootIno, "d", 0o755, root)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		s, err := r.v.Mkdir(bg, d.Ino, fmt.Sprint("sub", i), 0o755, root)
		if err != nil {
			t.Fatal(err)
		}
		for j := range 50 {
			r.create(s.Ino, fmt.Sprint("file", j), noise(1, 10*j))
		}
	}
	h := r.commit()
	was := r.stats()

	ctx, cancel := context.WithCancel(bg)
	defer cancel()
	_, _, err = r.v.Clone(ctx, "d", "e", func(int64, int64) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("interrupted clone: %v", err)
	}
	r.nothingOf("e", was)

	it, err := r.v.itemAt(bg, &h, "d")
	if err != nil {
		t.Fatal(err)
	}
	g := graft{v: r.v, made: map[Ino]Ino{}}
	if err := g.grow(bg, &it); err != nil {
		t.Fatal(err)
	}
	if err := r.v.save(bg); err != nil {
		t.Fatal(err)
	}
	r.create(RootIno, "beside", noise(1, 1000))
	r.commit() // leaves out what is built aside
	r.checkClean()
	r.crash()
	r.open()
	r.nothingOf("e", [2]uint64{was[0] + 1, was[1] + 1000})
}

// nothingOf waits until inodes and bytes are as given and checks that name
// does not exist.
func (r *rig) nothingOf(name string, want [2]uint64) {
	r.t.Helper()
	for end := time.Now().Add(30 * time.Second); r.stats() != want; {
		if time.Now().After(end) {
			r.t.Fatalf("inodes and bytes are %d, want %d", r.stats(), want)
		}
		time.Sleep(time.Millisecond)
	}
	if _, err := r.lookup(RootIno, name); !errors.Is(err, syscall.ENOENT) {
		r.t.Fatalf("lookup %s: %v", name, err)
	}
	r.commit()
	r.checkClean()
}
