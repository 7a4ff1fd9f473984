package fsnode

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"pifs/fsnode/session"
)

// life is the session of a rig: volumes that are opened while kept is set go
// on with it, others begin one.
type life struct {
	r    *rig
	mem  *session.Memory
	kept bool
	size int
}

// newLife returns a rig whose volumes have sessions with room for size bytes.
func newLife(t testing.TB, size int, adjust func(*Options)) *life {
	t.Helper()
	l := &life{size: size}
	l.r = newRig(t, func(o *Options) {
		adjust(o)
		if l.kept {
			o.Session = l.handedOver(t)
		}
	})
	l.r.opened = func() {
		if !l.kept {
			l.begin()
		}
	}
	l.begin()
	return l
}

// handedOver returns the session as another process would get it.
func (l *life) handedOver(t testing.TB) *session.Memory {
	t.Helper()
	fd, err := unix.FcntlInt(l.mem.File().Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err == nil {
		l.mem.Close()
		l.mem, err = session.Open(os.NewFile(uintptr(fd), "session"))
	}
	if err != nil {
		t.Fatal(err)
	}
	return l.mem
}

func (l *life) begin() {
	l.r.t.Helper()
	l.end()
	var err error
	if l.mem, err = session.New(l.size); err == nil {
		err = l.r.v.BeginSession(bg, l.mem)
	}
	if err != nil {
		l.r.t.Fatal(err)
	}
}

func (l *life) end() {
	if l.mem != nil {
		l.mem.Close()
		l.mem = nil
	}
}

// close ends the volume and its session.
func (l *life) close() {
	l.r.crash()
	l.end()
}

// killed ends the volume as kill -9 does, and has the next daemon go on.
func (l *life) killed() {
	l.r.crash()
	l.kept = true
	l.r.open()
	l.kept = false
}

// everything lists what the kernel could see of a volume, times and inode
// numbers included.
func everything(r *rig, ino Ino) string {
	r.t.Helper()
	a, err := r.v.Getattr(bg, ino)
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	a.Blocks = 0 // a hole may be found when bytes are stored
	fmt.Fprintf(&b, "%+v", a)
	names, _ := r.v.Listxattr(bg, ino)
	for _, n := range names {
		x, _ := r.v.Getxattr(bg, ino, n)
		fmt.Fprintf(&b, " %s=%x", n, x)
	}
	switch a.Mode & modeType {
	case modeFile:
		fmt.Fprintf(&b, " %x", sha256.Sum256(r.read(ino)))
	case modeLink:
		s, _ := r.v.Readlink(bg, ino)
		fmt.Fprintf(&b, " to %s", s)
	case modeDir:
		err := r.v.Readdir(bg, ino, 0, func(e DirEntry) bool {
			fmt.Fprintf(&b, "\n%+v: %s", e, everything(r, e.Ino))
			return true
		})
		if err != nil {
			r.t.Fatal(err)
		}
	}
	return b.String()
}

// TestResumeAgainstModel kills the volume at random points of random histories
// without saving: what comes back is the same to the last nanosecond.
func TestResumeAgainstModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		room := rapid.SampledFrom([]int64{1, 1 << 20}).Draw(rt, "memory for metadata")
		l := newLife(t, 16<<20, func(o *Options) { o.CacheBytes = room })
		defer l.close()
		r := l.r
		k := &machine{r: r, m: model{"": {dir: true, mode: 0o755, xattrs: map[string]string{}}}}
		kill := func(rt *rapid.T) {
			everything(r, RootIno) // reading may change atime once
			before := everything(r, RootIno)
			l.killed()
			if after := everything(r, RootIno); after != before {
				rt.Fatalf("before the kill:\n%.2000s\nafter it:\n%.2000s", before, after)
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"make": k.make, "make2": k.make, "remove": k.remove, "rename": k.rename, "link": k.link, "write": k.write,
			"setattr": k.setattr, "xattr": k.xattr, "kill": kill, "share": k.share, "upkeep": k.upkeep,
		})
		kill(rt)
		k.compare(rt)
		r.commit()
		res, err := r.v.Check(bg, CheckOptions{}, func(p Problem) { rt.Errorf("check: %+v", p) })
		if err != nil || res.Problems > 0 {
			rt.Fatalf("check: %+v %v", res, err)
		}
	})
}

// share makes a new file the same as another, as cp does.
func (k *machine) share(t *rapid.T) {
	p, q := drawPath(t, "from"), drawPath(t, "to")
	n := k.m[p]
	if k.m.reach(p) != nil || n == nil || n.dir || n.target != "" || k.m.reach(q) != nil || k.m[q] != nil {
		return
	}
	dir, name, _ := k.split(t, q)
	a, err := k.r.v.Create(bg, dir, name, 0o640, root)
	k.must(t, err)
	k.m[q] = &modelNode{mode: 0o640, xattrs: map[string]string{}}
	src, _ := k.ino(t, p)
	size, err := k.r.v.CopyRange(bg, src, 0, a.Ino, 0, 1<<40, true)
	k.r.v.Forget(a.Ino, 1)
	if !errors.Is(err, syscall.EOPNOTSUPP) {
		k.must(t, err)
		k.m[q].data = bytes.Clone(n.data[:size])
	}
}

// TestResumeWithSmallLog writes several times what the log holds: writers wait
// for saves, and nothing that they were told is written gets lost.
func TestResumeWithSmallLog(t *testing.T) {
	l := newLife(t, 12<<20, func(*Options) {})
	defer l.close()
	r := l.r
	ino := r.create(RootIno, "big", nil)
	want := noise(1, 40<<20)
	r.write(ino, 0, want)
	l.killed()
	if string(r.read(ino)) != string(want) {
		t.Error("the file differs")
	}
}

// TestResumeKeepsFilesWithoutNames: a file that is open and has no name outlives
// the daemon, and is gone when the kernel forgets it, and not sooner.
func TestResumeKeepsFilesWithoutNames(t *testing.T) {
	for _, saved := range []bool{false, true} {
		l := newLife(t, 12<<20, func(*Options) {})
		defer l.close()
		r := l.r
		ino := r.create(RootIno, "name", noise(1, 100<<10))
		if err := r.v.Open(bg, ino, true); err != nil {
			t.Fatal(err)
		}
		if err := r.v.Unlink(bg, RootIno, "name", root); err != nil {
			t.Fatal(err)
		}
		if saved {
			if err := r.v.save(bg); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			l.killed()
			if string(r.read(ino)) != string(noise(1, 100<<10)) {
				t.Error("the file differs")
			}
		}
		r.v.Release(bg, ino, true)
		if _, err := r.v.Getattr(bg, ino); err != nil {
			t.Errorf("gone although the kernel has not forgotten it: %v", err)
		}
		r.v.Forget(ino, 1)
		if _, err := r.v.Getattr(bg, ino); !errors.Is(err, syscall.ENOENT) {
			t.Errorf("forgotten and still there: %v", err)
		}
		l.killed()
		if _, err := r.v.Getattr(bg, ino); !errors.Is(err, syscall.ENOENT) {
			t.Errorf("came back: %v", err)
		}
	}
}

// TestResumeRefusesWhatItDoesNotKnow: a change that no operation tells of is not
// resumed before it is saved.
func TestResumeRefusesWhatItDoesNotKnow(t *testing.T) {
	l := newLife(t, 12<<20, func(*Options) {})
	defer l.close()
	r := l.r
	r.create(RootIno, "a", noise(1, 100<<10))
	r.commit()
	if _, _, err := r.v.Clone(bg, "a", "b", nil); err != nil {
		t.Fatal(err)
	}
	r.create(RootIno, "c", nil)
	if err := r.v.save(bg); err != nil {
		t.Fatal(err)
	}
	l.killed() // all is saved
	if _, _, err := r.v.Clone(bg, "a", "d", nil); err != nil {
		t.Fatal(err)
	}
	r.v.stop() // or the keeper might save it now
	if err := l.mem.Replay(r.v.log.applied-1, func(uint64, []byte, []byte) error { return nil }); !errors.Is(err, session.ErrUnsound) {
		t.Errorf("a log without the clone would be replayed: %v", err)
	}
}

// TestAppliedOnce: what was applied for a request of the kernel is known
// afterwards, with its result, until its goroutine serves another one.
func TestAppliedOnce(t *testing.T) {
	l := newLife(t, 12<<20, func(*Options) {})
	defer l.close()
	r := l.r
	first := &session.Request{ID: 100, Slot: l.mem.NewSlot()}
	second := &session.Request{ID: 102, Slot: l.mem.NewSlot()}
	a, err := r.v.Mkdir(session.With(bg, first), RootIno, "a", 0o755, root)
	if err != nil {
		t.Fatal(err)
	}
	b, err := r.v.Create(session.With(bg, second), a.Ino, "b", 0o644, root)
	if err != nil {
		t.Fatal(err)
	}
	first.ID = 104
	if err := r.v.Rename(session.With(bg, first), a.Ino, "b", RootIno, "c", root); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		l.killed()
		got := l.mem.Results()
		if len(got) != 2 || got[102] != b.Ino || got[104] != b.Ino {
			t.Fatalf("results are %v", got)
		}
	}
}
