package cache

import (
	"errors"
	"sync"
	"testing"
	"time"

	"pifs/blockstore"
)

// poll waits for a condition that another goroutine brings about.
func poll(t testing.TB, cond func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-deadline:
			t.Fatal("condition did not come true")
		case <-tick.C:
		}
	}
}

func TestConcurrentSyncsShareRounds(t *testing.T) {
	f, s := newFakeBackend(), testSealer()
	b := openTest(t, t.TempDir(), f, Options{})
	var wg sync.WaitGroup
	const callers, each = 8, 10
	for c := range callers {
		wg.Go(func() {
			for i := range each {
				ref := mustPut(t, b, s, plainOf(c*each+i, 500))
				if err := b.Sync(t.Context()); err != nil {
					t.Error(err)
				}
				if e, err := b.index.db.lookup(t.Context(), ref.Address); err != nil || e == nil {
					t.Errorf("synced block has no row: %v", err)
				}
			}
		})
	}
	wg.Wait()
	if f.syncs > callers*each {
		t.Errorf("%d rounds for %d calls", f.syncs, callers*each)
	}
	before := f.syncs
	if err := b.Sync(t.Context()); err != nil || f.syncs != before {
		t.Errorf("a round with nothing to do asked the stores: %v", err)
	}
}

// A store that fails to sync, whether or not it kept the shards, must not make
// the blocks of the round unsafe, nor be trusted with them.
func TestFailedSyncPinsTheBlocks(t *testing.T) {
	for _, keep := range []bool{true, false} {
		f, s := newFakeBackend(), testSealer()
		dir := t.TempDir()
		b := openTest(t, dir, f, Options{RetryEvery: time.Hour})
		plain := plainOf(0, 20_000)
		ref := mustPut(t, b, s, plain)
		f.syncErr = errDown
		if err := b.Sync(t.Context()); err != nil {
			t.Fatalf("keep %v: %v", keep, err)
		}
		if st := b.Stats(); st.Outbox != 1 || st.Blocks != 1 {
			t.Errorf("keep %v: the block is not pinned: %+v", keep, st)
		}
		if !keep {
			f.crash()
		}
		mustGet(t, b, s, ref, plain)
		f.mu.Lock()
		f.syncErr = nil
		f.mu.Unlock()
		if err := b.Drain(t.Context(), nil); err != nil {
			t.Fatalf("keep %v: drain: %v", keep, err)
		}
		f.crash()
		b.memory.drop()
		mustGet(t, b, s, ref, plain)
		if st := b.Stats(); st.Outbox != 0 || st.Owed != 0 || st.Blocks != 1 {
			t.Errorf("keep %v: after drain: %+v", keep, st)
		}
	}
}

// A failed sync whose blocks could not be pinned either leaves them in doubt:
// the stores' next sync says nothing about them.
func TestSyncAfterPinningFailed(t *testing.T) {
	f, s := newFakeBackend(), testSealer()
	b := openTest(t, t.TempDir(), f, Options{RetryEvery: time.Hour})
	plain := plainOf(0, 20_000)
	ref := mustPut(t, b, s, plain)
	b.memory.remove(ref.Address)
	f.syncErr, f.getErr = errDown, errDown
	if err := b.Sync(t.Context()); !errors.Is(err, errDown) {
		t.Fatalf("sync without stores and without the block: %v", err)
	}
	f.mu.Lock()
	f.syncErr, f.getErr = nil, nil
	f.mu.Unlock()
	if err := b.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if st := b.Stats(); st.Outbox != 1 {
		t.Errorf("the block is taken for durable: %+v", st)
	}
	mustGet(t, b, s, ref, plain)
	second := mustPut(t, b, s, plainOf(1, 20_000))
	if err := b.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if st := b.Stats(); st.Outbox != 1 {
		t.Errorf("a block is pinned that stores vouch for: %+v", st)
	}
	mustGet(t, b, s, second, plainOf(1, 20_000))
}

// If the shards are gone as well, Sync must say so and forget the blocks, so
// that they can be put again.
func TestFailedSyncWithLostShards(t *testing.T) {
	f, s := newFakeBackend(), testSealer()
	b := openTest(t, t.TempDir(), f, Options{RetryEvery: time.Hour})
	safe := mustPut(t, b, s, plainOf(1, 30_000))
	if err := b.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	plain := plainOf(0, 20_000)
	ref := mustPut(t, b, s, plain)
	f.syncErr, f.lossy = errDown, true
	if err := b.Sync(t.Context()); !errors.Is(err, errDown) || !errors.Is(err, blockstore.ErrLost) {
		t.Fatalf("sync after losing the shards: %v", err)
	}
	if _, err := b.Get(t.Context(), s, ref); !errors.Is(err, blockstore.ErrNotFound) {
		t.Errorf("lost block: %v", err)
	}
	f.syncErr = nil
	if again := mustPut(t, b, s, plain); again != ref {
		t.Error("another reference for the same bytes")
	}
	if err := b.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.crash()
	mustGet(t, b, s, ref, plain)
	mustGet(t, b, s, safe, plainOf(1, 30_000))
	if st := b.Stats(); st.Blocks != 2 || st.Outbox != 0 {
		t.Errorf("stats: %+v", st)
	}
}

func TestManyRowsStartARoundThemselves(t *testing.T) {
	f := newFakeBackend()
	b := openTest(t, t.TempDir(), f, Options{})
	for i := range softPending + 10 {
		d := blockstore.Descriptor{Address: blockstore.AddressOf([]byte{byte(i), byte(i >> 8)}), Class: blockstore.Class{K: 1, N: 1}, Length: 100}
		d.Shards = []blockstore.ShardID{blockstore.ShardID(d.Address)}
		if err := b.Adopt(t.Context(), d, 10); err != nil {
			t.Fatal(err)
		}
	}
	poll(t, func() bool { return b.index.waiting() < softPending })
}

// A block that the outbox holds durably was delivered, and the stores fail
// before that is durable: the outbox still has it.
func TestFailedSyncKeepsWhatTheOutboxHolds(t *testing.T) {
	f, s := newFakeBackend(), testSealer()
	b := openTest(t, t.TempDir(), f, Options{RetryEvery: time.Hour})
	f.setDown(3)
	ref := mustPut(t, b, s, plainOf(1, 300)) // pinned
	failSyncOfBetter(t, b, f, ref, 1)
	b.memory.drop()
	mustGet(t, b, s, ref, plainOf(1, 300))
	if st := b.index.totals(); st.pinned != 1 {
		t.Errorf("%d blocks are pinned, want 1", st.pinned)
	}
}

// A block with a durable quorum got its last shard, and the stores fail before
// that is durable: it is known, and can be read when they are back.
func TestFailedSyncKeepsADurableQuorum(t *testing.T) {
	f, s := newFakeBackend(), testSealer()
	b := openTest(t, t.TempDir(), f, Options{RetryEvery: time.Hour})
	f.setDown(1)
	ref := mustPut(t, b, s, plainOf(1, 300)) // owed
	failSyncOfBetter(t, b, f, ref, 0)
	f.setDown(0)
	b.memory.drop()
	mustGet(t, b, s, ref, plainOf(1, 300))
	if st := b.index.totals(); st.owed != 1 {
		t.Errorf("%d blocks are owed shards, want 1", st.owed)
	}
}

// failSyncOfBetter syncs, delivers the block with down stores away, and syncs
// again with three away and the others failing.
func failSyncOfBetter(t *testing.T, b *Blocks, f *fakeBackend, ref blockstore.Ref, down int) {
	t.Helper()
	if err := b.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.setDown(down)
	if refused, err := b.deliver(t.Context(), ref.Address); refused || err != nil {
		t.Fatalf("deliver: refused %v, %v", refused, err)
	}
	f.setDown(3)
	f.mu.Lock()
	f.syncErr, f.lossy = errDown, true
	f.mu.Unlock()
	if err := b.Sync(t.Context()); err != nil {
		t.Errorf("sync of a block that is durable: %v", err)
	}
}

// A pinned block is forgotten, and pinned again while the round runs that
// frees the outbox of it: the bytes stay.
func TestRoundKeepsWhatWasPinnedAnew(t *testing.T) {
	f, s := newFakeBackend(), testSealer()
	b := openTest(t, t.TempDir(), f, Options{RetryEvery: time.Hour})
	f.setDown(3)
	ref := mustPut(t, b, s, plainOf(1, 300))
	if err := b.Forget(t.Context(), ref.Address); err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	f.during = func() {
		if _, err := b.Put(t.Context(), s, plainOf(1, 300)); err != nil {
			t.Error(err)
		}
	}
	f.mu.Unlock()
	if err := b.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.memory.drop()
	mustGet(t, b, s, ref, plainOf(1, 300))
}
