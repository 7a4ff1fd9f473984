package cache

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"pifs/blockstore"
)

// strayingBackend is a backend that was restarted after a crash: it does not
// know whether what it holds is needed.
type strayingBackend struct {
	*fakeBackend
	strays map[blockstore.ShardID]bool
	before func() // called before the first decision, when nothing is held
}

var _ strayBackend = (*strayingBackend)(nil)

// crashedBackend makes strays of all shards of f.
func crashedBackend(f *fakeBackend) *strayingBackend {
	s := &strayingBackend{fakeBackend: f, strays: map[blockstore.ShardID]bool{}}
	for _, store := range f.stores {
		for id := range store {
			s.strays[id] = true
		}
	}
	return s
}

func (s *strayingBackend) HasStrays(context.Context) bool { return len(s.strays) > 0 }

func (s *strayingBackend) SweepStrays(_ context.Context, hold sync.Locker, needed func(blockstore.ShardID) bool) (deleted int64, err error) {
	if s.before != nil {
		s.before()
	}
	for id := range s.strays {
		hold.Lock()
		if !needed(id) {
			s.mu.Lock()
			for _, store := range s.stores {
				delete(store, id)
			}
			s.mu.Unlock()
			deleted++
		}
		hold.Unlock()
		delete(s.strays, id)
	}
	return deleted, nil
}

// reopened closes b without a sync, as a crash does, and opens it again.
func reopened(t *testing.T, b *Blocks, dir string, backend Backend) *Blocks {
	t.Helper()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	return openTest(t, dir, backend, Options{RetryEvery: time.Hour})
}

// Shards whose rows a crash took go with the next collection; those with rows
// stay, be it that nobody could name them before the sweep had begun.
func TestSweepFreesStrays(t *testing.T) {
	f, s, dir := newFakeBackend(), testSealer(), t.TempDir()
	b := openTest(t, dir, f, Options{RetryEvery: time.Hour})
	kept := mustPut(t, b, s, plainOf(0, 300))
	if err := b.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustPut(t, b, s, plainOf(1, 300))
	mustPut(t, b, s, plainOf(2, 300))
	mustPut(t, b, s, plainOf(3, 300))
	c := crashedBackend(f)
	b = reopened(t, b, dir, c)
	again := mustPut(t, b, s, plainOf(1, 300))
	var during blockstore.Ref
	c.before = func() { during = mustPut(t, b, s, plainOf(2, 300)) }
	if g := collect(t, b, kept, again); g != (Garbage{}) {
		t.Errorf("collected %+v", g)
	}
	if f.shards() != 15 {
		t.Errorf("%d shards are left, want those of three blocks", f.shards())
	}
	b.memory.drop()
	for i, ref := range []blockstore.Ref{kept, again, during} {
		mustGet(t, b, s, ref, plainOf(i, 300))
	}
}

// An index that lacks a row of a block that is needed, or is being rebuilt,
// cannot tell which shards are: all stay.
func TestStraysStayWhenTheIndexLacksRows(t *testing.T) {
	f, s, dir := newFakeBackend(), testSealer(), t.TempDir()
	b := openTest(t, dir, f, Options{RetryEvery: time.Hour})
	lacks := mustPut(t, b, s, plainOf(1, 300))
	mustPut(t, b, s, plainOf(2, 300))
	d, err := b.Descriptor(t.Context(), lacks.Address)
	if err != nil {
		t.Fatal(err)
	}
	c := crashedBackend(f)
	b = reopened(t, b, dir, c)
	collect(t, b, lacks)
	if f.shards() != 10 || len(c.strays) != 10 {
		t.Fatalf("%d shards and %d strays are left of 10", f.shards(), len(c.strays))
	}
	if err := errors.Join(b.Close(), RemoveIndex(dir)); err != nil {
		t.Fatal(err)
	}
	b = openTest(t, dir, c, Options{RetryEvery: time.Hour})
	collect(t, b)
	if f.shards() != 10 {
		t.Errorf("%d shards are left of 10 while the index is rebuilt", f.shards())
	}
	if err := errors.Join(b.Adopt(t.Context(), d, 300), b.FinishRebuild(t.Context())); err != nil {
		t.Fatal(err)
	}
	collect(t, b, lacks)
	if f.shards() != 5 {
		t.Errorf("%d shards are left, want the five of the block that is needed", f.shards())
	}
	mustGet(t, b, s, lacks, plainOf(1, 300))
}
