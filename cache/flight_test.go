package cache

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"

	"pifs/blockstore"
)

func TestReadersShareOneFetch(t *testing.T) {
	f, s := newFakeBackend(), testSealer()
	b := openTest(t, t.TempDir(), f, Options{})
	plain := plainOf(0, 40_000)
	ref := mustPut(t, b, s, plain)
	f.hold, f.waiting = make(chan struct{}), make(chan struct{}, 1)

	const readers = 12
	var wg sync.WaitGroup
	quitter, quit := context.WithCancel(t.Context())
	quitErr := make(chan error, 1)
	go func() {
		_, err := b.Get(quitter, s, ref)
		quitErr <- err
	}()
	<-f.waiting // the fetch is under way, begun by the one who gives up
	for range readers {
		wg.Go(func() {
			got, err := b.Get(t.Context(), s, ref)
			if err != nil || !bytes.Equal(got, plain) {
				t.Errorf("reader: %v", err)
			}
		})
	}
	awaitWaiters(t, b, s, ref, readers+1)
	quit()
	if err := <-quitErr; !errors.Is(err, context.Canceled) {
		t.Errorf("the reader who gave up got %v", err)
	}
	close(f.hold)
	wg.Wait()
	if _, gets := f.counts(); gets != 1 {
		t.Errorf("%d fetches for one block", gets)
	}
}

// awaitWaiters polls until n readers wait for the block.
func awaitWaiters(t *testing.T, b *Blocks, s *blockstore.Sealer, ref blockstore.Ref, n int) {
	t.Helper()
	poll(t, func() bool {
		b.flights.mu.Lock()
		defer b.flights.mu.Unlock()
		c := b.flights.calls[flightKey{s, ref}]
		return c != nil && c.waiters == n
	})
}

func TestLastReaderGoneCancelsTheFetch(t *testing.T) {
	f, s := newFakeBackend(), testSealer()
	b := openTest(t, t.TempDir(), f, Options{})
	plain := plainOf(0, 40_000)
	ref := mustPut(t, b, s, plain)
	f.hold, f.waiting = make(chan struct{}), make(chan struct{}, 2)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := b.Get(ctx, s, ref)
		done <- err
	}()
	<-f.waiting
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	// The next reader must not join the fetch that was cancelled.
	go func() {
		_, err := b.Get(t.Context(), s, ref)
		done <- err
	}()
	<-f.waiting
	close(f.hold)
	if err := <-done; err != nil {
		t.Errorf("the next reader got %v", err)
	}
}

func TestPrefetch(t *testing.T) {
	f, s := newFakeBackend(), testSealer()
	b := openTest(t, t.TempDir(), f, Options{})
	var refs []blockstore.Ref
	for i := range 3 * prefetchers {
		refs = append(refs, mustPut(t, b, s, plainOf(i, 3000)))
	}
	f.hold, f.waiting = make(chan struct{}), make(chan struct{}, len(refs))
	b.Prefetch(s, refs...)
	for range prefetchers {
		<-f.waiting
	}
	b.Prefetch(s, refs...) // busy: dropped
	close(f.hold)
	poll(t, func() bool { return len(b.fetchers) == 0 })
	for i, ref := range refs {
		if _, ok := b.tryGet(ref); ok != (i < prefetchers) {
			t.Errorf("block %d in memory: %v", i, ok)
		}
	}
}

func TestAddressLockGivesUpWithItsContext(t *testing.T) {
	var l addressLocks
	unlock, err := l.lock(t.Context(), blockstore.Address{1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.lock(ctx, blockstore.Address{1}); !errors.Is(err, context.Canceled) {
		t.Errorf("second lock: %v", err)
	}
	unlock()
	again, err := l.lock(t.Context(), blockstore.Address{1})
	if err != nil {
		t.Fatal(err)
	}
	again()
	if len(l.held) != 0 {
		t.Errorf("%d locks left over", len(l.held))
	}
}
