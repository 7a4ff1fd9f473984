package cache

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"pifs/blockstore"
)

// collect keeps refs and sweeps the rest.
func collect(t *testing.T, b *Blocks, keep ...blockstore.Ref) Garbage {
	t.Helper()
	c, err := b.Collect()
	if err != nil {
		t.Fatal(err)
	}
	defer c.End()
	for _, ref := range keep {
		c.Keep(ref.Address)
	}
	expect, err := c.Measure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	g, err := c.Sweep(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if g != expect {
		t.Errorf("swept %+v, measured %+v", g, expect)
	}
	return g
}

func (f *fakeBackend) shards() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.stores {
		n += len(s)
	}
	return n
}

func TestSweepFreesWhatNobodyKept(t *testing.T) {
	f, s, dir := newFakeBackend(), testSealer(), t.TempDir()
	b := openTest(t, dir, f, Options{RetryEvery: time.Hour})
	var kept, gone []blockstore.Ref
	for i := range 600 { // more than two batches
		ref := mustPut(t, b, s, plainOf(i, 300))
		if i%10 == 0 {
			kept = append(kept, ref)
		} else {
			gone = append(gone, ref)
		}
	}
	f.setDown(3)
	gone = append(gone, mustPut(t, b, s, plainOf(1000, 300))) // pinned
	f.setDown(0)
	if g := collect(t, b, kept...); g.Blocks != int64(len(gone)) {
		t.Errorf("freed %+v, want %d blocks", g, len(gone))
	}
	if st := b.Stats(); st.Blocks != int64(len(kept)) || st.Outbox != 0 || f.shards() != 5*len(kept) {
		t.Errorf("left: %+v, %d shards", st, f.shards())
	}
	if held, err := b.outbox.has(t.Context(), gone[len(gone)-1].Address); held || err != nil {
		t.Errorf("the outbox still has a block that nobody needs: %v", err)
	}
	for _, ref := range gone {
		if _, err := b.Get(t.Context(), s, ref); !errors.Is(err, blockstore.ErrNotFound) {
			t.Fatalf("get of a collected block: %v", err)
		}
	}
	b.memory.drop()
	for i, ref := range kept {
		mustGet(t, b, s, ref, plainOf(10*i, 300))
	}
	ref := mustPut(t, b, s, plainOf(1, 300)) // collected before, and stored again
	b.memory.drop()
	mustGet(t, b, s, ref, plainOf(1, 300))
	if g := collect(t, b, append(kept, ref)...); g != (Garbage{}) {
		t.Errorf("a second sweep freed %+v", g)
	}
}

// A store that is away keeps its shards of collected blocks until it is back;
// what was stored again meanwhile stays.
func TestSweepGoesOnWhenAStoreIsBack(t *testing.T) {
	f, s, dir := newFakeBackend(), testSealer(), t.TempDir()
	o := Options{RetryEvery: time.Hour}
	b := openTest(t, dir, f, o)
	var refs []blockstore.Ref
	for i := range 20 {
		refs = append(refs, mustPut(t, b, s, plainOf(i, 300)))
	}
	f.setDown(1)
	c, err := b.Collect()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Sweep(t.Context()); !errors.Is(err, errDown) {
		t.Fatalf("sweep with a store away: %v", err)
	}
	c.End()
	f.setDown(0)
	again := mustPut(t, b, s, plainOf(3, 300))
	if again != refs[3] {
		t.Fatal("other reference for the same bytes")
	}
	if err := errors.Join(b.Sync(t.Context()), b.Close()); err != nil {
		t.Fatal(err)
	}
	b = openTest(t, dir, f, o)
	if c, err = b.Collect(); err != nil {
		t.Fatal(err)
	}
	defer c.End()
	c.Keep(again.Address)
	if g, err := c.Sweep(t.Context()); err != nil || g.Blocks != 19 {
		t.Errorf("swept %+v, %v", g, err)
	}
	if f.shards() != 5 {
		t.Errorf("%d shards are left, want the five of one block", f.shards())
	}
	mustGet(t, b, s, again, plainOf(3, 300))
}

// A crash between the rows and the shards leaves garbage that the next sweep
// frees, and never a row without shards.
func TestSweepAfterCrash(t *testing.T) {
	f, s, dir := newFakeBackend(), testSealer(), t.TempDir()
	b := openTest(t, dir, f, Options{RetryEvery: time.Hour})
	kept := mustPut(t, b, s, plainOf(0, 300))
	for i := 1; i < 30; i++ {
		mustPut(t, b, s, plainOf(i, 300))
	}
	c, err := b.Collect()
	if err != nil {
		t.Fatal(err)
	}
	c.Keep(kept.Address)
	if err := c.candidates(t.Context(), func(a blockstore.Address) error {
		_, err := c.doom(t.Context(), a)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(b.Sync(t.Context()), b.Close()); err != nil { // as far as a crash may have let it come
		t.Fatal(err)
	}
	b = openTest(t, dir, f, Options{RetryEvery: time.Hour})
	if st := b.Stats(); st.Blocks != 1 || f.shards() != 150 {
		t.Fatalf("the crash is not as meant: %+v, %d shards", st, f.shards())
	}
	collect2, err := b.Collect()
	if err != nil {
		t.Fatal(err)
	}
	defer collect2.End()
	collect2.Keep(kept.Address)
	if g, err := collect2.Sweep(t.Context()); err != nil || g.Blocks != 29 || f.shards() != 5 {
		t.Errorf("the next sweep freed %+v, %v; %d shards are left", g, err, f.shards())
	}
}

// Writers that store the same few contents again and again, and drop them,
// run beside collections without end: whatever a writer holds can be read.
func TestCollectBesideWriters(t *testing.T) {
	const writers, contents, steps = 4, 12, 150
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	f, s := newFakeBackend(), testSealer()
	b := openTest(t, t.TempDir(), f, Options{RetryEvery: time.Hour})
	var mu sync.Mutex // over held and the beginning of a collection, as a volume's mutex
	var held [writers]map[blockstore.Ref]int
	for w := range held {
		held[w] = map[blockstore.Ref]int{}
	}
	ctx, stop := context.WithCancel(t.Context())
	var wg, collector sync.WaitGroup
	collector.Go(func() {
		for ctx.Err() == nil {
			c, err := b.Collect()
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			for _, h := range held {
				for ref := range h {
					c.Keep(ref.Address)
				}
			}
			mu.Unlock()
			if _, err := c.Sweep(ctx); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
			c.End()
		}
	})
	for w := range writers {
		mine := held[w]
		rng := rand.New(rand.NewPCG(seed, uint64(w)))
		wg.Go(func() {
			for range steps {
				i := rng.IntN(contents)
				mu.Lock() // a put and its reference are one operation to a collection's beginning
				ref, err := b.Put(ctx, s, plainOf(i, 2000))
				if err == nil {
					mine[ref] = i
				}
				mu.Unlock()
				if err != nil {
					t.Error(err)
					return
				}
				for ref, i := range mine {
					b.memory.drop()
					if got, err := b.Get(ctx, s, ref); err != nil || !bytes.Equal(got, plainOf(i, 2000)) {
						t.Errorf("content %d cannot be read: %v", i, err)
						return
					}
					if rng.IntN(2) == 0 {
						mu.Lock()
						delete(mine, ref)
						mu.Unlock()
					}
				}
			}
		})
	}
	wg.Wait()
	stop()
	collector.Wait()
}
