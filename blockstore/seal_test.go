package blockstore_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/zeebo/blake3"
	"pgregory.net/rapid"

	"pifs/blockstore"
	"pifs/blockstore/blocktest"
)

// plains are plaintexts of every character.
func plains(t *testing.T) map[string][]byte {
	t.Helper()
	_, random := blocktest.Shard(1, blockstore.MaxChunk)
	half := bytes.Clone(random[:1<<20])
	clear(half[1<<19:])
	return map[string][]byte{
		"one byte":         {7},
		"short text":       []byte("hello"),
		"random 4 KiB":     random[:4096],
		"random MaxChunk":  random,
		"zeros":            make([]byte, 1<<20),
		"text":             goSource(t, 1<<20),
		"text, odd length": goSource(t, 300_001),
		"half random":      half,
		"zeros MaxChunk":   make([]byte, blockstore.MaxChunk),
	}
}

func TestSealOpens(t *testing.T) {
	s := blockstore.NewSealer(benchScope)
	for name, plain := range plains(t) {
		t.Run(name, func(t *testing.T) {
			out, ref, err := s.Seal([]byte("kept"), plain)
			if err != nil {
				t.Fatal(err)
			}
			block, ok := bytes.CutPrefix(out, []byte("kept"))
			if !ok || len(block) > len(plain)+17 || ref.Address != blockstore.AddressOf(block) || int(ref.Size) != len(plain) {
				t.Fatalf("%d bytes sealed for %d, ref %+v", len(block), len(plain), ref)
			}
			for _, room := range []int{0, blockstore.SealedLen(len(plain)) - len(plain)} {
				buf := append(make([]byte, 0, len(plain)+room), plain...)
				if again, ref2, _, err := s.SealInPlace(buf); err != nil || ref2 != ref || !bytes.Equal(again, block) {
					t.Fatalf("sealed in place with %d bytes of room: %d bytes, ref %+v, %v", room, len(again), ref2, err)
				}
			}
			got, err := s.Open([]byte("kept"), block, ref)
			if err != nil || !bytes.Equal(got, append([]byte("kept"), plain...)) {
				t.Fatalf("opened %d bytes, %v", len(got), err)
			}
		})
	}
}

// TestSealOpensShort seals runs of zeros before other bytes: of some, zstd makes
// exactly as many bytes again, so that the length does not tell the codec.
func TestSealOpensShort(t *testing.T) {
	s := blockstore.NewSealer(benchScope)
	equal := 0
	for size := 1; size <= 64; size++ {
		for zeros := range size + 1 {
			plain := make([]byte, size)
			for i := zeros; i < size; i++ {
				plain[i] = byte(0x11 + 7*i)
			}
			block, ref, err := s.Seal(nil, plain)
			if err != nil {
				t.Fatal(err)
			}
			got, err := s.Open([]byte("kept"), block, ref)
			if err != nil || string(got) != "kept"+string(plain) {
				t.Fatalf("%d zeros in %d bytes: opened %q, %v", zeros, size, got, err)
			}
			if len(block) == size+17 && payloadKey(t, append(bytes.Clone(plain), 0)) != ref.Key {
				equal++
			}
		}
	}
	if equal == 0 {
		t.Error("no block is as long compressed as it is plain: the test shows nothing")
	}
}

func TestSealCompressesWhatPays(t *testing.T) {
	s := blockstore.NewSealer(benchScope)
	for name, below := range map[string]float64{
		"random 4 KiB": 1.01, "random MaxChunk": 1.01, "text": 0.4, "zeros": 0.001, "half random": 0.6, "text, odd length": 0.4,
	} {
		plain := plains(t)[name]
		block, _, err := s.Seal(nil, plain)
		if err != nil {
			t.Fatal(err)
		}
		if ratio := float64(len(block)) / float64(len(plain)); ratio > below || below > 1 && ratio < 1 {
			t.Errorf("%s: ratio %.3f, want below %.3f", name, ratio, below)
		}
	}
}

func TestSealRefusesSizes(t *testing.T) {
	s := blockstore.NewSealer(benchScope)
	for _, size := range []int{0, blockstore.MaxChunk + 1} {
		out, _, err := s.Seal([]byte("kept"), make([]byte, size))
		if !errors.Is(err, blockstore.ErrTooLarge) || string(out) != "kept" {
			t.Errorf("seal %d bytes: %q, %v; want ErrTooLarge", size, out, err)
		}
	}
}

// However often and with what a sealer was used before, and by how many at
// once, equal plaintexts give equal blocks.
func TestSealIsDeterministic(t *testing.T) {
	used := blockstore.NewSealer(benchScope)
	inputs := plains(t)
	want := make(map[string]blockstore.Ref)
	for name, plain := range inputs {
		_, ref, err := blockstore.NewSealer(benchScope).Seal(nil, plain)
		if err != nil {
			t.Fatal(err)
		}
		want[name] = ref
	}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			var block []byte
			for range 2 {
				for name, plain := range inputs {
					var ref blockstore.Ref
					var err error
					block, ref, err = used.Seal(block[:0], plain)
					if err != nil || ref != want[name] {
						t.Errorf("%s: ref %+v, %v; want %+v", name, ref, err, want[name])
					}
					if _, err := used.Open(nil, block, ref); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
}

func TestSealScopesDiffer(t *testing.T) {
	one, two := blockstore.NewSealer(blockstore.Secret{1}), blockstore.NewSealer(blockstore.Secret{2})
	block, ref, err := one.Seal(nil, []byte("the same"))
	if err != nil {
		t.Fatal(err)
	}
	_, other, err := two.Seal(nil, []byte("the same"))
	if err != nil || other.Address == ref.Address || other.Key == ref.Key {
		t.Fatalf("two scopes share an address or a key: %v", err)
	}
	if _, err := two.Open(nil, block, ref); !errors.Is(err, blockstore.ErrCorrupt) {
		t.Fatalf("another scope opens a block: %v", err)
	}
}

func TestOpenRefusesAlterations(t *testing.T) {
	s := blockstore.NewSealer(benchScope)
	for _, plain := range [][]byte{goSource(t, 5000), plains(t)["random 4 KiB"]} {
		block, ref, err := s.Seal(nil, plain)
		if err != nil {
			t.Fatal(err)
		}
		refuse := func(what string, block []byte, ref blockstore.Ref) {
			t.Helper()
			got, err := s.Open([]byte("kept"), block, ref)
			if !errors.Is(err, blockstore.ErrCorrupt) || string(got) != "kept" {
				t.Errorf("%s: %d bytes, %v; want ErrCorrupt", what, len(got), err)
			}
			got, err = s.OpenRaw([]byte("kept"), rawOf(block), ref)
			right := err == nil && bytes.Equal(got[4:], plain) // it leaves the tag alone
			if !right && (!errors.Is(err, blockstore.ErrCorrupt) || string(got) != "kept") {
				t.Errorf("%s, raw: %d bytes, %v; want ErrCorrupt", what, len(got), err)
			}
		}
		for _, at := range []int{0, len(block) / 2, len(block) - 1} {
			altered := bytes.Clone(block)
			altered[at] ^= 1
			refuse(fmt.Sprintf("byte %d", at), altered, ref)
			refuse(fmt.Sprintf("byte %d, readdressed", at), altered, readdress(ref, altered))
		}
		for _, size := range []int{0, 1, len(plain) - 1, len(plain) + 1, blockstore.MaxChunk, blockstore.MaxChunk + 1, 1 << 31} {
			r := ref
			r.Size = uint32(size)
			refuse(fmt.Sprintf("size %d", size), block, r)
		}
		r := ref
		r.Key[0] ^= 1
		refuse("key", block, r)
		refuse("empty", nil, readdress(ref, nil))
		refuse("cut", block[:len(block)-1], readdress(ref, block[:len(block)-1]))
	}
}

// rawOf returns block in parts of odd sizes.
func rawOf(block []byte) *blockstore.Raw {
	raw := new(blockstore.Raw)
	for n := 1; len(block) > 0; n = 3*n + 2 {
		n = min(n, len(block))
		raw.Add(block[:n])
		block = block[n:]
	}
	return raw
}

func readdress(ref blockstore.Ref, block []byte) blockstore.Ref {
	ref.Address = blockstore.AddressOf(block)
	return ref
}

// Whoever knows the scope's secret can encrypt payloads that Seal would not
// make. Open takes none of them.
func TestOpenRefusesForgedPayloads(t *testing.T) {
	s := blockstore.NewSealer(benchScope)
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	bomb := w.EncodeAll(make([]byte, blockstore.MaxChunk), nil)
	text := w.EncodeAll(goSource(t, 10_000), nil)
	_, random := blocktest.Shard(1, 1000)
	cases := []struct {
		name    string
		payload []byte
		size    uint32
		want    string
	}{
		{"unknown codec", append(bytes.Clone(random), 2), 1000, "codec 2"},
		{"plain codec, short", append(bytes.Clone(random), 0), 2000, "codec 0"},
		{"zstd codec, full size", append(bytes.Clone(random), 1), 1000, "codec 1"},
		{"not zstd", append(bytes.Clone(random), 1), 2000, "corrupt"},
		{"more than said", append(bytes.Clone(bomb), 1), 100_000, "corrupt"},
		{"less than said", append(bytes.Clone(text), 1), 100_000, "10000 bytes unpacked"},
		{"hardly smaller", append(bytes.Clone(text), 1), uint32(len(text) + 1), "does not pay"},
	}
	for _, c := range cases {
		block, ref := forge(t, c.payload, c.size)
		openRaw := func(dst, block []byte, ref blockstore.Ref) ([]byte, error) { return s.OpenRaw(dst, rawOf(block), ref) }
		for _, open := range []func(_, _ []byte, _ blockstore.Ref) ([]byte, error){s.Open, openRaw} {
			if _, err := open(nil, block, ref); !errors.Is(err, blockstore.ErrCorrupt) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v; want ErrCorrupt with %q", c.name, err, c.want)
			}
		}
	}
	block, ref := forge(t, append(bytes.Clone(text), 1), 10_000)
	if _, err := s.Open(nil, block, ref); err != nil {
		t.Errorf("the payload that the cases spoil: %v", err)
	}
}

// forge seals any payload the way FORMAT.md says.
func forge(t *testing.T, payload []byte, size uint32) ([]byte, blockstore.Ref) {
	t.Helper()
	ref := blockstore.Ref{Key: payloadKey(t, payload), Size: size}
	c, err := aes.NewCipher(ref.Key[:])
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(c)
	if err != nil {
		t.Fatal(err)
	}
	block := gcm.Seal(nil, make([]byte, 12), payload, nil)
	return block, readdress(ref, block)
}

func payloadKey(t *testing.T, payload []byte) (key blockstore.Key) {
	t.Helper()
	scopeKey := make([]byte, 32)
	blake3.DeriveKey("pifs 2026-01-01 block key v1", benchScope[:], scopeKey)
	h, err := blake3.NewKeyed(scopeKey)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Write(payload); err != nil {
		t.Fatal(err)
	}
	h.Sum(key[:0])
	return key
}

// The hash of small and large inputs is BLAKE3, keyed or not, whichever code
// computes it.
func TestHashIsBLAKE3(t *testing.T) {
	_, data := blocktest.Shard(9, 300<<10)
	s := blockstore.NewSealer(benchScope)
	rapid.Check(t, func(r *rapid.T) {
		size := rapid.OneOf(rapid.IntRange(1, len(data)), rapid.Map(rapid.IntRange(1, 300), func(n int) int { return n << 10 })).Draw(r, "size")
		b := data[:size]
		if blockstore.ShardIDOf(b) != blake3.Sum256(b) || blockstore.AddressOf(b) != blake3.Sum256(b) {
			r.Fatalf("hash of %d bytes differs", size)
		}
		_, ref, err := s.Seal(nil, b)
		if err != nil || ref.Key != payloadKey(t, append(bytes.Clone(b), 0)) {
			r.Fatalf("key of %d bytes differs: %v", size, err)
		}
	})
}
