package fsnode

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"sort"
	"strings"
	"syscall"
	"testing"

	"pgregory.net/rapid"
)

// model is a file system so simple that it is right: paths to nodes. Hard
// links share a node.
type model map[string]*modelNode

type modelNode struct {
	dir    bool
	target string
	data   []byte
	mode   uint32
	xattrs map[string]string
}

func (m model) children(dir string) []string {
	var out []string
	for p := range m {
		if p != "" && path.Dir("/"+p) == "/"+dir {
			out = append(out, path.Base(p))
		}
	}
	sort.Strings(out)
	return out
}

func (m model) nlink(n *modelNode) (links uint32) {
	for _, x := range m {
		if x == n {
			links++
		}
	}
	return links
}

// machine drives a volume and the model in step.
type machine struct {
	r *rig
	m model
}

func (k *machine) ino(t *rapid.T, p string) (Ino, error) {
	ino := Ino(RootIno)
	for name := range strings.SplitSeq(p, "/") {
		if name == "" {
			continue
		}
		var err error
		if ino, err = k.r.lookup(ino, name); err != nil {
			return 0, err
		}
	}
	return ino, nil
}

// split returns the inode of a path's directory, and the last name.
func (k *machine) split(t *rapid.T, p string) (Ino, string, error) {
	ino, err := k.ino(t, strings.TrimPrefix(path.Dir("/"+p), "/"))
	return ino, path.Base(p), err
}

var names = []string{"a", "b", "c", "long-name-for-a-change", "ü"}

func drawPath(t *rapid.T, label string) string {
	parts := rapid.SliceOfN(rapid.SampledFrom(names), 1, 3).Draw(t, label)
	return strings.Join(parts, "/")
}

func sameErr(t *rapid.T, op string, got, want error) bool {
	t.Helper()
	if !errors.Is(got, want) && !(got == nil && want == nil) {
		t.Fatalf("%s: %v, want %v", op, got, want)
	}
	return got == nil
}

// reach is the error of walking to the directory of p.
func (m model) reach(p string) error {
	at := ""
	parts := strings.Split(p, "/")
	for _, name := range parts[:len(parts)-1] {
		n := m[at]
		if !n.dir {
			return syscall.ENOTDIR
		}
		at = strings.TrimPrefix(at+"/"+name, "/")
		if m[at] == nil {
			return syscall.ENOENT
		}
	}
	if !m[at].dir {
		return syscall.ENOTDIR
	}
	return nil
}

func (k *machine) make(t *rapid.T) {
	p := drawPath(t, "path")
	kind := rapid.SampledFrom([]string{"file", "dir", "symlink"}).Draw(t, "kind")
	want := k.m.reach(p)
	if want == nil && k.m[p] != nil {
		want = syscall.EEXIST
	}
	dir, name, err := k.split(t, p)
	n := &modelNode{xattrs: map[string]string{}, mode: 0o640}
	var a Attr
	if err == nil {
		switch kind {
		case "file":
			a, err = k.r.v.Create(bg, dir, name, n.mode, root)
		case "dir":
			n.dir = true
			a, err = k.r.v.Mkdir(bg, dir, name, n.mode, root)
		default:
			n.target, n.mode = "to/"+p, 0o777
			a, err = k.r.v.Symlink(bg, dir, name, n.target, root)
		}
	}
	if sameErr(t, "make "+p, err, want) {
		k.r.v.Forget(a.Ino, 1)
		k.m[p] = n
	}
}

func (k *machine) remove(t *rapid.T) {
	p, rmdir := drawPath(t, "path"), rapid.Bool().Draw(t, "rmdir")
	want := k.m.reach(p)
	n := k.m[p]
	switch {
	case want != nil:
	case n == nil:
		want = syscall.ENOENT
	case rmdir && !n.dir:
		want = syscall.ENOTDIR
	case !rmdir && n.dir:
		want = syscall.EISDIR
	case n.dir && len(k.m.children(p)) > 0:
		want = syscall.ENOTEMPTY
	}
	dir, name, err := k.split(t, p)
	if err == nil {
		if rmdir {
			err = k.r.v.Rmdir(bg, dir, name, root)
		} else {
			err = k.r.v.Unlink(bg, dir, name, root)
		}
	}
	if sameErr(t, "remove "+p, err, want) {
		delete(k.m, p)
	}
}

func (k *machine) rename(t *rapid.T) {
	p, q := drawPath(t, "from"), drawPath(t, "to")
	if k.m.reach(p) != nil || k.m[p] == nil || k.m.reach(q) != nil {
		return
	}
	a, b := k.m[p], k.m[q]
	var want error
	switch {
	case a.dir && (q == p || strings.HasPrefix(q, p+"/")):
		want = syscall.EINVAL
		if q == p {
			want = nil
		}
	case b == nil || a == b:
	case a.dir && !b.dir:
		want = syscall.ENOTDIR
	case !a.dir && b.dir:
		want = syscall.EISDIR
	case b.dir && len(k.m.children(q)) > 0:
		want = syscall.ENOTEMPTY
	}
	d1, n1, _ := k.split(t, p)
	d2, n2, _ := k.split(t, q)
	flags := rapid.SampledFrom([]uint32{0, 0, RenameWhiteout}).Draw(t, "flags")
	err := k.r.v.RenameFlags(bg, d1, n1, d2, n2, flags, root)
	if !sameErr(t, fmt.Sprintf("rename %s %s", p, q), err, want) || a == b {
		return
	}
	if flags == RenameWhiteout {
		k.whiteoutGoes(t, d1, n1)
	}
	delete(k.m, q)
	moved := model{}
	for x, n := range k.m {
		if x == p || strings.HasPrefix(x, p+"/") {
			moved[q+x[len(p):]] = n
			delete(k.m, x)
		}
	}
	for x, n := range moved {
		k.m[x] = n
	}
}

func (k *machine) link(t *rapid.T) {
	p, q := drawPath(t, "old"), drawPath(t, "new")
	if k.m.reach(p) != nil || k.m[p] == nil || k.m.reach(q) != nil {
		return
	}
	var want error
	switch {
	case k.m[p].dir:
		want = syscall.EPERM
	case k.m[q] != nil:
		want = syscall.EEXIST
	}
	ino, _ := k.ino(t, p)
	dir, name, _ := k.split(t, q)
	a, err := k.r.v.Link(bg, ino, dir, name)
	if sameErr(t, "link", err, want) {
		k.r.v.Forget(a.Ino, 1)
		k.m[q] = k.m[p]
	}
}

func (k *machine) write(t *rapid.T) {
	p := drawPath(t, "path")
	n := k.m[p]
	if k.m.reach(p) != nil || n == nil || n.dir || n.target != "" {
		return
	}
	ino, _ := k.ino(t, p)
	off := rapid.IntRange(0, 600<<10).Draw(t, "off")
	if rapid.Bool().Draw(t, "near") {
		off %= 9000
	}
	data := noise(rapid.Uint64Range(0, 9).Draw(t, "seed"), rapid.SampledFrom([]int{1, 100, 5000, 128 << 10, 700 << 10}).Draw(t, "n"))
	k.r.write(ino, int64(off), data)
	if need := off + len(data); need > len(n.data) {
		n.data = append(n.data, make([]byte, need-len(n.data))...)
	}
	copy(n.data[off:], data)
}

func (k *machine) setattr(t *rapid.T) {
	p := drawPath(t, "path")
	n := k.m[p]
	if k.m.reach(p) != nil || n == nil || n.target != "" {
		return
	}
	ino, _ := k.ino(t, p)
	if n.dir || rapid.Bool().Draw(t, "chmod") {
		n.mode = rapid.SampledFrom([]uint32{0o600, 0o755, 0o644}).Draw(t, "mode")
		k.must(t, k.set(ino, SetAttr{Mode: &n.mode}))
		return
	}
	size := rapid.SampledFrom([]int{0, 1, 4000, 8192, 8193, 100000, 900000}).Draw(t, "size")
	u := uint64(size)
	k.must(t, k.set(ino, SetAttr{Size: &u}))
	n.data = append(n.data, make([]byte, max(0, size-len(n.data)))...)[:size:size]
}

func (k *machine) set(ino Ino, s SetAttr) error {
	_, err := k.r.v.Setattr(bg, ino, s, true)
	return err
}

func (k *machine) must(t *rapid.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (k *machine) xattr(t *rapid.T) {
	p := drawPath(t, "path")
	n := k.m[p]
	if k.m.reach(p) != nil || n == nil {
		return
	}
	ino, _ := k.ino(t, p)
	name := rapid.SampledFrom([]string{"user.a", "user.b"}).Draw(t, "name")
	if rapid.Bool().Draw(t, "set") {
		n.xattrs[name] = p
		k.must(t, k.r.v.Setxattr(bg, ino, name, []byte(p), 0))
		return
	}
	var want error
	if _, ok := n.xattrs[name]; !ok {
		want = syscall.ENODATA
	}
	if sameErr(t, "removexattr", k.r.v.Removexattr(bg, ino, name), want) {
		delete(n.xattrs, name)
	}
}

func (k *machine) upkeep(t *rapid.T) {
	switch rapid.SampledFrom([]string{"save", "commit", "crash", "reopen", "flush", "drop"}).Draw(t, "upkeep") {
	case "save":
		k.must(t, k.r.v.save(bg))
	case "flush":
		k.must(t, k.r.v.flushEverything(bg, nil))
	case "commit":
		k.r.commit()
	case "crash": // after a save: what was saved is all there is
		k.must(t, k.r.v.save(bg))
		k.r.crash()
		k.r.open()
	case "reopen":
		k.r.close()
		k.r.open()
	case "drop":
		_, err := k.r.blocks.Drop(bg)
		k.must(t, err)
	}
}

// compare reads the whole volume and compares it with the model.
func (k *machine) compare(t *rapid.T) {
	for p, n := range k.m {
		ino, err := k.ino(t, p)
		k.must(t, err)
		a, err := k.r.v.Getattr(bg, ino)
		k.must(t, err)
		if a.Mode&permBits != n.mode {
			t.Fatalf("%s: mode %o, want %o", p, a.Mode&permBits, n.mode)
		}
		xs, _ := k.r.v.Listxattr(bg, ino)
		if len(xs) != len(n.xattrs) {
			t.Fatalf("%s: xattrs %v, want %v", p, xs, n.xattrs)
		}
		switch {
		case n.dir:
			k.compareDir(t, p, ino, a)
		case n.target != "":
			if s, _ := k.r.v.Readlink(bg, ino); s != n.target {
				t.Fatalf("%s: target %q", p, s)
			}
		case !bytes.Equal(k.r.read(ino), n.data):
			t.Fatalf("%s: content differs (%d bytes, want %d)", p, a.Size, len(n.data))
		case a.Nlink != k.m.nlink(n):
			t.Fatalf("%s: nlink %d, want %d", p, a.Nlink, k.m.nlink(n))
		default:
			k.compareHoles(t, p, ino, n.data)
		}
	}
}

func (k *machine) compareDir(t *rapid.T, p string, ino Ino, a Attr) {
	var got []string
	k.must(t, k.r.v.Readdir(bg, ino, 0, func(e DirEntry) bool {
		got = append(got, e.Name)
		return true
	}))
	sort.Strings(got)
	want := k.m.children(p)
	if strings.Join(got, ",") != strings.Join(want, ",") {
		t.Fatalf("%q lists %v, want %v", p, got, want)
	}
	dirs := uint32(2)
	for _, c := range want {
		if k.m[strings.TrimPrefix(p+"/"+c, "/")].dir {
			dirs++
		}
	}
	if a.Nlink != dirs {
		t.Fatalf("%q: nlink %d, want %d", p, a.Nlink, dirs)
	}
}

// TestVolumeAgainstModel makes random histories, with crashes and commits, and
// compares with the model after each upkeep.
func TestVolumeAgainstModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		room := rapid.SampledFrom([]int64{1, 4 << 10, 1 << 20}).Draw(rt, "memory for metadata")
		r := newRig(t, func(o *Options) { o.CacheBytes = room })
		defer r.crash()
		k := &machine{r: r, m: model{"": {dir: true, mode: 0o755, xattrs: map[string]string{}}}}
		rt.Repeat(map[string]func(*rapid.T){
			"make": k.make, "make2": k.make, "remove": k.remove, "rename": k.rename, "link": k.link, "write": k.write,
			"setattr": k.setattr, "xattr": k.xattr, "exchange": k.exchange, "copy": k.copyAll, "adopt": k.adopt, "upkeep": func(t *rapid.T) {
				k.upkeep(t)
				k.compare(t)
			},
		})
		k.compare(rt)
		r.commit()
		res, err := r.v.Check(bg, CheckOptions{}, func(p Problem) { rt.Errorf("check: %+v", p) })
		if err != nil || res.Problems > 0 {
			rt.Fatalf("check: %+v %v", res, err)
		}
	})
}
