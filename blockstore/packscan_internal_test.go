package blockstore

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"
)

// packOf returns a pack file of shards.
func packOf(shards ...[]byte) []byte {
	pack := packHeader()
	for _, s := range shards {
		h := make([]byte, recordHeader)
		putRecordHeader(h, s)
		pack = append(append(pack, h...), s...)
	}
	return pack
}

// scanned lists what a scan finds, and checks that records and gaps tile the
// pack and that every record is the encoding of its shard.
func scanned(t *testing.T, pack []byte) (found []string) {
	t.Helper()
	at := int64(packHeaderLen)
	err := scanRecords(bytes.NewReader(pack), int64(len(pack)), at,
		func(off, end int64, shard []byte) error {
			if shard == nil {
				if _, ok := buriedLen(pack[off:]); off != at || !ok {
					return fmt.Errorf("no buried record at %d, expected at %d", off, at)
				}
				at = end
				found = append(found, "buried")
				return nil
			}
			rec := packOf(shard)[packHeaderLen:]
			if off != at || !bytes.HasPrefix(pack[off:], rec) {
				return fmt.Errorf("record at %d, expected at %d, is not what encodes", off, at)
			}
			at += int64(len(rec))
			found = append(found, string(shard))
			return nil
		},
		func(g gap) error {
			if g.from != at || g.to <= g.from {
				return fmt.Errorf("gap %+v at %d", g, at)
			}
			at = g.to
			found = append(found, "")
			return nil
		})
	if err != nil {
		t.Fatal(err)
	}
	if at != int64(len(pack)) {
		t.Fatalf("the scan ends at %d of %d", at, len(pack))
	}
	return found
}

func TestScanResynchronises(t *testing.T) {
	big := bytes.Repeat([]byte("big "), 300_000)
	pack := packOf([]byte("one"), big, []byte("three"), []byte("four"))
	second := packHeaderLen + recordHeader + 3
	third := second + recordHeader + len(big)
	bury := func(p []byte, at, size int) {
		putBuriedHeader(p[at:], uint32(size))
		clear(p[at+recordHeader : at+recordHeader+size])
	}
	cases := []struct {
		name   string
		damage func(pack []byte) []byte
		want   []string
	}{
		{"none", func(b []byte) []byte { return b }, []string{"one", string(big), "three", "four"}},
		{"bytes", func(b []byte) []byte { b[second+5000] ^= 1; return b }, []string{"one", "", "three", "four"}},
		{"length", func(b []byte) []byte { b[second+2] ^= 1; return b }, []string{"one", "", "three", "four"}},
		{"mark", func(b []byte) []byte { b[second+3] ^= 1; return b }, []string{"one", "", "three", "four"}},
		{"sum", func(b []byte) []byte { b[second+4] ^= 1; return b }, []string{"one", "", "three", "four"}},
		{"zeros over two", func(b []byte) []byte { clear(b[second : third+9]); return b }, []string{"one", "", "four"}},
		{"torn last", func(b []byte) []byte { return b[:len(b)-1] }, []string{"one", string(big), "three", ""}},
		{"torn header", func(b []byte) []byte { return b[:len(b)-7] }, []string{"one", string(big), "three", ""}},
		{"junk after", func(b []byte) []byte { return append(b, 0, 0, 0) }, []string{"one", string(big), "three", "four", ""}},
		{"zeros after", func(b []byte) []byte { return append(b, make([]byte, 200_000)...) }, []string{"one", string(big), "three", "four", ""}},
		{"buried", func(b []byte) []byte { bury(b, second, len(big)); return b }, []string{"one", "buried", "three", "four"}},
		{"buried behind damage", func(b []byte) []byte { bury(b, third, 5); b[second+5000] ^= 1; return b }, []string{"one", "", "four"}},
		{"live between damage and buried", func(b []byte) []byte {
			bury(b, third, 5)
			clear(b[packHeaderLen:second])
			return b
		}, []string{"", string(big), "buried", "four"}},
		{"all", func(b []byte) []byte { clear(b[packHeaderLen:]); return b }, []string{""}},
		{"empty", func(b []byte) []byte { return b[:packHeaderLen] }, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := scanned(t, c.damage(bytes.Clone(pack)))
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Fatalf("found %d pieces, want %d", len(got), len(c.want))
			}
		})
	}
}

// Bytes that look like headers everywhere must not make a scan quadratic: the
// checksum is computed only where a chain begins.
func TestScanOfHostileBytes(t *testing.T) {
	pack := packHeader()
	word := binary.LittleEndian.AppendUint32(nil, recordMark<<24|2<<20)
	for len(pack) < 6<<20 {
		pack = append(pack, word...)
	}
	if got := scanned(t, pack); len(got) != 1 {
		t.Fatalf("found %d pieces in junk", len(got))
	}
}

func FuzzScan(f *testing.F) {
	f.Add(packOf([]byte("one"), []byte("two"), bytes.Repeat([]byte{recordMark}, 100)))
	f.Add(append(packOf([]byte("one")), packOf([]byte("two"))...))
	f.Fuzz(func(t *testing.T, pack []byte) {
		if len(pack) >= packHeaderLen {
			_ = checkPackHeader(pack) // any verdict, no panic
			scanned(t, pack)
		}
	})
}

func FuzzParsePackName(f *testing.F) {
	f.Add(packName(1))
	f.Add(packName(1<<32 - 1))
	f.Fuzz(func(t *testing.T, name string) {
		if n, ok := parsePackName(name); ok && packName(n) != name {
			t.Fatalf("%q parses as %d", name, n)
		}
	})
}
