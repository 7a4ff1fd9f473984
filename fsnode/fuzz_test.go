package fsnode

import (
	"bytes"
	"reflect"
	"testing"

	"pifs/blockstore"
	"pifs/cache"
	"pifs/fsnode/mst"
)

// seed adds the encoding of v to a corpus.
func seed(f *testing.F, v any) {
	f.Helper()
	b, err := blockstore.Marshal(v)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
}

// same fails unless v encodes to b: what decodes, re-encodes to the same bytes.
func same(t *testing.T, b []byte, v any) {
	t.Helper()
	again, err := blockstore.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again, b) {
		t.Fatalf("%x decodes to %+v, which encodes to %x", b, v, again)
	}
}

var (
	someRef  = blockstore.Ref{Address: blockstore.Address{1}, Key: blockstore.Key{2}, Size: 9000}
	someTree = mst.Root{Height: 1, Ref: someRef, Count: 3}
)

func FuzzEntry(f *testing.F) {
	seed(f, &entry{Mode: modeFile | 0o644, Size: 5, Inline: []byte("hello"), Mtime: Time{Sec: -1, Nsec: 5}})
	seed(f, &entry{Mode: modeFile | 0o600, Size: 9000, File: &FileRoot{Ref: someRef}, Xattrs: []Xattr{{Name: "user.a", Value: []byte("b")}}})
	seed(f, &entry{Mode: modeDir | 0o755, Dir: &someTree})
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, err := decodeEntry(b); err == nil {
			same(t, b, &e)
			if _, err := leafChild(dirNode, b); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func FuzzSide(f *testing.F) {
	seed(f, &side{Ino: 7, Ctime: Time{Sec: 1}, Atime: Time{Sec: 2}, Dir: &someTree})
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := decodeSide(b); err == nil {
			same(t, b, &s)
		}
	})
}

func FuzzFileIndex(f *testing.F) {
	n := &fileIndex{Kind: fileIndexKind, Version: fileIndexV1, Height: 1, Runs: []indexRun{{Len: 9000, Ref: someRef}, {Len: 1 << 20}}}
	seed(f, n)
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := decodeIndex(b, 1, -1)
		if err != nil {
			return
		}
		same(t, b, n)
		total := uint64(0)
		for _, r := range n.Runs {
			total += r.Len
		}
		if total > maxFile {
			t.Fatalf("an index of %d bytes", total)
		}
	})
}

// FuzzRows feeds what the database keeps, under its seal, to the decoders.
func FuzzRows(f *testing.F) {
	seed(f, &record{Mode: modeFile, Nlink: 1, Inlined: true, Inline: []byte("x"), Links: []link{{Parent: 1, Name: "n"}}})
	seed(f, &record{Mode: modeDir, Trees: &trees{Dir: someTree, Side: someTree}})
	seed(f, &record{Mode: modeFile, Nlink: 2, UID: 1 << 31, Size: 1 << 40, Mtime: Time{Sec: -1 << 40, Nsec: 999_999_999}, Ctime: Time{Sec: -3},
		Xattrs: []Xattr{{Name: "user.a"}, {Name: "user.b", Value: make([]byte, 300)}}, File: &FileRoot{Height: 1, Ref: someRef}})
	seed(f, &record{Mode: modeLink, Target: string(make([]byte, 70_000)), Links: make([]link, 20)})
	seed(f, &dirent{Name: "n", Ino: 3, Type: modeFile})
	seed(f, &extent{Off: 1, Len: 9000, Ref: someRef})
	seed(f, &freshRow{Len: 3, Pos: cache.JournalPos{Segment: 1, Size: 3}})
	seed(f, &manifestState{Dir: someTree})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, v := range []any{new(record), new(dirent), new(extent), new(freshRow), new(manifestState), new(volumeCount)} {
			err := blockstore.Unmarshal(b, v)
			if err == nil {
				same(t, b, v)
			}
			if _, ok := v.(row); !ok {
				continue
			}
			fast := reflect.New(reflect.TypeOf(v).Elem()).Interface()
			if fastErr := decodeRow(b, fast); err == nil && (fastErr != nil || !reflect.DeepEqual(fast, v)) {
				t.Fatalf("%x decodes to %+v, and without reflection to %+v, %v", b, v, fast, fastErr)
			}
		}
	})
}

// FuzzHead feeds the parts of a head to their decoder.
func FuzzHead(f *testing.F) {
	seed(f, &headTree{Version: headTreeV1, Root: entry{Mode: modeDir | 0o755, Dir: &someTree}, Side: side{Ino: 1}})
	seed(f, &manifestRoot{Version: manifestV1, Segments: []segment{{Levels: []mst.Root{someTree}}}})
	f.Fuzz(func(t *testing.T, b []byte) {
		var tree headTree
		if err := blockstore.Unmarshal(b, &tree); err == nil {
			same(t, b, &tree)
		}
		var m manifestRoot
		if err := blockstore.Unmarshal(b, &m); err != nil {
			return
		}
		same(t, b, &m)
		for _, s := range m.Segments {
			if s.valid() == nil && len(s.Levels) == 0 {
				t.Fatal("a segment without levels passed")
			}
		}
	})
}
