package blockstore_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pifs/blockstore"
)

// strays returns all strays of p, two at a time.
func strays(t *testing.T, p *blockstore.Pack) (all []blockstore.ShardID) {
	t.Helper()
	var after blockstore.ShardID
	for {
		page, err := p.Strays(t.Context(), after, 2)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			return all
		}
		all = append(all, page...)
		after = page[len(page)-1]
	}
}

// stopped copies the store as a process leaves it that is killed now, and
// opens the copy. Nothing of that is damage.
func stopped(t *testing.T, p *blockstore.Pack) *blockstore.Pack {
	t.Helper()
	return openPack(t, copyDir(t, p.Dir()), blockstore.PackOptions{NoteStrays: true, Warn: func(err error) { t.Errorf("warned: %v", err) }})
}

// A store that was killed before its index knew anything says nothing of
// damage, and remembers what it found until somebody decides about it.
func TestStraysAfterAKill(t *testing.T) {
	first := openPack(t, t.TempDir(), blockstore.PackOptions{NoteStrays: true})
	ids := fill(t, first, 5, 3000)
	slices.SortFunc(ids, func(a, b blockstore.ShardID) int { return slices.Compare(a[:], b[:]) })
	if got := strays(t, openPack(t, t.TempDir(), blockstore.PackOptions{})); got != nil {
		t.Errorf("strays of an empty store: %v", got)
	}
	p := stopped(t, first)
	if got := strays(t, p); !slices.Equal(got, ids) {
		t.Fatalf("strays %v, want %v", got, ids)
	}
	if err := p.Settle(t.Context(), ids[:2]); err != nil {
		t.Fatal(err)
	}
	if err := p.Delete(t.Context(), ids[3]); err != nil {
		t.Fatal(err)
	}
	want := []blockstore.ShardID{ids[2], ids[4]}
	if got := strays(t, p); !slices.Equal(got, want) {
		t.Errorf("strays %v after some were settled and deleted, want %v", got, want)
	}
	dir := p.Dir()
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	p = openPack(t, dir, blockstore.PackOptions{NoteStrays: true})
	if got := strays(t, p); !slices.Equal(got, want) {
		t.Errorf("strays %v after a restart, want %v", got, want)
	}
	if lost := missing(t, p, append(want, ids[:2]...)); lost != nil {
		t.Errorf("lost %v", lost)
	}
}

// Only an index that is gone is told as missing.
func TestMissingIndexIsTold(t *testing.T) {
	p := openPack(t, t.TempDir(), blockstore.PackOptions{})
	fill(t, p, 3, 3000)
	dir := p.Dir()
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "-wal", "-shm", ".mark"} {
		if err := os.RemoveAll(filepath.Join(dir, "index.db"+suffix)); err != nil {
			t.Fatal(err)
		}
	}
	var told []error
	openPack(t, dir, blockstore.PackOptions{Warn: func(err error) { told = append(told, err) }})
	if len(told) != 1 {
		t.Errorf("told %v, want that the index is missing", told)
	}
}
