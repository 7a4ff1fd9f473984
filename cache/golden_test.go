package cache

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// The index in testdata/v1 was written by the first version: blocks 0 … 5 of
// testEntry, in turn full, owed and pinned. It must open for ever.
func TestIndexOfVersion1(t *testing.T) {
	raw, err := os.ReadFile("testdata/v1/" + indexFile)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), indexFile)
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	x := openTestIndex(t, path)
	for i := range 6 {
		want := testEntry(i, state(i%3))
		got, err := x.lookup(t.Context(), want.desc.Address)
		if err != nil || got == nil || string(appendRow(nil, got)) != string(appendRow(nil, want)) {
			t.Errorf("block %d: %+v, %v", i, got, err)
		}
	}
	if got, want := x.totals(), (sums{blocks: 6, plain: 615, bytes: 735, owed: 2, pinned: 2}); got != want {
		t.Errorf("totals %+v, want %+v", got, want)
	}
	err = x.set(t.Context(), testEntry(9, full))
	x.begin()
	if err := errors.Join(err, x.commit(t.Context())); err != nil {
		t.Errorf("it cannot be written: %v", err)
	}
}
