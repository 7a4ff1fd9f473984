package fsnode

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestWalkIsReadAhead: who lists a directory after the one above it finds the
// others in memory.
func TestWalkIsReadAhead(t *testing.T) {
	const dirs, files = 20, 30
	r := newRig(t, nil)
	var inos []Ino
	for i := range dirs {
		a, err := r.v.Mkdir(bg, RootIno, fmt.Sprintf("dir-%02d", i), 0o755, root)
		if err != nil {
			t.Fatal(err)
		}
		inos = append(inos, a.Ino)
		for k := range files {
			r.create(a.Ino, fmt.Sprintf("file-%02d", k), noise(uint64(k), 100))
		}
	}
	r.close()
	r.open()
	r.listPlus(RootIno)
	r.listPlus(inos[0])
	ready := func() (n int) {
		r.v.mu.Lock()
		defer r.v.mu.Unlock()
		for _, ino := range inos[1:] {
			if r.v.pages[ino] != nil {
				n++
			}
		}
		return n
	}
	for end := time.Now().Add(time.Minute); ready() < walkPerStep; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d directories were read ahead, not %d", ready(), walkPerStep)
		}
	}
	if n := ready(); n != walkPerStep {
		t.Errorf("%d directories were read ahead; %d is what one step allows", n, walkPerStep)
	}
	r.v.mu.Lock()
	r.v.ahead.next = []Ino{0} // no more, so that queries are those of the listing
	r.v.mu.Unlock()
	for _, ino := range inos[1:] {
		r.v.mu.Lock()
		known := r.v.pages[ino] != nil
		r.v.mu.Unlock()
		got := r.queries(func() {
			if n := len(r.listPlus(ino)); n != files {
				t.Errorf("%d entries of %d", n, files)
			}
		})
		if known && got > 0 {
			t.Errorf("%d queries for a directory that was read ahead", got)
		}
	}
}

// TestWalksAmongChanges: what is read ahead is never older than what was done.
func TestWalksAmongChanges(t *testing.T) {
	const dirs, steps = 12, 400
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	r := newRig(t, nil)
	inos := []Ino{RootIno}
	want := map[Ino]map[string]Ino{RootIno: {}}
	for i := range dirs {
		above := inos[rnd.IntN(len(inos))]
		a, err := r.v.Mkdir(bg, above, fmt.Sprintf("dir-%d", i), 0o755, root)
		if err != nil {
			t.Fatal(err)
		}
		inos = append(inos, a.Ino)
		want[a.Ino] = map[string]Ino{}
		want[above][fmt.Sprintf("dir-%d", i)] = a.Ino
	}
	for range steps {
		dir := inos[rnd.IntN(len(inos))]
		name := fmt.Sprintf("file-%d", rnd.IntN(20))
		switch rnd.IntN(6) {
		case 0, 1:
			if want[dir][name] == 0 {
				want[dir][name] = r.create(dir, name, nil)
				r.v.Forget(want[dir][name], 1)
			}
		case 2:
			if want[dir][name] != 0 {
				if err := r.v.Unlink(bg, dir, name, root); err != nil {
					t.Fatal(err)
				}
				delete(want[dir], name)
			}
		case 3:
			if err := r.v.save(bg); err != nil {
				t.Fatal(err)
			}
		case 4:
			r.forgetClean()
		case 5:
			for _, ino := range inos { // parents first
				if got := r.listPlus(ino); !maps.Equal(got, want[ino]) {
					t.Fatalf("directory %d lists %v, not %v", ino, got, want[ino])
				}
			}
		}
	}
	r.checkWeight()
}

// forgetClean drops what memory can read again.
func (r *rig) forgetClean() {
	r.v.mu.Lock()
	defer r.v.mu.Unlock()
	for ino, in := range r.v.inodes {
		if r.v.evictable(in) {
			r.v.weight -= in.weight
			delete(r.v.inodes, ino)
		}
	}
	for _, d := range slices.Collect(maps.Values(r.v.dents)) {
		if d.gen <= r.v.saved {
			r.v.dropDent(d)
		}
	}
}

// listPlus lists a directory as READDIRPLUS does.
func (r *rig) listPlus(dir Ino) map[string]Ino {
	r.t.Helper()
	out := map[string]Ino{}
	err := r.v.ReaddirPlus(bg, dir, 0, func(e DirEntry) bool {
		if _, ok := r.v.Hold(e.Ino); !ok {
			r.t.Errorf("%s is listed and cannot be held", e.Name)
		}
		r.v.Forget(e.Ino, 1)
		out[e.Name] = e.Ino
		return true
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}
