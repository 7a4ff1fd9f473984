package cli

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"pifs/cli/home"
	"pifs/fsnode"
)

// What was forgotten, in whatever order, is what is marked after loading, and
// nothing else.
func TestRetentionAgainstASet(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		path := filepath.Join(dir, "heads.kept")
		r := &retention{Version: retentionVersion}
		want := map[uint64]bool{}
		for range rapid.IntRange(1, 6).Draw(t, "rounds") {
			seqs := rapid.SliceOf(rapid.Uint64Range(1, 30)).Draw(t, "seqs")
			r.Forgotten = union(r.Forgotten, seqs)
			for _, seq := range seqs {
				want[seq] = true
			}
		}
		if err := r.save(path); err != nil {
			t.Fatal(err)
		}
		loaded, err := loadRetention(path)
		if err != nil {
			t.Fatal(err)
		}
		entries := make([]fsnode.HeadEntry, 25) // fewer than were forgotten: the file is not trusted
		loaded.apply(entries)
		for i, e := range entries {
			if e.Forgotten != want[uint64(i+1)] {
				t.Errorf("head %d: forgotten %v, want %v (%v)", i+1, e.Forgotten, want[uint64(i+1)], loaded.Forgotten)
			}
		}
		if !slices.IsSortedFunc(loaded.Forgotten, func(a, b span) int { return slices.Compare(a[:], b[:]) }) {
			t.Errorf("spans %v", loaded.Forgotten)
		}
	})
}

func TestRetentionRefusesDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "heads.kept")
	if r, err := loadRetention(path); err != nil || len(r.Forgotten) != 0 {
		t.Errorf("without a file: %+v, %v", r, err)
	}
	for _, text := range []string{
		"", "{}", "nonsense", `{"version":2}`, `{"version":1,"forgotten":[[0,3]]}`, `{"version":1,"forgotten":[[5,3]]}`,
		`{"version":1,"forgotten":[[1,4],[4,9]]}`, `{"version":1,"unnamed":[[9,9],[3,3]]}`,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := loadRetention(path); !errors.Is(err, home.ErrDamaged) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
