package fsnode

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// collect frees what the rig's volume and its heads do not need.
func (r *rig) collect() {
	r.t.Helper()
	if err := collect(context.Background(), r); err != nil {
		r.t.Fatal(err)
	}
}

func collect(ctx context.Context, r *rig) error {
	c, err := r.blocks.Collect()
	if err != nil {
		return err
	}
	defer c.End()
	l, err := r.v.Live(ctx)
	if err != nil {
		return err
	}
	defer l.End()
	if err := l.Walk(ctx, func(HeadEntry) bool { return false }, c.Keep); err != nil {
		return err
	}
	_, err = c.Sweep(ctx)
	return err
}

// stored returns how many blocks the backend has.
func (r *rig) stored() int {
	r.backend.mu.Lock()
	defer r.backend.mu.Unlock()
	return len(r.backend.blocks)
}

// hoarder does random things to files with few different contents, so that
// new files are often made of what was garbage a moment ago.
type hoarder struct {
	r     *rig
	rng   *rand.Rand
	files map[string]int            // name → content
	heads map[uint64]map[string]int // of every head that is kept
	named map[uint64]bool
}

// contentOf returns content i: inline, one chunk, or a tree of some.
func contentOf(i int) []byte { return noise(uint64(i), []int{500, 20_000, 300_000, 5_000_000}[i%4]+i) }

func (h *hoarder) step() error {
	v, ctx := h.r.v, context.Background()
	name := fmt.Sprintf("f%d", h.rng.IntN(8))
	switch h.rng.IntN(10) {
	case 0, 1, 2:
		i := h.rng.IntN(8)
		if err := h.put(name, contentOf(i)); err != nil {
			return err
		}
		h.files[name] = i
	case 3, 4:
		err := v.Unlink(ctx, RootIno, name, root)
		if _, ok := h.files[name]; ok != (err == nil) {
			return fmt.Errorf("unlink %s: %w", name, err)
		}
		delete(h.files, name)
	case 5, 6:
		label := ""
		if h.rng.IntN(4) == 0 {
			label = fmt.Sprintf("snapshot-%d", len(h.heads)+1000*h.rng.IntN(1000))
		}
		head, err := v.Commit(ctx, label, nil)
		if err != nil {
			return err
		}
		h.heads[head.Seq] = maps.Clone(h.files)
		h.named[head.Seq] = h.named[head.Seq] || label != "" // it may be an older head
	case 7:
		return h.forget()
	case 8:
		return h.restore()
	case 9:
		return h.clone()
	}
	return nil
}

func (h *hoarder) put(name string, data []byte) error {
	v, ctx := h.r.v, context.Background()
	a, err := v.Create(ctx, RootIno, name, 0o644, Cred{})
	if errors.Is(err, syscall.EEXIST) {
		if a, err = v.Lookup(ctx, RootIno, name); err == nil {
			_, err = v.Setattr(ctx, a.Ino, SetAttr{Size: new(uint64)}, true)
		}
	}
	if err != nil {
		return err
	}
	defer v.Forget(a.Ino, 1)
	for off := 0; off < len(data); off += 128 << 10 {
		if _, err := v.Write(ctx, a.Ino, int64(off), data[off:min(len(data), off+128<<10)], true); err != nil {
			return err
		}
	}
	return nil
}

func (h *hoarder) forget() error {
	newest := uint64(0)
	for seq := range h.heads {
		newest = max(newest, seq)
	}
	var seqs []uint64
	for seq := range h.heads {
		if seq != newest && !h.named[seq] && h.rng.IntN(2) == 0 {
			seqs = append(seqs, seq)
			delete(h.heads, seq)
		}
	}
	return h.r.v.ForgetHeads(seqs)
}

func (h *hoarder) restore() error {
	for seq, files := range h.heads {
		head, err := h.r.v.FindHead(fmt.Sprint(seq))
		if err != nil {
			return err
		}
		if _, err := h.r.v.Restore(context.Background(), head, "", ""); err != nil {
			return err
		}
		h.files = maps.Clone(files)
		return nil
	}
	return nil
}

// clone copies one file, or all of a head, to names of its own.
func (h *hoarder) clone() error {
	from := fmt.Sprintf("f%d", h.rng.IntN(8))
	to := fmt.Sprintf("clone%d", h.rng.IntN(1_000_000))
	if i, ok := h.files[from]; ok {
		_, _, err := h.r.v.Clone(context.Background(), from, to, nil)
		h.files[to] = i
		return err
	}
	for seq, files := range h.heads {
		tree := fmt.Sprintf("tree%d-%d", seq, h.rng.IntN(1_000_000))
		if hasTree(files) {
			continue
		}
		_, _, err := h.r.v.Clone(context.Background(), fmt.Sprintf(".pifs/snapshots/%d", seq), tree, nil)
		for name, i := range files {
			h.files[tree+"/"+name] = i
		}
		return err
	}
	return nil
}

func hasTree(files map[string]int) bool {
	for name := range files {
		if strings.Contains(name, "/") {
			return true
		}
	}
	return false
}

// find returns the inode at a path of at most one folder.
func (h *hoarder) find(name string) (Ino, error) {
	dir, base, ok := strings.Cut(name, "/")
	if !ok {
		return h.r.lookup(RootIno, name)
	}
	ino, err := h.r.lookup(RootIno, dir)
	if err != nil {
		return 0, err
	}
	return h.r.lookup(ino, base)
}

// compare reads every live file and every file of every head that is kept.
func (h *hoarder) compare() {
	h.r.t.Helper()
	ctx := context.Background()
	h.r.blocks.Drop(ctx)
	for name, i := range h.files {
		ino, err := h.find(name)
		if err != nil || !bytes.Equal(h.r.read(ino), contentOf(i)) {
			h.r.t.Fatalf("%s is not content %d: %v", name, i, err)
		}
	}
	for seq, files := range h.heads {
		head, err := h.r.v.FindHead(fmt.Sprint(seq))
		if err != nil {
			h.r.t.Fatal(err)
		}
		for name, i := range files {
			e, err := h.r.v.itemAt(ctx, &head, name)
			if err != nil {
				h.r.t.Fatalf("%s of head %d: %v", name, seq, err)
			}
			got := e.Inline
			if e.Size > InlineMax {
				got = make([]byte, e.Size)
				exts, err := readFile(ctx, treeBlocks{h.r.v}, get(e.File), int64(e.Size))
				if err == nil {
					err = h.r.v.readExtents(ctx, exts, 0, got)
				}
				if err != nil {
					h.r.t.Fatalf("%s of head %d: %v", name, seq, err)
				}
			}
			if !bytes.Equal(got, contentOf(i)) {
				h.r.t.Fatalf("%s of head %d is not content %d", name, seq, i)
			}
		}
	}
	h.r.checkClean()
}

// Collections run without end while files are written, removed, committed,
// restored, and heads forgotten: nothing that is kept is ever missing.
func TestCollectBesideAVolume(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := newRig(t, nil)
	h := &hoarder{r: r, rng: rand.New(rand.NewPCG(seed, 1)), files: map[string]int{},
		heads: map[uint64]map[string]int{}, named: map[uint64]bool{}}
	for range 4 {
		ctx, stop := context.WithCancel(context.Background())
		var collector sync.WaitGroup
		collector.Go(func() {
			for ctx.Err() == nil {
				if err := collect(ctx, r); err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
			}
		})
		for range 20 {
			if err := h.step(); err != nil {
				t.Error(err)
			}
		}
		stop()
		collector.Wait()
		if t.Failed() {
			return
		}
		h.compare()
		r.close()
		r.open()
		head, err := r.v.FindHead(fmt.Sprint(len(r.heads.hs)))
		if err != nil {
			t.Fatal(err)
		}
		h.heads[head.Seq] = maps.Clone(h.files) // what closing committed
		r.collect()
		h.compare()
	}
}

// Everything that nothing refers to goes; a head that is kept keeps its own.
func TestCollectFreesWhatIsForgotten(t *testing.T) {
	r := newRig(t, nil)
	ctx := context.Background()
	r.create(RootIno, "kept", contentOf(1))
	r.commit()
	r.collect()
	least := r.stored()
	r.v.Forget(r.create(RootIno, "big", contentOf(3)), 1)
	with := r.commit()
	if err := r.v.Unlink(ctx, RootIno, "big", root); err != nil {
		t.Fatal(err)
	}
	r.commit()
	r.collect()
	if n := r.stored(); n < least+4 {
		t.Errorf("%d blocks: the head with the file lost it", n)
	}
	r.checkClean()
	if err := r.v.ForgetHeads([]uint64{with.Seq + 1}); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("forgetting the newest head: %v", err)
	}
	if err := r.v.ForgetHeads([]uint64{with.Seq - 1, with.Seq}); err != nil {
		t.Fatal(err)
	}
	r.collect()
	if n := r.stored(); n > least+3 { // trees and a manifest may be cut otherwise
		t.Errorf("%d blocks are left, %d were there before the file came", n, least)
	}
	if _, err := r.v.FindHead(fmt.Sprint(with.Seq)); !errors.Is(err, ErrForgotten) {
		t.Errorf("a forgotten head is found: %v", err)
	}
	if _, err := r.v.Restore(ctx, with, "", ""); !errors.Is(err, ErrForgotten) {
		t.Errorf("a forgotten head is restored: %v", err)
	}
	r.checkClean()
}
