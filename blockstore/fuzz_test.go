package blockstore_test

import (
	"bytes"
	"errors"
	"testing"

	"pifs/blockstore"
	"pifs/blockstore/blocktest"
)

// reencodes decodes b into v and checks that, if it decodes at all, v encodes
// to b again.
func reencodes(t *testing.T, b []byte, v any) bool {
	t.Helper()
	if err := blockstore.Unmarshal(b, v); err != nil {
		if !errors.Is(err, blockstore.ErrFormat) {
			t.Fatalf("decode: %v; want ErrFormat", err)
		}
		return false
	}
	again, err := blockstore.Marshal(v)
	if err != nil || !bytes.Equal(again, b) {
		t.Fatalf("%x decodes and encodes as %x, %v", b, again, err)
	}
	return true
}

func seed(f *testing.F, v any) {
	b, err := blockstore.Marshal(v)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
}

func FuzzUnmarshal(f *testing.F) {
	seed(f, sample{})
	seed(f, sample{
		Name: "name", Size: 1 << 40, Time: -5, Bytes: []byte("bytes"), On: true,
		Attrs: map[string][]byte{"a": {1}, "b": nil}, Refs: []blockstore.Ref{{Size: 7}},
	})
	f.Fuzz(func(t *testing.T, b []byte) {
		reencodes(t, b, &sample{})
		reencodes(t, b, &[]sample{})
		reencodes(t, b, &map[string][]string{})
	})
}

func FuzzRef(f *testing.F) {
	seed(f, blockstore.Ref{Size: 300})
	f.Fuzz(func(t *testing.T, b []byte) { reencodes(t, b, &blockstore.Ref{}) })
}

func FuzzDescriptor(f *testing.F) {
	for _, class := range allClasses() {
		seed(f, blockstore.Descriptor{Class: class, Length: 1000, Shards: make([]blockstore.ShardID, class.N)})
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := blockstore.UnmarshalDescriptor(b)
		if err != nil {
			if !errors.Is(err, blockstore.ErrFormat) {
				t.Fatalf("%v; want ErrFormat", err)
			}
			return
		}
		if again, err := blockstore.MarshalDescriptor(d); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%x decodes and encodes as %x, %v", b, again, err)
		}
		if d.ShardSize()*int(d.Class.K) < int(d.Length) {
			t.Fatalf("%d shards of %d bytes hold no %d", d.Class.K, d.ShardSize(), d.Length)
		}
	})
}

func FuzzProof(f *testing.F) {
	id, shard := blocktest.Shard(1, 5000)
	for leaf := range blockstore.Leaves(len(shard)) {
		p, err := blockstore.Prove(shard, leaf)
		if err != nil {
			f.Fatal(err)
		}
		seed(f, p)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var p blockstore.Proof
		if !reencodes(t, b, &p) || p.Verify(id) != nil {
			return
		}
		at := int(p.Leaf) * blockstore.LeafSize
		if at+len(p.Data) > len(shard) || !bytes.Equal(p.Data, shard[at:at+len(p.Data)]) {
			t.Fatalf("a false leaf %d passes", p.Leaf)
		}
	})
}

// FuzzOpen takes blocks that are not from Seal, at their right address.
func FuzzOpen(f *testing.F) {
	s := blockstore.NewSealer(benchScope)
	for _, plain := range [][]byte{[]byte("x"), bytes.Repeat([]byte("text "), 1000)} {
		block, ref, err := s.Seal(nil, plain)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(block, ref.Key[:], ref.Size)
	}
	f.Fuzz(func(t *testing.T, block, key []byte, size uint32) {
		ref := blockstore.Ref{Address: blockstore.AddressOf(block), Size: size}
		copy(ref.Key[:], key)
		checkOpened(t, s, block, ref)
	})
}

// FuzzPayload gets past the cipher, to what only an insider can forge.
func FuzzPayload(f *testing.F) {
	s := blockstore.NewSealer(benchScope)
	f.Add([]byte("plain\x00"), uint32(5))
	f.Add([]byte("\x28\xb5\x2f\xfd\x20\x05\x29\x00\x00hello\x01"), uint32(5))
	f.Add(append(bytes.Repeat([]byte{0xff}, 60), 1), uint32(4<<20))
	f.Fuzz(func(t *testing.T, payload []byte, size uint32) {
		if len(payload) == 0 {
			return
		}
		block, ref := forge(t, payload, size)
		checkOpened(t, s, block, ref)
	})
}

// checkOpened opens a block; what opens has the size it says and seals again.
func checkOpened(t *testing.T, s *blockstore.Sealer, block []byte, ref blockstore.Ref) {
	t.Helper()
	plain, err := s.Open(nil, block, ref)
	if err != nil {
		if !errors.Is(err, blockstore.ErrCorrupt) || plain != nil {
			t.Fatalf("%d bytes, %v; want ErrCorrupt", len(plain), err)
		}
		return
	}
	if len(plain) != int(ref.Size) {
		t.Fatalf("%d bytes opened, want %d", len(plain), ref.Size)
	}
	again, ref, err := s.Seal(nil, plain)
	if err != nil {
		t.Fatal(err)
	}
	if back, err := s.Open(nil, again, ref); err != nil || !bytes.Equal(back, plain) {
		t.Fatalf("sealed again: %v", err)
	}
}

func FuzzParseAddress(f *testing.F) {
	f.Add(blockstore.Address{1, 2}.String())
	f.Fuzz(func(t *testing.T, s string) {
		a, err := blockstore.ParseAddress(s)
		if err == nil && a.String() != s && len(a.String()) != len(s) {
			t.Fatalf("%q parses as %v", s, a)
		}
	})
}
