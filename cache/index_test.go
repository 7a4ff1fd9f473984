package cache

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"pifs/blockstore"
)

// testEntry makes a valid entry for block number i.
func testEntry(i int, s state) *entry {
	e := &entry{plain: uint32(100 + i), state: s}
	e.desc = blockstore.Descriptor{
		Address: blockstore.AddressOf([]byte{byte(i), byte(i >> 8)}),
		Class:   blockstore.Class{K: 2, N: 3},
		Length:  uint32(120 + i),
		Shards:  make([]blockstore.ShardID, 3),
	}
	for j := range e.desc.Shards {
		e.desc.Shards[j] = blockstore.ShardIDOf([]byte{byte(i), byte(j), 'x'})
	}
	return e
}

func openTestIndex(t testing.TB, path string) *index {
	t.Helper()
	x, err := openIndex(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.close() })
	return x
}

// The index against a map: what it says, in memory and after reopening, is
// what was set, whatever happened between the beginning and the end of a round.
func TestIndexAgainstMap(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "index")
		if err != nil {
			rt.Fatal(err)
		}
		x := openTestIndex(t, filepath.Join(dir, indexFile))
		defer x.close()
		now, begun := map[int]state{}, map[int]state{}
		compare := func(x *index, want map[int]state, from string) {
			var sum sums
			for i := range 6 {
				e, err := x.lookup(t.Context(), testEntry(i, full).desc.Address)
				s, known := want[i]
				if err != nil || (e != nil) != known || (known && e.state != s) {
					rt.Fatalf("%s: block %d is %+v, %v; want %v %v", from, i, e, err, s, known)
				}
				if known {
					sum.count(testEntry(i, s), 1)
				}
			}
			if got := x.totals(); got != sum {
				rt.Fatalf("%s: sums %+v, want %+v", from, got, sum)
			}
		}
		running := false
		rt.Repeat(map[string]func(*rapid.T){
			"": func(*rapid.T) { compare(x, now, "memory") },
			"set": func(rt *rapid.T) {
				i, s := rapid.IntRange(0, 5).Draw(rt, "block"), state(rapid.IntRange(0, 3).Draw(rt, "state"))
				if _, known := now[i]; s == gone && !known {
					return // Forget does not ask for this
				}
				if err := x.set(t.Context(), testEntry(i, s)); err != nil {
					rt.Fatal(err)
				}
				now[i] = s
				if s == gone {
					delete(now, i)
				}
			},
			"begin": func(*rapid.T) {
				if !running {
					x.begin()
					running, begun = true, cloneMap(now)
				}
			},
			"abort": func(*rapid.T) {
				if running {
					x.abort()
					running = false
				}
			},
			"commit": func(rt *rapid.T) {
				if !running {
					return
				}
				if err := x.commit(t.Context()); err != nil {
					rt.Fatal(err)
				}
				running = false
				again := openTestIndex(t, filepath.Join(dir, indexFile))
				defer again.close()
				compare(again, begun, "file")
			},
			"learn": func(*rapid.T) { x.learn(t.Context(), nil) },
		})
	})
}

func cloneMap(m map[int]state) map[int]state {
	out := make(map[int]state, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

func FuzzRow(f *testing.F) {
	for i, s := range []state{full, owed, pinned} {
		f.Add(appendRow(nil, testEntry(i, s)), true)
	}
	f.Add([]byte{}, false)
	addr := testEntry(1, full).desc.Address
	f.Fuzz(func(t *testing.T, row []byte, fix bool) {
		if fix && len(row) >= rowSum { // reach what the checksum guards
			body := row[:len(row)-rowSum]
			sum := rowSumOf(addr, body)
			row = append(body[:len(body):len(body)], byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum))
		}
		e, err := parseRow(addr, row)
		if err != nil {
			if !errors.Is(err, blockstore.ErrCorrupt) {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		if again := appendRow(nil, e); string(again) != string(row) {
			t.Fatalf("decoded %x, encodes to %x", row, again)
		}
	})
}

func TestRowBelongsToItsAddress(t *testing.T) {
	row := appendRow(nil, testEntry(1, owed))
	if _, err := parseRow(testEntry(2, owed).desc.Address, row); !errors.Is(err, blockstore.ErrCorrupt) {
		t.Errorf("row under another address: %v", err)
	}
}

// Damage anywhere in the file is found, or does not matter: never a panic,
// never a row that was not written.
func TestDamagedIndexFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), indexFile)
	x := openTestIndex(t, path)
	const blocks = 300
	for i := range blocks {
		if err := x.set(t.Context(), testEntry(i, state(i%3))); err != nil {
			t.Fatal(err)
		}
	}
	x.begin()
	if err := x.commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := x.close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		hurt := append([]byte(nil), whole...)
		for range 1 + rng.IntN(20) {
			hurt[rng.IntN(len(hurt))] ^= byte(1 + rng.IntN(255))
		}
		if err := os.WriteFile(path, hurt, 0o600); err != nil {
			t.Fatal(err)
		}
		readDamaged(t, path, blocks)
	}
	for _, n := range []int{0, 1, 100, 4096, len(whole) / 2, len(whole) - 1} {
		if err := os.WriteFile(path, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		readDamaged(t, path, blocks)
	}
}

func readDamaged(t *testing.T, path string, blocks int) {
	t.Helper()
	x, err := openIndex(path)
	if err != nil {
		if !errors.Is(err, blockstore.ErrCorrupt) {
			t.Errorf("open: error of another kind: %v", err)
		}
		return
	}
	defer x.close()
	for i := range blocks {
		want := testEntry(i, state(i%3))
		e, err := x.lookup(t.Context(), want.desc.Address)
		switch {
		case err != nil && !errors.Is(err, blockstore.ErrCorrupt):
			t.Errorf("look up: error of another kind: %v", err)
		case err == nil && e != nil && string(appendRow(nil, e)) != string(appendRow(nil, want)):
			t.Errorf("block %d: a row that was not written", i)
		}
	}
}

func TestFilterNeverDenies(t *testing.T) {
	f := newFilter(0)
	for i := range 20_000 {
		f.add(testEntry(i, full).desc.Address)
	}
	for i := range 20_000 {
		if !f.has(testEntry(i, full).desc.Address) {
			t.Fatalf("address %d was added and is denied", i)
		}
	}
	wrong := 0
	for i := range 20_000 {
		if f.has(blockstore.AddressOf([]byte{byte(i), byte(i >> 8), 'n'})) {
			wrong++
		}
	}
	if wrong > 20_000/200 {
		t.Errorf("%d of 20000 unknown addresses pass", wrong)
	}
	if f.crowded() || newFilter(1<<40).crowded() {
		t.Error("filter is crowded too early")
	}
	if small := newFilter(1 << 40); len(small.bits)*64 > maxFilterBits {
		t.Errorf("filter of %d words is beyond its bound", len(small.bits))
	}
}
