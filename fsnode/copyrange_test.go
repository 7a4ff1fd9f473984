package fsnode

import (
	"bytes"
	"errors"
	"math"
	"syscall"
	"testing"
)

// TestCopyMovesNoData copies a large file, fresh and stored, and finds no block
// stored again; what is not a whole file into an empty one is left to others.
func TestCopyMovesNoData(t *testing.T) {
	r := newRig(t, nil)
	want := noise(1, 9<<20)
	src := r.create(RootIno, "src", want)
	if _, err := r.v.CopyRange(bg, src, 0, r.create(RootIno, "a", nil), 0, math.MaxInt64, false); !errors.Is(err, ErrWouldBlock) {
		t.Fatalf("copy of fresh bytes without waiting: %v", err)
	}
	copyTo := func(name string) Ino {
		t.Helper()
		dst := r.create(RootIno, name, nil)
		if n, err := r.v.CopyRange(bg, src, 0, dst, 0, math.MaxInt64, true); err != nil || n != uint64(len(want)) {
			t.Fatalf("copy to %s: %d, %v", name, n, err)
		}
		return dst
	}
	copyTo("b")
	r.commit()
	stored := r.backend.puts
	c := copyTo("c")
	r.commit()
	if more := r.backend.puts - stored; more > 6 {
		t.Errorf("a copy stored %d blocks", more)
	}
	if a, b := r.rootXattr("src"), r.rootXattr("c"); a != b {
		t.Errorf("the roots differ: %s and %s", a, b)
	}
	for what, f := range map[string]func() (uint64, error){
		"a part": func() (uint64, error) { return r.v.CopyRange(bg, src, 0, r.create(RootIno, "d", nil), 0, 5, true) },
		"from the middle": func() (uint64, error) {
			return r.v.CopyRange(bg, src, 4096, r.create(RootIno, "e", nil), 0, 1<<30, true)
		},
		"into what has bytes": func() (uint64, error) { return r.v.CopyRange(bg, src, 0, c, 0, 1<<30, true) },
		"into itself":         func() (uint64, error) { return r.v.CopyRange(bg, src, 0, src, 0, 1<<30, true) },
		"of a directory": func() (uint64, error) {
			return r.v.CopyRange(bg, RootIno, 0, r.create(RootIno, "f", nil), 0, 1<<30, true)
		},
	} {
		if _, err := f(); !errors.Is(err, syscall.EOPNOTSUPP) {
			t.Errorf("%s: %v", what, err)
		}
	}
	r.write(src, 1<<20, []byte("changed"))
	r.close()
	r.open()
	if ino, _ := r.lookup(RootIno, "c"); !bytes.Equal(r.read(ino), want) {
		t.Error("the copy changed with the original")
	}
	r.checkClean()
}

// TestCopyOverSavedBytes copies over a file whose fresh bytes have rows in the
// database: the rows go with the bytes.
func TestCopyOverSavedBytes(t *testing.T) {
	r := newRig(t, nil)
	want := noise(1, 9<<20)
	src, dst := r.create(RootIno, "src", want), r.create(RootIno, "dst", nil)
	r.commit()
	r.write(dst, 0, noise(2, 20000))
	if err := r.v.save(bg); err != nil {
		t.Fatal(err)
	}
	none := uint64(0)
	if _, err := r.v.Setattr(bg, dst, SetAttr{Size: &none}, true); err != nil {
		t.Fatal(err)
	}
	if _, err := r.v.CopyRange(bg, src, 0, dst, 0, math.MaxInt64, true); err != nil {
		t.Fatal(err)
	}
	if err := r.v.save(bg); err != nil {
		t.Fatal(err)
	}
	r.crash()
	r.open()
	ino, _ := r.lookup(RootIno, "dst")
	if !bytes.Equal(r.read(ino), want) {
		t.Error("the copy is not what was copied")
	}
}

// TestLinkLimit: a file has at most 65,000 names, as on ext4.
func TestLinkLimit(t *testing.T) {
	r := newRig(t, nil)
	ino := r.create(RootIno, "f", nil)
	r.v.lock()
	r.v.inodes[ino].rec.Nlink = maxLinks - 1
	r.v.mu.Unlock()
	if _, err := r.v.Link(bg, ino, RootIno, "g"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.v.Link(bg, ino, RootIno, "h"); !errors.Is(err, syscall.EMLINK) {
		t.Errorf("one more than 65,000: %v", err)
	}
}
