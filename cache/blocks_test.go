package cache

import (
	"bytes"
	"errors"
	"sync"
	"testing"

	"pifs/blockstore"
)

func TestPutThenGet(t *testing.T) {
	f, s := newFakeBackend(), testSealer()
	b := openTest(t, t.TempDir(), f, Options{})
	for i, size := range []int{1, 17, 4096, 100 << 10, blockstore.MaxChunk} {
		plain := plainOf(i, size)
		ref := mustPut(t, b, s, plain)
		if _, ok := b.tryGet(ref); ok {
			t.Errorf("%d bytes: Put kept the plaintext in memory", size)
		}
		mustGet(t, b, s, ref, plain)
		if got, ok := b.tryGet(ref); !ok || !bytes.Equal(got.bytes, plain) {
			t.Errorf("%d bytes: not in memory after Get", size)
		}
	}
}

// A put gives the memory back, unless the backend still uses it.
func TestPutInPlace(t *testing.T) {
	f, s := newFakeBackend(), testSealer()
	b := openTest(t, t.TempDir(), f, Options{})
	for i, late := range []error{nil, blockstore.ErrLate} {
		f.late = late
		plain := plainOf(i, 300_000)
		buf := bytes.Clone(plain)
		ref, err := b.PutInPlace(t.Context(), s, &buf)
		if err != nil || len(buf) != 0 || (buf == nil) != (late != nil) {
			t.Fatalf("backend says %v: room for %d bytes given back, %v", late, cap(buf), err)
		}
		mustGet(t, b, s, ref, plain)
		buf = append(buf[:0], plain...)
		if again, err := b.PutInPlace(t.Context(), s, &buf); err != nil || again != ref || buf == nil {
			t.Fatalf("known block: %v, %v", again, err)
		}
	}
}

func TestPutNodeStaysInMemory(t *testing.T) {
	b, s := openTest(t, t.TempDir(), newFakeBackend(), Options{}), testSealer()
	plain := plainOf(0, 9000)
	ref, err := b.PutNode(t.Context(), s, plain)
	if err != nil {
		t.Fatal(err)
	}
	want := bytes.Clone(plain)
	clear(plain) // the caller may reuse its buffer
	if got, ok := b.tryGet(ref); !ok || !bytes.Equal(got.bytes, want) {
		t.Error("node is not in memory as it was put")
	}
}

func TestSameBlockIsStoredOnce(t *testing.T) {
	f, s := newFakeBackend(), testSealer()
	dir := t.TempDir()
	b := openTest(t, dir, f, Options{})
	plain := plainOf(0, 50_000)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if _, err := b.Put(t.Context(), s, plain); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if puts, _ := f.counts(); puts != 1 {
		t.Errorf("16 concurrent puts stored the block %d times", puts)
	}
	if got := b.Stats(); got.Blocks != 1 || got.PlainBytes != 50_000 || got.BlockBytes < 50_000 {
		t.Errorf("stats count it more than once: %+v", got)
	}
	if err := b.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	again := openTest(t, dir, f, Options{})
	mustPut(t, again, s, plain)
	if puts, _ := f.counts(); puts != 1 {
		t.Error("a block in the index was stored again after reopening")
	}
	if got := again.Stats(); got.Blocks != 1 || got.PlainBytes != 50_000 {
		t.Errorf("stats after reopening: %+v", got)
	}
}

func TestGetNeedsTheWholeReference(t *testing.T) {
	b, s := openTest(t, t.TempDir(), newFakeBackend(), Options{}), testSealer()
	plain := plainOf(0, 5000)
	ref := mustPut(t, b, s, plain)
	mustGet(t, b, s, ref, plain)
	wrong := ref
	wrong.Key[0] ^= 1
	if _, ok := b.tryGet(wrong); ok {
		t.Error("memory gave plaintext for a wrong key")
	}
	if _, err := b.Get(t.Context(), s, wrong); !errors.Is(err, blockstore.ErrCorrupt) {
		t.Errorf("Get with a wrong key: %v", err)
	}
	wrong = ref
	wrong.Size++
	if _, err := b.Get(t.Context(), s, wrong); err == nil {
		t.Error("Get with a wrong size succeeded")
	}
	if _, err := b.Get(t.Context(), s, blockstore.Ref{Size: 1}); !errors.Is(err, blockstore.ErrNotFound) {
		t.Errorf("Get of an unknown block: %v", err)
	}
	if _, err := b.Get(t.Context(), s, blockstore.Ref{Size: blockstore.MaxChunk + 1}); !errors.Is(err, blockstore.ErrTooLarge) {
		t.Errorf("Get of a block beyond the bound: %v", err)
	}
}

// What an unchecked read brings is never believed, nor kept.
func TestRawReadsAreChecked(t *testing.T) {
	f, s := newFakeBackend(), testSealer()
	b := openTest(t, t.TempDir(), f, Options{DiskBytes: 64 << 20})
	f.spoilRaw = true
	for i, size := range []int{1, 5000, 300_000} {
		plain := plainOf(i, size)
		ref := mustPut(t, b, s, plain)
		d, err := b.Descriptor(t.Context(), ref.Address)
		if err != nil {
			t.Fatal(err)
		}
		f.lose(d, 1)
		for range 3 {
			mustGet(t, b, s, ref, plain) // twice from shards, then from the disk tier
			b.memory.drop()
		}
	}
	if got := b.Stats(); got.DiskHits != 3 {
		t.Errorf("%d of 3 blocks were kept after a decode", got.DiskHits)
	}
}

func TestDegradedReadFillsTheDiskTier(t *testing.T) {
	f, s := newFakeBackend(), testSealer()
	b := openTest(t, t.TempDir(), f, Options{DiskBytes: 64 << 20})
	healthy, hurt := plainOf(0, 70_000), plainOf(1, 70_000)
	r0, r1 := mustPut(t, b, s, healthy), mustPut(t, b, s, hurt)
	d, err := b.Descriptor(t.Context(), r1.Address)
	if err != nil {
		t.Fatal(err)
	}
	f.lose(d, 2)
	mustGet(t, b, s, r0, healthy)
	if used := b.Stats().DiskBytes; used != 0 {
		t.Errorf("a plain read put %d bytes into the disk tier", used)
	}
	mustGet(t, b, s, r1, hurt)
	if used := b.Stats().DiskBytes; used != 0 {
		t.Errorf("what was decoded once put %d bytes into the disk tier", used)
	}
	b.memory.drop()
	mustGet(t, b, s, r1, hurt)
	if b.Stats().DiskBytes == 0 || b.Stats().Degraded != 2 {
		t.Errorf("a degraded read was not kept: %+v", b.Stats())
	}
	f.lose(d, 5) // now the disk tier has the only copy
	b.memory.drop()
	mustGet(t, b, s, r1, hurt)
	if b.Stats().DiskHits != 1 {
		t.Errorf("the block did not come from the disk tier: %+v", b.Stats())
	}
}

func TestDropForgetsWhatIsElsewhere(t *testing.T) {
	f, s := newFakeBackend(), testSealer()
	b := openTest(t, t.TempDir(), f, Options{DiskBytes: 64 << 20})
	var plains [][]byte
	var refs []blockstore.Ref
	for i := range 4 {
		plains = append(plains, plainOf(i, 30_000))
		if i == 2 {
			f.setDown(2) // the last two are pinned
		}
		refs = append(refs, mustPut(t, b, s, plains[i]))
		mustGet(t, b, s, refs[i], plains[i])
	}
	mustGet(t, b, s, refs[0], plains[0])
	freed, err := b.Drop(t.Context())
	if err != nil || freed < 4*30_000 {
		t.Fatalf("dropped %d bytes, %v", freed, err)
	}
	if st := b.Stats(); st.MemoryBytes != 0 || st.DiskBytes != 0 || st.Outbox != 2 {
		t.Errorf("after drop: %+v", st)
	}
	f.setDown(5)
	for i := 2; i < 4; i++ {
		mustGet(t, b, s, refs[i], plains[i])
	}
	if _, err := b.Get(t.Context(), s, refs[0]); !errors.Is(err, blockstore.ErrLost) {
		t.Errorf("a dropped block was read without its shards: %v", err)
	}
}

func TestForget(t *testing.T) {
	f, s := newFakeBackend(), testSealer()
	dir := t.TempDir()
	b := openTest(t, dir, f, Options{})
	keep, drop := mustPut(t, b, s, plainOf(0, 2000)), mustPut(t, b, s, plainOf(1, 3000))
	if err := b.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.Forget(t.Context(), drop.Address); err != nil {
		t.Fatal(err)
	}
	if err := b.Forget(t.Context(), blockstore.Address{9}); err != nil {
		t.Errorf("forgetting an unknown block: %v", err)
	}
	check := func(b *Blocks) {
		t.Helper()
		if _, err := b.Descriptor(t.Context(), drop.Address); !errors.Is(err, blockstore.ErrNotFound) {
			t.Errorf("forgotten block: %v", err)
		}
		if _, err := b.Descriptor(t.Context(), keep.Address); err != nil {
			t.Errorf("the other block: %v", err)
		}
		if st := b.Stats(); st.Blocks != 1 || st.PlainBytes != 2000 {
			t.Errorf("stats: %+v", st)
		}
	}
	check(b)
	if err := b.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	check(b)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = openTest(t, dir, f, Options{})
	check(b)
	puts, _ := f.counts()
	mustPut(t, b, s, plainOf(1, 3000))
	if now, _ := f.counts(); now != puts+1 {
		t.Error("a forgotten block was not stored again")
	}
}

func TestClosed(t *testing.T) {
	b, s := openTest(t, t.TempDir(), newFakeBackend(), Options{}), testSealer()
	ref := mustPut(t, b, s, plainOf(0, 100))
	for range 2 {
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.Put(t.Context(), s, plainOf(1, 100)); !errors.Is(err, blockstore.ErrClosed) {
		t.Errorf("Put: %v", err)
	}
	if _, err := b.Get(t.Context(), s, ref); !errors.Is(err, blockstore.ErrClosed) {
		t.Errorf("Get: %v", err)
	}
	if err := b.Sync(t.Context()); !errors.Is(err, blockstore.ErrClosed) {
		t.Errorf("Sync: %v", err)
	}
	b.Prefetch(s, ref)
}
