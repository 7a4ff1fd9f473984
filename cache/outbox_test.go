package cache

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pifs/blockstore"
)

func TestBlocksBelowQuorumArePinned(t *testing.T) {
	f, s := newFakeBackend(), testSealer()
	dir := t.TempDir()
	b := openTest(t, dir, f, Options{RetryEvery: time.Hour})
	var refs []blockstore.Ref
	var plains [][]byte
	for down := range 6 {
		f.setDown(down)
		plains = append(plains, plainOf(down, 10_000))
		refs = append(refs, mustPut(t, b, s, plains[down]))
		mustGet(t, b, s, refs[down], plains[down])
	}
	if st := b.Stats(); st.Owed != 1 || st.Outbox != 4 || st.Blocks != 6 {
		t.Fatalf("stats: %+v", st)
	}
	var undelivered *Undelivered
	if err := b.Drain(t.Context(), nil); !errors.As(err, &undelivered) || !errors.Is(err, errDown) {
		t.Fatalf("drain with all stores down: %v", err)
	}
	if undelivered.Pinned != 4 || undelivered.Owed != 1 {
		t.Errorf("undelivered: %+v", undelivered)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}

	b = openTest(t, dir, f, Options{RetryEvery: time.Hour})
	for i := 2; i < 6; i++ { // these need no store
		mustGet(t, b, s, refs[i], plains[i])
	}
	f.setDown(0)
	var left []int
	if err := b.Drain(t.Context(), func(n int) { left = append(left, n) }); err != nil {
		t.Fatal(err)
	}
	if len(left) != 5 || left[4] != 0 {
		t.Errorf("progress: %v", left)
	}
	for i, ref := range refs {
		d, err := b.Descriptor(t.Context(), ref.Address)
		if err != nil || f.held(d) != 5 {
			t.Errorf("block %d: %d shards, %v", i, f.held(d), err)
		}
		if held, err := b.outbox.has(t.Context(), ref.Address); held || err != nil {
			t.Errorf("block %d is still in the outbox: %v", i, err)
		}
		b.memory.drop()
		mustGet(t, b, s, ref, plains[i])
	}
}

func TestOutboxIsOfferedInTheBackground(t *testing.T) {
	f, s := newFakeBackend(), testSealer()
	b := openTest(t, t.TempDir(), f, Options{RetryEvery: time.Millisecond})
	f.setDown(3)
	mustPut(t, b, s, plainOf(0, 10_000))
	f.setDown(0)
	poll(t, func() bool { st := b.Stats(); return st.Outbox == 0 && st.Owed == 0 })
}

func TestRetryWakesTheWorker(t *testing.T) {
	f, s := newFakeBackend(), testSealer()
	b := openTest(t, t.TempDir(), f, Options{RetryEvery: time.Hour})
	f.setDown(3)
	mustPut(t, b, s, plainOf(0, 10_000))
	f.setDown(0)
	b.Retry()
	poll(t, func() bool { return b.Stats().Outbox == 0 })
}

// An owed block must not fall back into worse when stores go away.
func TestOwedBlockStaysOwed(t *testing.T) {
	f, s := newFakeBackend(), testSealer()
	b := openTest(t, t.TempDir(), f, Options{RetryEvery: time.Hour})
	f.setDown(1)
	mustPut(t, b, s, plainOf(0, 10_000))
	f.setDown(2)
	var undelivered *Undelivered
	if err := b.Drain(t.Context(), nil); !errors.As(err, &undelivered) || undelivered.Owed != 1 || undelivered.Pinned != 0 {
		t.Errorf("drain: %v", err)
	}
}

// With a store away for long, a pass must not read and encode every block that
// waits, only to be refused.
func TestPassEndsWhenTheStoresRefuse(t *testing.T) {
	f, s := newFakeBackend(), testSealer()
	b := openTest(t, t.TempDir(), f, Options{RetryEvery: time.Hour})
	f.setDown(1)
	for i := range 3 * giveUpAfter {
		mustPut(t, b, s, plainOf(i, 100))
	}
	before, _ := f.counts()
	var undelivered *Undelivered
	if err := b.Drain(t.Context(), nil); !errors.As(err, &undelivered) || undelivered.Owed != 3*giveUpAfter || undelivered.Cause == nil {
		t.Errorf("drain: %v", err)
	}
	if after, _ := f.counts(); after != before+giveUpAfter {
		t.Errorf("%d blocks were offered", after-before)
	}
	f.setDown(0)
	if err := b.Drain(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

func TestOutboxGivesSpaceBack(t *testing.T) {
	f, s := newFakeBackend(), testSealer()
	dir := t.TempDir()
	b := openTest(t, dir, f, Options{RetryEvery: time.Hour})
	f.setDown(4)
	for i := range 4 {
		mustPut(t, b, s, plainOf(i, 1<<20))
	}
	if err := b.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := folderSize(t, filepath.Join(dir, outboxDir)); n < 4<<20 {
		t.Fatalf("outbox of 4 MiB occupies %d bytes", n)
	}
	f.setDown(0)
	if err := b.Drain(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if n := folderSize(t, filepath.Join(dir, outboxDir)); n > 1<<20 {
		t.Errorf("empty outbox occupies %d bytes", n)
	}
}

func folderSize(t *testing.T, dir string) (sum int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			sum += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sum
}
