package blockstore_test

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"pifs/blockstore"
	"pifs/blockstore/blocktest"
)

// fill puts count shards of about size bytes and returns their ids.
func fill(t *testing.T, s blockstore.Store, count, size int) []blockstore.ShardID {
	t.Helper()
	var ids []blockstore.ShardID
	for i := range count {
		id, shard := blocktest.Shard(uint64(i), size+i)
		if err := s.Put(t.Context(), id, shard); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

// missing returns the indices of the ids that s does not hold, and fails on
// one that it holds and cannot return.
func missing(t *testing.T, s blockstore.Store, ids []blockstore.ShardID) (lost []int) {
	t.Helper()
	for i, id := range ids {
		_, err := s.Get(t.Context(), id, nil)
		switch held, hasErr := s.Has(t.Context(), id); {
		case hasErr != nil:
			t.Fatal(hasErr)
		case errors.Is(err, blockstore.ErrNotFound) && !held:
			lost = append(lost, i)
		case err != nil:
			t.Fatalf("shard %d: %v, held %v", i, err, held)
		}
	}
	return lost
}

// filled makes a closed store of 40 shards of about 10 KiB in 100 KiB packs.
func filled(t *testing.T) (dir string, ids []blockstore.ShardID) {
	t.Helper()
	dir = t.TempDir()
	p := openPack(t, dir, packs100K(nil))
	ids = fill(t, p, 40, 10<<10)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, ids
}

func packs100K(warn func(error)) blockstore.PackOptions {
	return blockstore.PackOptions{PackSize: 100 << 10, Warn: warn}
}

func packsIn(t *testing.T, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "pack-*"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no packs in %s: %v", dir, err)
	}
	return paths
}

// warnings collects what a store warns of.
type warnings struct {
	mu   sync.Mutex
	text []string
}

func (w *warnings) add(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text = append(w.text, err.Error())
}

func (w *warnings) mention(t *testing.T, what string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !strings.Contains(strings.Join(w.text, "\n"), what) {
		t.Errorf("warnings %q do not mention %q", w.text, what)
	}
}

func alter(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(b), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestPackReopens(t *testing.T) {
	dir, ids := filled(t)
	p := openPack(t, dir, packs100K(func(err error) { t.Error(err) }))
	if lost := missing(t, p, ids); lost != nil {
		t.Fatalf("lost %v", lost)
	}
	u, err := p.Usage(t.Context())
	if err != nil || u.Shards != 40 {
		t.Fatalf("usage %+v, %v", u, err)
	}
	var disk int64
	for _, path := range packsIn(t, dir) {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		disk += info.Size()
	}
	if u.Disk != disk {
		t.Fatalf("usage says %d bytes on disk, packs have %d", u.Disk, disk)
	}
}

func TestPackDeletionsSurviveReopening(t *testing.T) {
	dir, ids := filled(t)
	p := openPack(t, dir, packs100K(nil))
	for _, id := range ids[:10] {
		if err := p.Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	p = openPack(t, dir, packs100K(nil))
	if lost := missing(t, p, ids); !slices.Equal(lost, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}) {
		t.Fatalf("lacks %v; want the first ten", lost)
	}
}

func TestPackRebuildsIndex(t *testing.T) {
	damages := map[string]func(t *testing.T, index string){
		"removed": func(t *testing.T, index string) {
			if err := os.Remove(index); err != nil {
				t.Fatal(err)
			}
		},
		"overwritten": func(t *testing.T, index string) {
			alter(t, index, func(b []byte) []byte { return append([]byte("no database here"), b...) })
		},
		"truncated": func(t *testing.T, index string) {
			alter(t, index, func(b []byte) []byte { return b[:len(b)/2] })
		},
		"emptied": func(t *testing.T, index string) {
			alter(t, index, func(b []byte) []byte { return nil })
		},
	}
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			dir, ids := filled(t)
			damage(t, filepath.Join(dir, "index.db"))
			var w warnings
			p := openPack(t, dir, packs100K(w.add))
			if lost := missing(t, p, ids); lost != nil {
				t.Fatalf("lost %v", lost)
			}
			w.mention(t, "index")
		})
	}
}

func TestPackOfManyShardsRebuildsIndex(t *testing.T) {
	dir := t.TempDir()
	p := openPack(t, dir, blockstore.PackOptions{NoSync: true})
	var ids []blockstore.ShardID
	for i := range 20_000 { // beyond what is held in memory before a commit
		shard := binary.LittleEndian.AppendUint64(nil, uint64(i))
		id := blockstore.ShardIDOf(shard)
		if err := p.Put(t.Context(), id, shard); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "index.db")); err != nil {
		t.Fatal(err)
	}
	p = openPack(t, dir, blockstore.PackOptions{})
	if u, err := p.Usage(t.Context()); err != nil || u.Shards != 20_000 {
		t.Fatalf("usage %+v, %v", u, err)
	}
	if lost := missing(t, p, ids[:500]); lost != nil {
		t.Fatalf("lost %v", lost)
	}
}

func TestPackWithDamage(t *testing.T) {
	const header, record = 16, 8 + 10<<10 // the first record; each is a byte longer than the one before
	cases := []struct {
		name    string
		damage  func(pack []byte) []byte
		rebuild bool // without the index
		lost    int  // shards that Has must deny
		bad     int  // shards that Get must call corrupt
		warns   string
	}{
		{"flipped bit", flip(header + 8 + 100), false, 0, 1, ""},
		{"flipped bit, no index", flip(header + 8 + 100), true, 1, 0, "holds no shard from byte 16 to"},
		{"flipped length, no index", flip(header + record + 1), true, 1, 0, "holds no shard"},
		{"flipped magic, no index", flip(0), true, 0, 0, "not a pack header"},
		{"torn record", cut(header + 3*record), false, 7, 0, "7 shards are gone"},
		{"cut header", cut(header - 1), false, 9, 0, "9 shards are gone"},
		{"zeros inside, no index", wipe(header+record, header+3*record), true, 2, 0, "holds no shard"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir, ids := filled(t)
			alter(t, packsIn(t, dir)[0], c.damage)
			if c.rebuild {
				if err := os.Remove(filepath.Join(dir, "index.db")); err != nil {
					t.Fatal(err)
				}
			}
			var w warnings
			p := openPack(t, dir, packs100K(w.add))
			var bad int
			err := p.Verify(t.Context(), func(_ blockstore.ShardID, err error) error {
				if errors.Is(err, blockstore.ErrCorrupt) {
					bad++
					return nil
				}
				return err
			})
			if err != nil || bad != c.bad {
				t.Errorf("verify: %d damaged, %v; want %d", bad, err, c.bad)
			}
			u, err := p.Usage(t.Context())
			if err != nil || int(u.Shards) != len(ids)-c.lost {
				t.Errorf("usage %+v, %v; want %d shards lost", u, err, c.lost)
			}
			w.mention(t, c.warns)
		})
	}
}

func flip(at int) func([]byte) []byte {
	return func(b []byte) []byte { b[at] ^= 0x10; return b }
}

func cut(at int) func([]byte) []byte {
	return func(b []byte) []byte { return b[:at] }
}

func wipe(from, to int) func([]byte) []byte {
	return func(b []byte) []byte { clear(b[from:to]); return b }
}

// How a repair replaces a damaged shard.
func TestPackReplacesDamagedShard(t *testing.T) {
	dir, ids := filled(t)
	alter(t, packsIn(t, dir)[0], flip(16+8+100))
	p := openPack(t, dir, packs100K(nil))
	_, shard := blocktest.Shard(0, 10<<10)
	if _, err := p.Get(t.Context(), ids[0], nil); !errors.Is(err, blockstore.ErrCorrupt) {
		t.Fatalf("get: %v; want ErrCorrupt", err)
	}
	err := errors.Join(p.Delete(t.Context(), ids[0]), p.Put(t.Context(), ids[0], shard), p.Close())
	if err != nil {
		t.Fatal(err)
	}
	p = openPack(t, dir, packs100K(nil))
	if lost := missing(t, p, ids); lost != nil {
		t.Fatalf("lost %v", lost)
	}
}

// A pack that was missing for a while gives its shards back.
func TestPackMissingAndBack(t *testing.T) {
	dir, ids := filled(t)
	path := packsIn(t, dir)[1]
	aside := filepath.Join(t.TempDir(), "aside")
	if err := os.Rename(path, aside); err != nil {
		t.Fatal(err)
	}
	var w warnings
	p := openPack(t, dir, packs100K(w.add))
	if lost := missing(t, p, ids); len(lost) != 9 {
		t.Fatalf("lacks %v; want nine", lost)
	}
	w.mention(t, "shards are gone")
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(aside, path); err != nil {
		t.Fatal(err)
	}
	p = openPack(t, dir, packs100K(nil))
	if lost := missing(t, p, ids); lost != nil {
		t.Fatalf("lacks %v after the pack came back", lost)
	}
}

func TestPackRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	newer, _ := filled(t)
	alter(t, packsIn(t, newer)[0], func(b []byte) []byte { b[8] = 2; return b })
	if err := os.Remove(filepath.Join(newer, "index.db")); err != nil {
		t.Fatal(err)
	}
	marked := t.TempDir()
	if err := os.WriteFile(filepath.Join(marked, "store"), []byte("pifs shard store 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	used, _ := filled(t)
	openPack(t, used, blockstore.PackOptions{})
	cases := []struct {
		name, dir string
		opts      blockstore.PackOptions
		want      error
	}{
		{"a directory of something else", filepath.Dir(file), blockstore.PackOptions{}, blockstore.ErrFormat},
		{"a newer pack", newer, blockstore.PackOptions{}, blockstore.ErrFormat},
		{"a newer store", marked, blockstore.PackOptions{}, blockstore.ErrFormat},
		{"a store in use", used, blockstore.PackOptions{}, blockstore.ErrInUse},
		{"a missing directory", file + "-not", blockstore.PackOptions{MustExist: true}, os.ErrNotExist},
		{"an empty directory", t.TempDir(), blockstore.PackOptions{MustExist: true}, os.ErrNotExist},
		{"a file", file, blockstore.PackOptions{}, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p, err := blockstore.OpenPack(c.dir, c.opts)
			if err == nil {
				p.Close()
				t.Fatal("opened")
			}
			if c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("%v; want %v", err, c.want)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
		})
	}
}

func TestPackClosed(t *testing.T) {
	p := openPack(t, t.TempDir(), blockstore.PackOptions{})
	id, shard := blocktest.Shard(1, 10)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	_, getErr := p.Get(t.Context(), id, nil)
	_, hasErr := p.Has(t.Context(), id)
	_, usageErr := p.Usage(t.Context())
	for i, err := range []error{
		p.Put(t.Context(), id, shard), getErr, hasErr, p.Delete(t.Context(), id), p.Sync(t.Context()), usageErr,
		p.List(t.Context(), func(blockstore.ShardID, int) error { return nil }),
		p.Verify(t.Context(), func(blockstore.ShardID, error) error { return nil }),
	} {
		if !errors.Is(err, blockstore.ErrClosed) {
			t.Errorf("call %d: %v; want ErrClosed", i, err)
		}
	}
	if err := p.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
}
