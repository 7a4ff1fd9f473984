package swarm

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"pifs/blockstore"
)

var testVolume = [16]byte{7, 7}

func testKey(n byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, ed25519.SeedSize))
}

func testPub() ed25519.PublicKey { return testKey(1).Public().(ed25519.PublicKey) }

func openTestChain(t testing.TB, path string) *Chain {
	t.Helper()
	c, err := OpenChain(path, testVolume, testPub())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// nextHead returns a signed head that follows the chain's last.
func nextHead(t testing.TB, c *Chain) Head {
	t.Helper()
	n := c.Len()
	h := c.Next(Head{
		Tree: fmt.Appendf(nil, "sealed tree %d", n), Manifest: []byte("manifest"),
		Root: [32]byte{byte(n)}, Time: 1_700_000_000_000_000_000 + int64(n), Label: make([]byte, n%3),
	})
	if err := h.Sign(testKey(1)); err != nil {
		t.Fatal(err)
	}
	return h
}

func appendHeads(t testing.TB, c *Chain, n int) {
	t.Helper()
	for range n {
		if err := c.Append(nextHead(t, c)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestChainKeepsItsHeads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "heads")
	c := openTestChain(t, path)
	if _, ok := c.Last(); ok || c.Len() != 0 || c.LastHash() != (HeadHash{}) {
		t.Error("a new chain is not empty")
	}
	var want []Head
	for range 5 {
		h := nextHead(t, c)
		if err := c.Append(h); err != nil {
			t.Fatal(err)
		}
		want = append(want, h)
	}
	if _, err := OpenChain(path, testVolume, testPub()); !errors.Is(err, blockstore.ErrInUse) {
		t.Errorf("second open: %v", err)
	}
	reader, err := ReadChain(path, testVolume, testPub())
	if err != nil {
		t.Fatal(err)
	}
	if err := reader.Append(nextHead(t, reader)); err == nil {
		t.Error("a chain open for reading took a head")
	}
	if err := errors.Join(reader.Close(), c.Close(), c.Close()); err != nil {
		t.Fatal(err)
	}
	if err := c.Append(want[0]); !errors.Is(err, blockstore.ErrClosed) {
		t.Errorf("append after close: %v", err)
	}

	c = openTestChain(t, path)
	last, ok := c.Last()
	hash, err := want[4].Hash()
	if err != nil || !ok || last.Seq != 5 || c.LastHash() != hash {
		t.Errorf("last after reopening: %+v, %v", last, err)
	}
	i := 0
	if err := c.All(func(h Head) error {
		if fmt.Sprint(h) != fmt.Sprint(want[i]) {
			t.Errorf("head %d is %+v, want %+v", i+1, h, want[i])
		}
		i++
		return nil
	}); err != nil || i != 5 {
		t.Errorf("%d heads, %v", i, err)
	}
	if err := c.Verify(); err != nil {
		t.Error(err)
	}
	for _, seq := range []uint64{0, 6} {
		if _, err := c.Get(seq); !errors.Is(err, blockstore.ErrNotFound) {
			t.Errorf("head %d: %v", seq, err)
		}
	}
	appendHeads(t, c, 1)
}

func TestChainRefusesHeadsThatDoNotFollow(t *testing.T) {
	c := openTestChain(t, filepath.Join(t.TempDir(), "heads"))
	appendHeads(t, c, 2)
	wrong := map[string]func(h *Head) ed25519.PrivateKey{
		"volume":   func(h *Head) ed25519.PrivateKey { h.Volume[0]++; return testKey(1) },
		"writer":   func(h *Head) ed25519.PrivateKey { return testKey(2) },
		"seq":      func(h *Head) ed25519.PrivateKey { h.Seq++; return testKey(1) },
		"previous": func(h *Head) ed25519.PrivateKey { h.Prev[5]++; return testKey(1) },
	}
	for name, spoil := range wrong {
		h := nextHead(t, c)
		if err := h.Sign(spoil(&h)); err != nil {
			t.Fatal(err)
		}
		if err := c.Append(h); !errors.Is(err, blockstore.ErrCorrupt) {
			t.Errorf("wrong %s: %v", name, err)
		}
	}
	h := nextHead(t, c)
	h.Time++
	if err := c.Append(h); !errors.Is(err, blockstore.ErrCorrupt) {
		t.Errorf("altered after signing: %v", err)
	}
	h = nextHead(t, c)
	h.Tree = make([]byte, MaxHead)
	if err := h.Sign(testKey(1)); err != nil {
		t.Fatal(err)
	}
	if err := c.Append(h); !errors.Is(err, blockstore.ErrTooLarge) {
		t.Errorf("head beyond the bound: %v", err)
	}
	if c.Len() != 2 {
		t.Errorf("%d heads", c.Len())
	}
	appendHeads(t, c, 1)
}

// wholeChain returns the bytes of a chain of n heads and where each ends.
func wholeChain(t testing.TB, n int) (raw []byte, ends []int64) {
	path := filepath.Join(t.TempDir(), "heads")
	c := openTestChain(t, path)
	for range n {
		appendHeads(t, c, 1)
		ends = append(ends, c.size)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return raw, ends
}

// A crash may leave any part of the last record, or zeros in its place.
func TestTornRecordIsCut(t *testing.T) {
	raw, ends := wholeChain(t, 3)
	path := filepath.Join(t.TempDir(), "heads")
	for cut := ends[1] + 1; cut < ends[2]; cut++ {
		zeroed := append(bytes.Clone(raw[:cut]), make([]byte, ends[2]-cut)...)
		for _, left := range [][]byte{raw[:cut], zeroed} {
			if err := os.WriteFile(path, left, 0o600); err != nil {
				t.Fatal(err)
			}
			c, err := OpenChain(path, testVolume, testPub())
			if err != nil {
				t.Fatalf("cut at %d: %v", cut, err)
			}
			if bytes.Equal(left, raw) { // the record ended in zeros anyway
				c.Close()
				continue
			}
			if c.Len() != 2 || c.Torn() != int64(len(left))-ends[1] {
				t.Fatalf("cut at %d: %d heads, %d bytes torn", cut, c.Len(), c.Torn())
			}
			appendHeads(t, c, 1)
			if err := errors.Join(c.Verify(), c.Close()); err != nil {
				t.Fatal(err)
			}
			kept, err := os.ReadFile(path + ".torn")
			if err != nil || !bytes.Equal(kept, left[ends[1]:]) {
				t.Fatalf("cut at %d: torn bytes were not kept: %v", cut, err)
			}
			if err := os.Remove(path + ".torn"); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Damage before the last record is never taken for a torn end, and named.
func TestDamagedRecordIsReported(t *testing.T) {
	raw, ends := wholeChain(t, 3)
	path := filepath.Join(t.TempDir(), "heads")
	for at := range ends[1] {
		hurt := bytes.Clone(raw)
		hurt[at] ^= 0x10
		if err := os.WriteFile(path, hurt, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := OpenChain(path, testVolume, testPub())
		if !errors.Is(err, blockstore.ErrCorrupt) {
			t.Fatalf("damage at %d: %v", at, err)
		}
		want := "head 1:"
		if at >= ends[0] {
			want = "head 2:"
		}
		if at >= chainHeader && !bytes.Contains([]byte(err.Error()), []byte(want)) {
			t.Fatalf("damage at %d: %v does not name %s", at, err, want)
		}
		if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, hurt) {
			t.Fatalf("damage at %d: the file was changed: %v", at, err)
		}
	}
	for n := range chainHeader {
		if err := os.WriteFile(path, raw[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenChain(path, testVolume, testPub()); !errors.Is(err, blockstore.ErrCorrupt) {
			t.Fatalf("%d bytes of a header: %v", n, err)
		}
	}
}

// Damage that comes after the chain was opened is found when it is read.
func TestVerifyFindsDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "heads")
	c := openTestChain(t, path)
	appendHeads(t, c, 3)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{0xff, 0xff}, c.offsets[1]+frameHeader+20); err != nil {
		t.Fatal(err)
	}
	if err := c.Verify(); !errors.Is(err, blockstore.ErrCorrupt) {
		t.Errorf("verify: %v", err)
	}
	if _, err := c.Get(1); err != nil {
		t.Errorf("the head before: %v", err)
	}
}

// forged makes a chain file in which every record is intact as a record.
func forged(t *testing.T, heads ...Head) string {
	path := filepath.Join(t.TempDir(), "heads")
	raw := chainFileHeader(testVolume)
	for _, h := range heads {
		b, err := MarshalHead(h)
		if err != nil {
			t.Fatal(err)
		}
		raw = appendFrame(raw, b)
	}
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestForgedHeadsAreFound(t *testing.T) {
	c := openTestChain(t, filepath.Join(t.TempDir(), "heads"))
	appendHeads(t, c, 2)
	first, err := c.Get(1)
	if err != nil {
		t.Fatal(err)
	}
	second, _ := c.Last()
	unsigned := second
	unsigned.Time++
	changed := first
	changed.Time++
	for name, heads := range map[string][]Head{
		"last not signed": {first, unsigned}, "first missing": {second}, "twice": {first, first}, "first changed": {changed, second},
	} {
		if _, err := OpenChain(forged(t, heads...), testVolume, testPub()); !errors.Is(err, blockstore.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := OpenChain(c.path, [16]byte{1}, testPub()); err == nil {
		t.Error("chain of another volume")
	}
}

// failingFile fails once, before or after the call took effect.
type failingFile struct {
	chainFile
	call    string
	applied bool
}

var errDisk = errors.New("disk error")

func (f *failingFile) fail(call string, do func() error) error {
	if f.call != call {
		return do()
	}
	f.call = ""
	if f.applied {
		if err := do(); err != nil {
			return err
		}
	}
	return errDisk
}

func (f *failingFile) WriteAt(p []byte, off int64) (int, error) {
	return 0, f.fail("write", func() error { _, err := f.chainFile.WriteAt(p, off); return err })
}

func (f *failingFile) Sync() error { return f.fail("sync", f.chainFile.Sync) }

func (f *failingFile) Truncate(n int64) error {
	return f.fail("truncate", func() error { return f.chainFile.Truncate(n) })
}

func TestAppendThatFailsLeavesNoTrace(t *testing.T) {
	for _, call := range []string{"write", "sync"} {
		for _, applied := range []bool{false, true} {
			path := filepath.Join(t.TempDir(), "heads")
			c := openTestChain(t, path)
			appendHeads(t, c, 2)
			c.file = &failingFile{chainFile: c.file, call: call, applied: applied}
			h := nextHead(t, c)
			if err := c.Append(h); !errors.Is(err, errDisk) {
				t.Fatalf("%s: %v", call, err)
			}
			if c.Len() != 2 {
				t.Errorf("%s: the head counts", call)
			}
			if err := c.Append(h); err != nil {
				t.Errorf("%s: second try: %v", call, err)
			}
			const want = 3
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			c = openTestChain(t, path)
			if c.Len() != want || c.Torn() != 0 || c.Verify() != nil {
				t.Errorf("%s, applied %v: %d heads and %d torn bytes after reopening, want %d", call, applied, c.Len(), c.Torn(), want)
			}
			appendHeads(t, c, 1)
		}
	}
}

// TestChainGetsANewFile: nothing is appended behind a record that may be torn,
// nor to a file whose sync has failed once.
func TestChainGetsANewFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "heads")
	c := openTestChain(t, path)
	appendHeads(t, c, 2)
	old, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	c.file = &failingFile{chainFile: &failingFile{chainFile: c.file, call: "truncate"}, call: "write", applied: true}
	if err := c.Append(nextHead(t, c)); !errors.Is(err, errDisk) {
		t.Fatal(err)
	}
	appendHeads(t, c, 2)
	now, err := os.Stat(path)
	if err != nil || os.SameFile(old, now) {
		t.Errorf("the file is the same (%v)", err)
	}
	if _, err := OpenChain(path, testVolume, testPub()); !errors.Is(err, blockstore.ErrInUse) {
		t.Errorf("the new file is not locked: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	c = openTestChain(t, path)
	if c.Len() != 4 || c.Torn() != 0 || c.Verify() != nil {
		t.Errorf("%d heads and %d torn bytes after reopening, want 4", c.Len(), c.Torn())
	}
}

func FuzzUnmarshalHead(f *testing.F) {
	h := Head{Volume: testVolume, Seq: 1, Tree: []byte("tree"), Time: 5}
	if err := h.Sign(testKey(1)); err != nil {
		f.Fatal(err)
	}
	b, err := MarshalHead(h)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte{0x9b})
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := UnmarshalHead(b)
		if err != nil {
			return
		}
		again, err := MarshalHead(h)
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("decoded %x, encodes to %x, %v", b, again, err)
		}
		_ = h.Verify() // must not panic
	})
}

func FuzzOpenChain(f *testing.F) {
	raw, ends := wholeChain(f, 2)
	f.Add(raw)
	f.Add(raw[:ends[1]-3])
	f.Add(raw[:chainHeader])
	f.Fuzz(func(t *testing.T, raw []byte) {
		path := filepath.Join(t.TempDir(), "heads")
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := OpenChain(path, testVolume, testPub())
		if err != nil {
			if !errors.Is(err, blockstore.ErrCorrupt) && !errors.Is(err, blockstore.ErrFormat) {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		defer c.Close()
		if err := c.Verify(); err != nil && !errors.Is(err, blockstore.ErrCorrupt) {
			t.Fatalf("error of another kind: %v", err)
		}
		again := chainFileHeader(testVolume)
		if err := c.All(func(h Head) error {
			b, err := MarshalHead(h)
			again = appendFrame(again, b)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again, raw[:int64(len(raw))-c.Torn()]) {
			t.Fatal("what was read does not encode to the same bytes")
		}
	})
}
