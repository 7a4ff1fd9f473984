package fsnode

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"

	"pgregory.net/rapid"
)

// some draws a path that mostly exists.
func (k *machine) some(t *rapid.T, label string) string {
	have := slices.Sorted(maps.Keys(k.m))[1:] // without the root
	if len(have) == 0 || rapid.IntRange(0, 9).Draw(t, label+" that may not exist") == 0 {
		return drawPath(t, label)
	}
	return rapid.SampledFrom(have).Draw(t, label)
}

// exchange is rename with flags.
func (k *machine) exchange(t *rapid.T) {
	p, q := k.some(t, "one"), k.some(t, "other")
	if k.m.reach(p) != nil || k.m[p] == nil || k.m.reach(q) != nil {
		return
	}
	a, b := k.m[p], k.m[q]
	below := func(x, y string) bool { return strings.HasPrefix(x, y+"/") }
	var want error
	switch {
	case a.dir && below(q, p):
		want = syscall.EINVAL
	case b == nil:
		want = syscall.ENOENT
	case b.dir && below(p, q):
		want = syscall.EINVAL
	}
	d1, n1, _ := k.split(t, p)
	d2, n2, _ := k.split(t, q)
	if b != nil && want == nil {
		sameErr(t, "rename without replacing", k.r.v.RenameFlags(bg, d1, n1, d2, n2, RenameNoReplace, root), syscall.EEXIST)
	}
	err := k.r.v.RenameFlags(bg, d1, n1, d2, n2, RenameExchange, root)
	if !sameErr(t, fmt.Sprintf("exchange %s %s", p, q), err, want) || a == b {
		return
	}
	moved := model{}
	for x, n := range k.m {
		switch {
		case x == p || below(x, p):
			moved[q+x[len(p):]] = n
		case x == q || below(x, q):
			moved[p+x[len(q):]] = n
		default:
			moved[x] = n
		}
	}
	k.m = moved
}

// whiteoutGoes removes what a rename has left behind, once it may have been
// through a commit.
func (k *machine) whiteoutGoes(t *rapid.T, dir Ino, name string) {
	if rapid.Bool().Draw(t, "commit") {
		k.r.commit()
	}
	a, err := k.r.v.Lookup(bg, dir, name)
	k.must(t, err)
	if a.Mode != syscall.S_IFCHR || a.Rdev != 0 || a.Nlink != 1 {
		t.Fatalf("whiteout %s: mode %o rdev %x nlink %d", name, a.Mode, a.Rdev, a.Nlink)
	}
	k.r.v.Forget(a.Ino, 1)
	k.must(t, k.r.v.Unlink(bg, dir, name, root))
}

// copyAll makes one file what another is, through CopyRange if that will do.
func (k *machine) copyAll(t *rapid.T) {
	p, q := k.some(t, "from"), k.some(t, "to")
	a, b := k.m[p], k.m[q]
	if k.m.reach(p) != nil || k.m.reach(q) != nil || a == nil || b == nil || a == b || a.dir || b.dir || a.target+b.target != "" {
		return
	}
	src, _ := k.ino(t, p)
	dst, _ := k.ino(t, q)
	none := uint64(0)
	k.must(t, k.set(dst, SetAttr{Size: &none}))
	b.data = nil
	n, err := k.r.v.CopyRange(bg, src, 0, dst, 0, 1<<40, true)
	if errors.Is(err, syscall.EOPNOTSUPP) {
		return // as for what is in memory and small
	}
	k.must(t, err)
	if n != uint64(len(a.data)) {
		t.Fatalf("copied %d bytes of %s, want %d", n, p, len(a.data))
	}
	b.data = bytes.Clone(a.data)
}

// adopt makes a file that has no name, and later gives it one.
func (k *machine) adopt(t *rapid.T) {
	p := drawPath(t, "path")
	if k.m.reach(p) != nil {
		return
	}
	dir, name, _ := k.split(t, p)
	a, err := k.r.v.Tmpfile(bg, dir, 0o640, root)
	k.must(t, err)
	data := noise(rapid.Uint64Range(0, 9).Draw(t, "seed"), rapid.SampledFrom([]int{10, 9000, 400 << 10}).Draw(t, "n"))
	k.r.write(a.Ino, 0, data)
	if rapid.Bool().Draw(t, "save") {
		k.must(t, k.r.v.save(bg))
	}
	if rapid.Bool().Draw(t, "commit") {
		k.r.commit()
	}
	var want error
	if k.m[p] != nil {
		want = syscall.EEXIST
	}
	named, err := k.r.v.Link(bg, a.Ino, dir, name)
	if sameErr(t, "name "+p, err, want) {
		k.r.v.Forget(named.Ino, 1)
		k.m[p] = &modelNode{mode: 0o640, data: data, xattrs: map[string]string{}}
	}
	k.r.v.Forget(a.Ino, 1)
}

// compareHoles checks that what Seek calls a hole reads as zeros, and that data
// and holes take turns up to the end.
func (k *machine) compareHoles(t *rapid.T, p string, ino Ino, data []byte) {
	size := int64(len(data))
	for at := int64(0); at < size; {
		from, err := k.r.v.Seek(bg, ino, at, false, true)
		if errors.Is(err, syscall.ENXIO) {
			from = size
		} else {
			k.must(t, err)
		}
		if len(bytes.TrimLeft(data[at:from], "\x00")) > 0 {
			t.Fatalf("%s: bytes in what is a hole from %d to %d", p, at, from)
		}
		if from == size {
			return
		}
		end, err := k.r.v.Seek(bg, ino, from, true, true)
		k.must(t, err)
		if end <= from || end > size {
			t.Fatalf("%s: data from %d to %d of %d", p, from, end, size)
		}
		at = end
	}
}
