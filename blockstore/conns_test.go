package blockstore_test

import (
	"path/filepath"
	"sync/atomic"
	"testing"

	"pifs/blockstore"
)

// TestOpenDBCountsCommits: whatever changed something counts once, in a
// transaction or not; reading and rolling back do not.
func TestOpenDBCountsCommits(t *testing.T) {
	var commits atomic.Uint64
	db := blockstore.OpenDB("file:"+filepath.Join(t.TempDir(), "db")+"?_journal_mode=WAL&_txlock=immediate", &commits)
	defer db.Close()
	for _, statement := range []string{"CREATE TABLE t(x)", "INSERT INTO t VALUES (1)", "SELECT * FROM t"} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	for _, commit := range []bool{true, false} {
		tx, err := db.Begin()
		if err != nil {
			t.Fatal(err)
		}
		for range 10 {
			if _, err := tx.Exec("INSERT INTO t VALUES (2)"); err != nil {
				t.Fatal(err)
			}
		}
		if !commit {
			err = tx.Rollback()
		} else {
			err = tx.Commit()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := commits.Load(); n != 3 {
		t.Errorf("%d commits, want 3", n)
	}
}
