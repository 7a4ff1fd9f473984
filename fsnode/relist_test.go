package fsnode

import (
	"context"
	"testing"

	"pifs/blockstore"
)

// Age implements what the cache moves blocks by: nobody else moves them here.
func (f *fakeBackend) Age() uint64 { return 0 }

// Evict implements the same: the fake keeps one copy of a block, whatever its
// stripe.
func (f *fakeBackend) Evict(context.Context, uint64, []blockstore.Descriptor) error { return nil }

// setClass has new stripes be of another class.
func (f *fakeBackend) setClass(c blockstore.Class) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.class = c
}

// moveAll puts every block again.
func (r *rig) moveAll() {
	r.t.Helper()
	if err := r.blocks.Sync(bg); err != nil {
		r.t.Fatal(err)
	}
	var addrs []blockstore.Address
	err := r.blocks.Each(bg, func(d blockstore.Descriptor) error {
		addrs = append(addrs, d.Address)
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	for len(addrs) > 0 {
		n := min(len(addrs), 200)
		did, err := r.blocks.Move(bg, addrs[:n])
		if err != nil || did.Refused != nil || did.Blocks != int64(n) {
			r.t.Fatalf("moved %+v of %d blocks: %v", did, n, err)
		}
		addrs = addrs[n:]
	}
}

// listed returns the classes of the stripes that a head's manifest lists, its own
// blocks included.
func (r *rig) listed(h HeadInfo) map[blockstore.Class]int {
	r.t.Helper()
	out := map[blockstore.Class]int{}
	for _, s := range h.owed.Segments {
		out[s.Top.Class]++
		for _, level := range s.Levels {
			err := adopted{r.blocks, r.v.sealer}.entries(bg, level, func(_ blockstore.Address, d *blockstore.Descriptor) error {
				if d != nil {
					out[d.Class]++
				}
				return nil
			})
			if err != nil {
				r.t.Fatal(err)
			}
		}
	}
	return out
}

// TestRelist moves all blocks of a volume and has it list them: the next head has
// the same tree, and stripes of the new class only; a second time makes none. What
// is changed after that is committed as ever.
func TestRelist(t *testing.T) {
	r := newRig(t, nil)
	plant(r, false)
	r.commit()
	r.create(RootIno, "more", noise(12, 3<<20))
	before := r.commit()
	wide := blockstore.Class{K: 1, N: 2}
	r.backend.setClass(wide)
	r.moveAll()
	if got := r.listed(before); got[wide] != 0 {
		t.Fatalf("before: %v", got)
	}
	after, err := r.v.Relist(bg)
	if err != nil {
		t.Fatal(err)
	}
	if after.Root != before.Root || after.Seq != before.Seq+1 {
		t.Errorf("head %d of root %s after head %d of root %s", after.Seq, after.Root, before.Seq, before.Root)
	}
	if got := r.listed(after); len(got) != 1 || got[wide] == 0 {
		t.Errorf("after: %v", got)
	}
	if again, err := r.v.Relist(bg); err != nil || again.Seq != after.Seq {
		t.Errorf("a second time: head %d, %v", again.Seq, err)
	}
	if err := r.v.Unlink(bg, RootIno, "more", root); err != nil {
		t.Fatal(err)
	}
	r.commit()
	r.checkClean()
	r.close()
	r.open()
	r.checkClean()
}
