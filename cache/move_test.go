package cache

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"pifs/blockstore"
)

// sideClasses are the classes in which the other side takes stripes: a block that
// moves may keep its stripe.
func sideClasses() []blockstore.Class {
	return []blockstore.Class{{K: 3, N: 5}, {K: 2, N: 3}}
}

// known returns the addresses of the blocks that are known.
func (w *world) known() (addrs []blockstore.Address) {
	for i := range w.put {
		addrs = append(addrs, w.refs[i].Address)
	}
	return addrs
}

// move moves everything to the side that takes new stripes. If nothing is in the
// way the other one has nothing left then.
func (w *world) move(fail bool) {
	before, earlier := maps.Clone(w.put), maps.Clone(w.forgot)
	w.setSyncErr(fail)
	m, err := w.b.Move(context.Background(), w.known())
	if err != nil {
		if !fail {
			w.t.Fatalf("move: %v", err)
		}
		w.recount()
		return
	}
	for i := range before {
		w.synced[i] = true
	}
	for i := range earlier {
		delete(w.forgot, i)
		delete(w.synced, i)
	}
	if err := w.b.FinishMoves(context.Background()); err != nil && !fail {
		w.t.Fatalf("finish moves: %v", err)
	}
	if fail || m.Refused != nil || w.down > 0 {
		return
	}
	for i := range before {
		w.checkMoved(i)
	}
}

func (w *world) setSyncErr(fail bool) {
	w.stores.mu.Lock()
	defer w.stores.mu.Unlock()
	w.stores.syncErr = nil
	if fail {
		w.stores.syncErr = errDown
	}
}

// checkMoved looks for shards of block i on the side that rests.
func (w *world) checkMoved(i int) {
	e, err := w.b.index.lookup(context.Background(), w.refs[i].Address)
	if err != nil || e == nil || e.state == pinned || w.litter[i] {
		return
	}
	block, _, err := w.stores.Get(context.Background(), e.desc, nil)
	if err != nil {
		w.t.Fatalf("block %d after it moved: %v", i, err)
	}
	for _, c := range sideClasses() {
		d, shards, err := w.stores.coder.Encode(c, e.desc.Address, block)
		if err != nil {
			w.t.Fatal(err)
		}
		shards.Release()
		for j, id := range d.Shards {
			if w.stores.stores[(1-w.stores.side)*fakeSide+at(d, j)][id] != nil {
				w.t.Fatalf("block %d, stripe of class %v, moved and left shard %d of class %v", i, e.desc.Class, j, c)
			}
		}
	}
}

// moveAndCrash crashes in the middle of a move: what is on disk and in the stores
// at that moment is what is found again.
func (w *world) moveAndCrash(where string) {
	w.setSyncErr(false)
	taken, calls := false, 0
	var left []map[blockstore.ShardID]*fakeShard
	take := func() {
		calls++
		if taken || where == "evicted" && calls == 1 {
			return
		}
		taken = true
		w.runs++
		if err := os.CopyFS(w.dir(), os.DirFS(filepath.Join(w.root, string(rune('a'+w.runs-1))))); err != nil {
			w.t.Fatal(err)
		}
		w.stores.mu.Lock()
		defer w.stores.mu.Unlock()
		for _, s := range w.stores.stores {
			kept := map[blockstore.ShardID]*fakeShard{}
			for id, shard := range s {
				if shard.synced {
					kept[id] = shard
				}
			}
			left = append(left, kept)
		}
	}
	w.stores.mu.Lock()
	if where == "sync" {
		w.stores.during = take
	} else {
		w.stores.evicting = take
	}
	w.stores.mu.Unlock()
	_, err := w.b.Move(context.Background(), w.known())
	w.stores.mu.Lock()
	w.stores.during, w.stores.evicting = nil, nil
	w.stores.mu.Unlock()
	if !taken {
		if err != nil {
			w.t.Fatalf("move: %v", err)
		}
		w.crash()
		return
	}
	if where == "sync" { // what was put has no row, and if others take stripes then it stays
		for i := range w.put {
			w.litter[i] = true
		}
	}
	w.stores.stores = left
	w.reopen()
}

// TestMovedBlocksOutliveTheIndex moves blocks, loses the index, and rebuilds it
// from what a manifest of before the move says.
func TestMovedBlocksOutliveTheIndex(t *testing.T) {
	ctx, dir, f, s := t.Context(), t.TempDir(), newFakeBackend(), testSealer()
	b, err := OpenBlocks(dir, f, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var refs []blockstore.Ref
	var listed []blockstore.Descriptor
	var addrs []blockstore.Address
	for i := range 20 {
		ref := mustPut(t, b, s, plainOf(i, 5000))
		d, err := b.Descriptor(ctx, ref.Address)
		if err != nil {
			t.Fatal(err)
		}
		refs, listed, addrs = append(refs, ref), append(listed, d), append(addrs, ref.Address)
	}
	f.turn()
	if m, err := b.Move(ctx, addrs); err != nil || m.Blocks != 20 || m.Refused != nil {
		t.Fatalf("moved %+v: %v", m, err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := RemoveIndex(dir); err != nil {
		t.Fatal(err)
	}
	b = openTest(t, dir, f, Options{})
	for _, d := range listed {
		if f.held(d) > 0 {
			t.Fatal("a block moved and left shards")
		}
		if err := b.Adopt(ctx, d, d.Length); err != nil {
			t.Fatal(err)
		}
	}
	for i, ref := range refs {
		mustGet(t, b, s, ref, plainOf(i, 5000))
	}
}
