package blockstore_test

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"pifs/blockstore"
)

func TestClassFor(t *testing.T) {
	type span struct {
		from, to int
		class    string
		quorum   int
	}
	ladders := map[blockstore.Ladder][]span{
		blockstore.Phi: {
			{1, 1, "(1,1)", 1},
			{2, 2, "(1,2)", 2},
			{3, 4, "(2,3)", 3},
			{5, 7, "(3,5)", 4},
			{8, 12, "(5,8)", 7},
			{13, 20, "(8,13)", 11},
			{21, 33, "(13,21)", 17},
			{34, 1000, "(21,34)", 28},
		},
		blockstore.Lean: {
			{1, 1, "(1,1)", 1},
			{2, 2, "(1,2)", 2},
			{3, 5, "(2,3)", 3},
			{6, 8, "(4,6)", 5},
			{9, 11, "(6,9)", 8},
			{12, 29, "(8,12)", 10},
			{30, 1000, "(20,30)", 25},
		},
	}
	for ladder, spans := range ladders {
		for _, s := range spans {
			for n := s.from; n <= s.to; n++ {
				c, err := ladder.ClassFor(n)
				if err != nil || c.String() != s.class || c.Quorum() != s.quorum || !c.Valid() {
					t.Errorf("%v for %d stores: %v, quorum %d, %v; want %s, %d", ladder, n, c, c.Quorum(), err, s.class, s.quorum)
				}
			}
		}
		if _, err := ladder.ClassFor(0); err == nil {
			t.Errorf("%v gives a class for no stores", ladder)
		}
	}
}

func TestClassValid(t *testing.T) {
	valid := 0
	for k := range 256 {
		for n := range 256 {
			c := blockstore.Class{K: uint8(k), N: uint8(n)}
			if !c.Valid() {
				continue
			}
			valid++
			if k < 1 || k > n {
				t.Errorf("%v is valid", c)
			}
			if o := c.Overhead(); o < 1 || o > 2 {
				t.Errorf("%v has overhead %v", c, o)
			}
		}
	}
	if valid != 12 {
		t.Errorf("%d classes, want 12", valid)
	}
}

func TestParseLadder(t *testing.T) {
	for _, l := range []blockstore.Ladder{blockstore.Phi, blockstore.Lean} {
		if got, err := blockstore.ParseLadder(l.String()); got != l || err != nil {
			t.Errorf("%v parses as %v, %v", l, got, err)
		}
	}
	if _, err := blockstore.ParseLadder("PHI"); err == nil {
		t.Error("PHI parses")
	}
}

func TestParseAddress(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		a := blockstore.AddressOf(rapid.SliceOf(rapid.Byte()).Draw(r, "bytes"))
		if got, err := blockstore.ParseAddress(a.String()); got != a || err != nil {
			r.Fatalf("%v parses as %v, %v", a, got, err)
		}
	})
	for _, s := range []string{"", "ab", blockstore.Address{}.String() + "00", blockstore.Address{}.String()[1:] + "g"} {
		if a, err := blockstore.ParseAddress(s); err == nil {
			t.Errorf("%q parses as %v", s, a)
		}
	}
}

func TestDescriptorRefuses(t *testing.T) {
	good := blockstore.Descriptor{
		Class: blockstore.Class{K: 3, N: 5}, Length: 100, Shards: make([]blockstore.ShardID, 5),
	}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(d *blockstore.Descriptor){
		"class":      func(d *blockstore.Descriptor) { d.Class.K = 4 },
		"no class":   func(d *blockstore.Descriptor) { d.Class = blockstore.Class{}; d.Shards = nil },
		"few shards": func(d *blockstore.Descriptor) { d.Shards = d.Shards[:4] },
		"too short":  func(d *blockstore.Descriptor) { d.Length = blockstore.MinBlock - 1 },
		"too long":   func(d *blockstore.Descriptor) { d.Length = blockstore.MaxBlock + 1 },
	} {
		d := good
		spoil(&d)
		b, err := blockstore.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		_, decodeErr := blockstore.UnmarshalDescriptor(b)
		_, encodeErr := blockstore.MarshalDescriptor(d)
		for _, err := range []error{d.Validate(), decodeErr, encodeErr} {
			if !errors.Is(err, blockstore.ErrFormat) {
				t.Errorf("%s: %v; want ErrFormat", name, err)
			}
		}
	}
}
