package cache

import (
	"bytes"
	"errors"
	"os"
	"testing"

	"pgregory.net/rapid"

	"pifs/blockstore"
)

// TestFreshAgainstBytes writes, zeroes, truncates, freezes and thaws at random
// and compares with a plain slice that knows which bytes are fresh.
func TestFreshAgainstBytes(t *testing.T) {
	const size = 4096
	rapid.Check(t, func(t *rapid.T) {
		var budget Budget
		f := NewFresh(&budget)
		data, known := make([]byte, size), make([]uint64, size) // known: generation it was written in, 0 if not fresh
		gen := uint64(1)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			off := rapid.IntRange(0, size-1).Draw(t, "off")
			n := rapid.IntRange(1, size-off).Draw(t, "n")
			switch rapid.SampledFrom([]string{"write", "write", "zero", "truncate", "freeze", "thaw"}).Draw(t, "op") {
			case "write":
				p := bytes.Repeat([]byte{rapid.Byte().Draw(t, "byte")}, n)
				f.Write(int64(off), p)
				mark(data, known, off, p, gen)
			case "zero":
				f.Zero(int64(off), int64(n))
				mark(data, known, off, make([]byte, n), gen)
			case "truncate":
				f.Truncate(int64(off))
				clear(known[off:])
			case "freeze":
				if _, g := f.Freeze(); g != gen {
					t.Fatalf("generation %d, want %d", g, gen)
				}
				gen++
			case "thaw":
				f.Thaw(gen-1, int64(off))
				for i := range off {
					if known[i] < gen {
						known[i] = 0
					}
				}
			}
			compareFresh(t, f, data, known)
		}
		f.Release()
		if budget.Used() != 0 {
			t.Fatalf("%d bytes are still accounted", budget.Used())
		}
	})
}

// TestFreshHoldsWhatWasWritten: memory follows what is written, in whatever
// order it comes, and what comes in a row makes few pieces.
func TestFreshHoldsWhatWasWritten(t *testing.T) {
	const n, count, gap = 100, 20000, 100
	for _, c := range []struct {
		order  string
		off    func(i int64) int64
		pieces int
	}{
		{"in a row", func(i int64) int64 { return i * n }, 20},
		{"backward", func(i int64) int64 { return (count - i) * n }, count},
		{"with gaps", func(i int64) int64 { return i * (n + gap) }, count},
	} {
		f := NewFresh(nil)
		for i := range int64(count) {
			f.Write(c.off(i), make([]byte, n))
		}
		held := 0
		for _, p := range f.Pieces() {
			held += cap(p.buf)
		}
		if most := int(2*f.Bytes() + minFreshBuf); f.Bytes() != n*count || held > most {
			t.Errorf("%s: %d bytes in buffers of %d, want at most %d", c.order, f.Bytes(), held, most)
		}
		if got := len(f.Pieces()); got > c.pieces {
			t.Errorf("%s: %d pieces, want at most %d", c.order, got, c.pieces)
		}
	}
}

func mark(data []byte, known []uint64, off int, p []byte, gen uint64) {
	copy(data[off:], p)
	for i := range p {
		known[off+i] = gen
	}
}

func compareFresh(t *rapid.T, f *Fresh, data []byte, known []uint64) {
	held := int64(0)
	err := Overlaps(f.Pieces(), 0, int64(len(data)), func(off, end int64, p *Piece) error {
		for i := off; i < end; i++ {
			if (p != nil) != (known[i] != 0) {
				t.Fatalf("byte %d: fresh %v, want %v", i, p != nil, known[i] != 0)
			}
			if p != nil && !p.Zero && p.Bytes()[i-p.Off] != data[i] || p != nil && p.Zero && data[i] != 0 {
				t.Fatalf("byte %d differs", i)
			}
		}
		if p != nil {
			held += int64(len(p.Bytes()))
		}
		return nil
	})
	if err != nil || held != f.Bytes() {
		t.Fatalf("accounted %d bytes, hold %d (%v)", f.Bytes(), held, err)
	}
}

func TestJournalKeepsBytesAndSeesDamage(t *testing.T) {
	dir := t.TempDir()
	j, err := OpenJournal(dir, [32]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	secret := bytes.Repeat([]byte("canary"), 1000)
	first, err := j.Append(secret)
	if err != nil {
		t.Fatal(err)
	}
	second, err := j.Append([]byte("more"))
	if err == nil {
		err = j.Sync()
	}
	if err != nil {
		t.Fatal(err)
	}
	j.Close()
	path := j.path(first.Segment)
	raw, err := os.ReadFile(path)
	if err != nil || bytes.Contains(raw, []byte("canary")) {
		t.Fatalf("the journal shows what it keeps (%v)", err)
	}
	raw[len(raw)-1] ^= 1
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if j, err = OpenJournal(dir, [32]byte{1}); err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	first.Skip = 6
	got := make([]byte, 100)
	if err := j.Read(first, got); err != nil || !bytes.Equal(got, secret[6:106]) {
		t.Fatalf("read back: %q, %v", got, err)
	}
	if err := j.Read(second, got[:4]); !errors.Is(err, blockstore.ErrCorrupt) {
		t.Fatalf("a flipped bit: %v", err)
	}
	if err := j.Read(JournalPos{Segment: 1, Size: 10, Skip: 8}, got[:4]); !errors.Is(err, blockstore.ErrCorrupt) {
		t.Fatalf("beyond the record: %v", err)
	}
	if err := j.Retain(map[uint32]bool{}); err != nil {
		t.Fatal(err)
	}
	if err := j.Read(first, got); !errors.Is(err, blockstore.ErrCorrupt) {
		t.Fatalf("a segment that is gone: %v", err)
	}
}
