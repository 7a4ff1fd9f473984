package blockstore_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"pifs/blockstore"
)

// sample has every kind of field that the formats of πFS use.
type sample struct {
	_struct bool              `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Name    string            //
	Size    uint64            //
	Time    int64             //
	Bytes   []byte            //
	Hash    [32]byte          //
	Attrs   map[string][]byte //
	Refs    []blockstore.Ref  //
	On      bool              //
}

func TestMarshalGolden(t *testing.T) {
	got, err := blockstore.Marshal(sample{
		Name: "α", Size: 300, Time: -1, Bytes: []byte{1, 2}, Attrs: map[string][]byte{"b": {9}, "a": nil}, On: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	want := "98" + // array of 8
		"a2ceb1" + // text of 2 bytes
		"cd012c" + // unsigned of 2 bytes
		"ff" + // −1
		"c4020102" + // byte string of 2
		"c420" + strings.Repeat("00", 32) + // byte string of 32
		"82a161c0a162c40109" + // map of 2, sorted
		"c0" + // no refs
		"c3" // true
	if hex.EncodeToString(got) != want {
		t.Fatalf("got  %x\nwant %s", got, want)
	}
}

func TestUnmarshalRefuses(t *testing.T) {
	type pair struct {
		_struct bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
		A       int64
		B       []byte
	}
	cases := map[string]string{
		"nothing":               "",
		"trailing byte":         "9201c400" + "00",
		"trailing value":        "9201c400" + "9201c400",
		"long integer":          "92d30000000000000001c400",
		"signed for positive":   "92d001c400",
		"long byte string":      "9201c50000",
		"text for byte string":  "9201a0",
		"array for byte string": "920190",
		"long array":            "dc000201c400",
		"missing field":         "9101",
		"extra field":           "9301c40000",
		"map for array":         "82a14101a142c400",
		"nil for integer":       "92c0c400",
		"float for integer":     "92cb3ff0000000000000c400",
		"ends early":            "9201c403aa",
		"huge byte string":      "9201c6ffffffff00",
		"huge array":            "ddffffffff01",
		"extension":             "92d40100c400",
		"reserved":              "92c1c400",
	}
	for name, in := range cases {
		t.Run(name, func(t *testing.T) {
			b, err := hex.DecodeString(in)
			if err != nil {
				t.Fatal(err)
			}
			var p pair
			if err := blockstore.Unmarshal(b, &p); !errors.Is(err, blockstore.ErrFormat) {
				t.Fatalf("decoded %+v, %v; want ErrFormat", p, err)
			}
		})
	}
	var p pair
	good, _ := hex.DecodeString("9201c400")
	if err := blockstore.Unmarshal(good, &p); err != nil {
		t.Fatalf("the encoding that the cases spoil: %v", err)
	}
}

func TestUnmarshalRefusesMaps(t *testing.T) {
	for name, in := range map[string]string{"unsorted": "82a16201a16101", "twice": "82a16101a16102"} {
		b, err := hex.DecodeString(in)
		if err != nil {
			t.Fatal(err)
		}
		var m map[string]int64
		if err := blockstore.Unmarshal(b, &m); !errors.Is(err, blockstore.ErrFormat) {
			t.Errorf("%s: %v, %v; want ErrFormat", name, m, err)
		}
	}
}

// A few bytes that declare gigabytes, at any depth, must not take memory.
func TestUnmarshalBoundsMemory(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, in := range [][]byte{
		{0x9a, 0xc6, 0xff, 0xff, 0xff, 0xf0, 1},
		{0xdd, 0x7f, 0xff, 0xff, 0xff},
		{0xdf, 0x7f, 0xff, 0xff, 0xff, 1},
		bytes.Repeat([]byte{0x91}, 1<<20),
		bytes.Repeat([]byte{0xdc, 0xff, 0xff}, 1<<18),
	} {
		var s []sample
		if err := blockstore.Unmarshal(in, &s); !errors.Is(err, blockstore.ErrFormat) {
			t.Errorf("%x…: %v; want ErrFormat", in[:5], err)
		}
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 8<<20 {
		t.Errorf("took %d bytes", took)
	}
}

func drawSample(r *rapid.T) sample {
	s := sample{
		Name:  rapid.String().Draw(r, "name"),
		Size:  rapid.Uint64().Draw(r, "size"),
		Time:  rapid.Int64().Draw(r, "time"),
		Bytes: rapid.SliceOf(rapid.Byte()).Draw(r, "bytes"),
		Attrs: rapid.MapOf(rapid.String(), rapid.SliceOf(rapid.Byte())).Draw(r, "attrs"),
		On:    rapid.Bool().Draw(r, "on"),
	}
	copy(s.Hash[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(r, "hash"))
	for range rapid.IntRange(0, 3).Draw(r, "refs") {
		s.Refs = append(s.Refs, blockstore.Ref{Size: rapid.Uint32().Draw(r, "ref size")})
	}
	return s
}

func TestCodecRoundTrip(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		want := drawSample(r)
		b, err := blockstore.AppendMarshal([]byte("kept"), want)
		if err != nil {
			r.Fatal(err)
		}
		b, ok := bytes.CutPrefix(b, []byte("kept"))
		var got sample
		if err := blockstore.Unmarshal(b, &got); err != nil || !ok {
			r.Fatal(err)
		}
		if d := cmp.Diff(want, got, cmp.AllowUnexported(sample{}, blockstore.Ref{})); d != "" {
			r.Fatal(d)
		}
		// One changed byte is another value, or none.
		i := rapid.IntRange(0, len(b)-1).Draw(r, "altered")
		b[i] ^= rapid.ByteRange(1, math.MaxUint8).Draw(r, "by")
		var other sample
		if err := blockstore.Unmarshal(b, &other); err == nil {
			again, err := blockstore.Marshal(other)
			if err != nil || !bytes.Equal(again, b) {
				r.Fatalf("decoded %x, which encodes as %x, %v", b, again, err)
			}
		}
	})
}

func TestCodecConcurrently(t *testing.T) {
	var wg sync.WaitGroup
	for i := range uint64(8) {
		wg.Go(func() {
			for j := range uint64(500) {
				want := sample{Name: strings.Repeat("x", int(i)), Size: j}
				b, err := blockstore.Marshal(want)
				var got sample
				if err == nil {
					err = blockstore.Unmarshal(b, &got)
				}
				if err != nil || got.Name != want.Name || got.Size != want.Size {
					t.Errorf("got %+v, %v; want %+v", got, err, want)
					return
				}
			}
		})
	}
	wg.Wait()
}
