package fsnode

import (
	"fmt"
	"testing"
)

// commitCost fills a volume with so many folders of twenty files, changes
// each file of the first two, and returns what the commit of that took: blocks
// put and queries of the database.
func commitCost(t *testing.T, folders int) (puts int, queries uint64) {
	t.Helper()
	const files = 20
	r := newRig(t, nil)
	var changed []Ino
	for i := range folders {
		d, err := r.v.Mkdir(bg, RootIno, fmt.Sprintf("folder-%d", i), 0o755, root)
		if err != nil {
			t.Fatal(err)
		}
		for j := range files {
			ino := r.create(d.Ino, fmt.Sprintf("file-%d", j), fmt.Appendf(nil, "%d of %d", j, i))
			if i < 2 {
				changed = append(changed, ino)
			}
		}
	}
	before := r.commit()
	r.close()
	r.open() // memory has nothing of it
	for i, ino := range changed {
		r.write(ino, 0, fmt.Appendf(nil, "changed %d", i))
	}
	puts, queries = r.backend.puts, r.v.db.queries.Load()
	if h := r.commit(); h.Root == before.Root {
		t.Fatal("the head has nothing of what was changed")
	}
	return r.backend.puts - puts, r.v.db.queries.Load() - queries
}

// What a commit takes depends on what was changed: as many blocks, and two
// queries for each neighbour in the nodes that changed, whatever else is there.
func TestCommitCostsWhatChanged(t *testing.T) {
	const few, many = 40, 400
	puts, queries := commitCost(t, few)
	manyPuts, manyQueries := commitCost(t, many)
	t.Logf("among %d folders: %d blocks, %d queries; among %d: %d blocks, %d queries", few, puts, queries, many, manyPuts, manyQueries)
	if manyPuts > 2*puts+8 {
		t.Errorf("a commit among %d folders puts %d blocks, among %d %d", many, manyPuts, few, puts)
	}
	if most := uint64(2*many + 64); manyQueries > most {
		t.Errorf("a commit among %d folders takes %d queries, not %d at most", many, manyQueries, most)
	}
}

// A change that is not saved yet gets into the commit also when memory has the
// inode and not its name, as when that was evicted or is another hard link.
func TestCommitTakesWhatHasNoNameInMemory(t *testing.T) {
	r := newRig(t, nil)
	ino := r.create(RootIno, "a", []byte("old"))
	if _, err := r.v.Link(bg, ino, RootIno, "b"); err != nil {
		t.Fatal(err)
	}
	r.commit()
	r.close()
	r.open()
	r.write(ino, 0, []byte("changed"))
	r.commit()
	r.close()
	r.keys.Local = [32]byte{9}
	r.adjust = func(o *Options) { o.Dir += "-again" } // the head alone
	r.open()
	for _, name := range []string{"a", "b"} {
		at, err := r.lookup(RootIno, name)
		if err != nil || string(r.read(at)) != "changed" {
			t.Errorf("%s: %q, %v", name, r.read(at), err)
		}
	}
}
