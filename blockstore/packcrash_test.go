package blockstore_test

import (
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"pifs/blockstore"
	"pifs/blockstore/blocktest"
)

// machine runs a pack store on a disk that can lose power. Two states of
// every shard are tracked: as it was at the last Sync that succeeded, and
// whether it was touched since.
type machine struct {
	dir     string
	disk    *blocktest.Disk
	pack    *blockstore.Pack
	durable map[uint64]bool
	touched map[uint64]bool
	held    map[uint64]bool
}

const crashShards = 12

func (m *machine) shard(seed uint64) (blockstore.ShardID, []byte) {
	return blocktest.Shard(seed, int(20+seed*seed*900))
}

func (m *machine) start(r *rapid.T) {
	p, err := blockstore.OpenPack(m.dir, blockstore.PackOptions{PackSize: 300 << 10, FS: m.disk})
	if err != nil {
		r.Fatalf("open: %v", err)
	}
	m.pack = p
}

// crash loses power, keeping an arbitrary part of what was not synced, and
// starts again from a copy of the directory: the old process is gone, and
// with it its lock.
func (m *machine) crash(t *testing.T, r *rapid.T) {
	keep := func() bool { return rapid.Bool().Draw(r, "kept") }
	if err := m.disk.Crash(keep); err != nil {
		r.Fatal(err)
	}
	next := copyDir(t, m.dir)
	m.pack.Close() // of the process that is gone; it cannot reach the copy
	m.dir, m.disk = next, blocktest.NewDisk()
	m.start(r)
}

// check compares the store with what it may hold.
func (m *machine) check(t *testing.T, r *rapid.T) {
	for seed := range uint64(crashShards) {
		id, shard := m.shard(seed)
		got, err := m.pack.Get(t.Context(), id, nil)
		switch {
		case err == nil && len(got) == len(shard):
			if !m.touched[seed] && !m.durable[seed] {
				r.Fatalf("shard %d is back after its deletion was synced", seed)
			}
			m.held[seed] = true
		case errors.Is(err, blockstore.ErrNotFound):
			if !m.touched[seed] && m.durable[seed] {
				r.Fatalf("shard %d is lost though it was synced", seed)
			}
			m.held[seed] = false
		default:
			r.Fatalf("get shard %d: %d bytes, %v", seed, len(got), err)
		}
	}
	m.synced() // whatever recovery found is what we go on from, except that it may not be durable
	for seed := range uint64(crashShards) {
		m.touched[seed] = true
	}
}

func (m *machine) synced() {
	clear(m.touched)
	for seed := range uint64(crashShards) {
		m.durable[seed] = m.held[seed]
	}
}

// quickDir is in memory where there is such a place: this test syncs
// thousands of times, and what a crash loses is decided by blocktest.Disk.
func quickDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "pifs-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func copyDir(t *testing.T, dir string) string {
	t.Helper()
	to := quickDir(t)
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

func TestPackSurvivesCrashes(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		m := &machine{
			dir: quickDir(t), disk: blocktest.NewDisk(),
			durable: map[uint64]bool{}, touched: map[uint64]bool{}, held: map[uint64]bool{},
		}
		m.start(r)
		r.Repeat(map[string]func(*rapid.T){
			"put": func(r *rapid.T) {
				seed := rapid.Uint64Range(0, crashShards-1).Draw(r, "shard")
				id, shard := m.shard(seed)
				if err := m.pack.Put(t.Context(), id, shard); err != nil {
					r.Fatal(err)
				}
				m.touched[seed] = m.touched[seed] || !m.held[seed]
				m.held[seed] = true
			},
			"delete": func(r *rapid.T) {
				seed := rapid.Uint64Range(0, crashShards-1).Draw(r, "shard")
				id, _ := m.shard(seed)
				if err := m.pack.Delete(t.Context(), id); err != nil {
					r.Fatal(err)
				}
				m.touched[seed] = m.touched[seed] || m.held[seed]
				m.held[seed] = false
			},
			"sync": func(r *rapid.T) {
				if err := m.pack.Sync(t.Context()); err != nil {
					r.Fatal(err)
				}
				m.synced()
			},
			"sync fails": func(r *rapid.T) {
				m.disk.Fail(func(op string) error {
					if op == "sync" || op == "syncdir" {
						return blocktest.ErrDiskIO
					}
					return nil
				})
				_ = m.pack.Sync(t.Context()) // succeeds only if there is nothing to do
				m.disk.Fail(nil)
			},
			"compact": func(r *rapid.T) {
				if _, err := m.pack.Compact(t.Context(), 0.3); err != nil {
					r.Fatal(err)
				}
			},
			"crash": func(r *rapid.T) {
				m.crash(t, r)
				m.check(t, r)
			},
		})
		m.crash(t, r)
		m.check(t, r)
		if err := m.pack.Close(); err != nil {
			r.Fatal(err)
		}
	})
}

// A sync that fails and drops the dirty pages, as Linux may, must not let the
// next one report success for shards that are not on the disk.
func TestPackNeverSyncsDroppedPages(t *testing.T) {
	disk := blocktest.NewDisk()
	p, err := blockstore.OpenPack(t.TempDir(), blockstore.PackOptions{FS: disk})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() }) // fails: its disk is dead by then
	id, shard := blocktest.Shard(1, 5000)
	if err := p.Put(t.Context(), id, shard); err != nil {
		t.Fatal(err)
	}
	disk.Fail(func(op string) error {
		if op == "sync" {
			return blocktest.ErrForgetful
		}
		return nil
	})
	if err := p.Sync(t.Context()); !errors.Is(err, blocktest.ErrForgetful) {
		t.Fatalf("sync: %v; want the disk's error", err)
	}
	disk.Fail(nil)
	if err := p.Sync(t.Context()); !errors.Is(err, blockstore.ErrCorrupt) {
		t.Fatalf("second sync: %v; want ErrCorrupt, for the shard is gone", err)
	}
	if held, err := p.Has(t.Context(), id); held || err != nil {
		t.Fatalf("has: %v, %v; want false", held, err)
	}
	if err := p.Put(t.Context(), id, shard); err != nil {
		t.Fatal(err)
	}
	if err := p.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := disk.Crash(func() bool { return false }); err != nil {
		t.Fatal(err)
	}
	again := openPack(t, copyDir(t, p.Dir()), blockstore.PackOptions{})
	if _, err := again.Get(t.Context(), id, nil); err != nil {
		t.Fatal(err)
	}
}

func hasAll(t *testing.T, s blockstore.Store, ids []blockstore.ShardID) bool {
	t.Helper()
	for _, id := range ids {
		held, err := s.Has(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if !held {
			return false
		}
	}
	return true
}

// What a failed sync in the background cost is told to whoever syncs next.
func TestPackReportsLossInBackground(t *testing.T) {
	disk := blocktest.NewDisk()
	p := openPack(t, t.TempDir(), blockstore.PackOptions{FS: disk, PackSize: 10 << 10})
	var once sync.Once
	disk.Fail(func(op string) (err error) {
		if op == "sync" {
			once.Do(func() { err = blocktest.ErrForgetful })
		}
		return err
	})
	var ids []blockstore.ShardID
	deadline := time.Now().Add(10 * time.Second)
	for seed := uint64(0); hasAll(t, p, ids); seed++ {
		if time.Now().After(deadline) {
			t.Fatal("no commit in the background found a shard lost")
		}
		id, shard := blocktest.Shard(seed, 8<<10) // fills a pack, and so asks for a commit
		if err := p.Put(t.Context(), id, shard); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if err := p.Sync(t.Context()); !errors.Is(err, blockstore.ErrCorrupt) {
		t.Fatalf("sync: %v; want ErrCorrupt for the lost shard", err)
	}
	if err := p.Sync(t.Context()); err != nil {
		t.Fatalf("sync again: %v", err)
	}
}

// TestRecordBetweenTornOnes: a shard whose neighbours were lost, the one before
// in one crash and the one behind in the next, was synced between them.
func TestRecordBetweenTornOnes(t *testing.T) {
	dir, disk := quickDir(t), blocktest.NewDisk()
	open := func() *blockstore.Pack {
		t.Helper()
		p, err := blockstore.OpenPack(dir, blockstore.PackOptions{FS: disk})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := open()
	put := func(seed uint64) {
		t.Helper()
		id, shard := blocktest.Shard(seed, 5000)
		if err := p.Put(t.Context(), id, shard); err != nil {
			t.Fatal(err)
		}
	}
	sync := func() {
		t.Helper()
		if err := p.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	loseFirst := func() {
		t.Helper()
		n := 0
		if err := disk.Crash(func() bool { n++; return n > 1 }); err != nil {
			t.Fatal(err)
		}
		next := copyDir(t, dir)
		p.Close()
		dir, disk = next, blocktest.NewDisk()
		p = open()
	}
	put(1)
	sync()
	put(2)
	put(3)
	loseFirst()
	sync()
	put(4)
	put(5)
	loseFirst()
	defer p.Close()
	for _, seed := range []uint64{1, 3} {
		id, _ := blocktest.Shard(seed, 5000)
		if held, err := p.Has(t.Context(), id); !held || err != nil {
			t.Errorf("shard %d: %v, %v", seed, held, err)
		}
	}
}
