package cache

import (
	"bytes"
	"context"
	"testing"

	"pgregory.net/rapid"

	"pifs/blockstore"
)

// rangeBackend notes how many bytes of blocks are asked for.
type rangeBackend struct {
	*fakeBackend
	asked int
}

func (r *rangeBackend) GetRaw(ctx context.Context, d blockstore.Descriptor, off, n int) (*blockstore.Raw, bool, error) {
	r.asked += n
	return r.fakeBackend.GetRaw(ctx, d, off, n)
}

// A reader that jumps about gets the right bytes, whatever is cached, and does
// not make the backend read whole blocks; also after the cache was closed.
func TestScatteredReads(t *testing.T) {
	const size, group = 1 << 20, blockstore.OutlineGroup
	f, s, dir := &rangeBackend{fakeBackend: newFakeBackend()}, testSealer(), t.TempDir()
	plain := plainOf(0, size)
	b, err := OpenBlocks(dir, f, Options{})
	if err != nil {
		t.Fatal(err)
	}
	ref := mustPut(t, b, s, plain)
	if err := b.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = openTest(t, dir, f, Options{})
	rapid.Check(t, func(r *rapid.T) {
		if rapid.Bool().Draw(r, "forget") {
			b.memory.drop()
		}
		off := rapid.IntRange(0, size-1).Draw(r, "off")
		got := make([]byte, rapid.IntRange(1, min(size-off, maxGroups*group)).Draw(r, "n"))
		scattered := rapid.Bool().Draw(r, "scattered")
		f.asked = 0
		if err := b.Read(t.Context(), s, ref, off, got, scattered); err != nil || !bytes.Equal(got, plain[off:off+len(got)]) {
			r.Fatalf("%d bytes at %d: %v", len(got), off, err)
		}
		if scattered && len(got) <= group && f.asked > 2*group {
			r.Fatalf("%d bytes asked for, to read %d at %d", f.asked, len(got), off)
		}
		if !b.TryRead(ref, off, got) || !bytes.Equal(got, plain[off:off+len(got)]) {
			r.Fatalf("%d bytes at %d are not in memory after they were read", len(got), off)
		}
	})
	if b.memory.remove(ref.Address); b.memory.used() != 0 {
		t.Errorf("%d bytes of a removed block stay in memory", b.memory.used())
	}
	if err := b.Read(t.Context(), s, ref, size-3, make([]byte, 4), true); err == nil {
		t.Error("a read beyond the block succeeded")
	}
}

// What a part shows to be wrong is read with all checks.
func TestScatteredReadOfDamage(t *testing.T) {
	f, s := newFakeBackend(), testSealer()
	b := openTest(t, t.TempDir(), f, Options{})
	plain := plainOf(0, 1<<20)
	ref := mustPut(t, b, s, plain)
	f.spoilRaw = true
	got := make([]byte, 5000)
	if err := b.Read(t.Context(), s, ref, 700_000, got, true); err != nil || !bytes.Equal(got, plain[700_000:705_000]) {
		t.Fatalf("read: %v", err)
	}
}

// Rows that are set anew keep what the block's parts are read with.
func TestOutlineStaysWithItsBlock(t *testing.T) {
	f, s := newFakeBackend(), testSealer()
	f.setDown(1)
	b := openTest(t, t.TempDir(), f, Options{})
	ref := mustPut(t, b, s, plainOf(0, 1<<20))
	f.setDown(0)
	if err := b.Drain(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	e, err := b.entry(t.Context(), ref.Address)
	if err != nil || e.outline == nil || e.state != full {
		t.Fatalf("entry in state %v with an outline of %d bytes, %v", e.state, len(e.outline), err)
	}
}
