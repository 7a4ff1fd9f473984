package blockstore_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pifs/blockstore"
)

// The vectors and the store under testdata/v1 were written by the first
// version and never change: what they name must be readable for ever.
// -write-golden makes them where they are missing, and overwrites nothing.
var writeGolden = flag.Bool("write-golden", false, "make missing golden files")

const vectorsFile = "testdata/v1/vectors.json"

// vectors follow each input through the whole pipeline.
type vectors struct {
	Secret string
	Inputs []inputVector
}

type inputVector struct {
	Name   string
	Size   int
	Cuts   []int // chunk lengths
	Chunks []chunkVector
}

// chunkVector describes the first and the last chunk of an input.
type chunkVector struct {
	Ref        string // canonical encoding
	Block      int    // bytes
	Class      string
	Shards     []string
	Descriptor string // canonical encoding, hashed
	Proof      string // canonical encoding of the last leaf's, of shard 0, hashed
}

var goldenScope = blockstore.Secret([]byte("the scope secret of the vectors."))

// goldenInputs are made of nothing but this code, so that someone else can
// make them: SplitMix64 (Steele et al., OOPSLA 2014) and words of text.
func goldenInputs() map[string][]byte {
	return map[string][]byte{
		"empty":       nil,
		"one byte":    {0x42},
		"small text":  wordText(7, 4000),
		"random 6M":   splitMix(1, 6<<20),
		"text 5M":     wordText(2, 5<<20),
		"zeros 4M+1":  make([]byte, 4<<20+1),
		"half random": append(splitMix(3, 700_000), make([]byte, 700_000)...),
	}
}

func splitMix(seed uint64, size int) []byte {
	b := make([]byte, 0, size+8)
	for len(b) < size {
		seed += 0x9e3779b97f4a7c15
		z := seed
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		z ^= z >> 31
		for i := range 8 {
			b = append(b, byte(z>>(8*i)))
		}
	}
	return b[:size]
}

func wordText(seed uint64, size int) []byte {
	words := []string{"chunk", "block", "address", "key", "stripe", "shard", "class", "descriptor", "\n"}
	var b []byte
	for _, r := range splitMix(seed, size) {
		if len(b) >= size {
			break
		}
		b = append(append(b, words[int(r)%len(words)]...), ' ')
	}
	return b[:size]
}

func makeVectors(t *testing.T) vectors {
	t.Helper()
	v := vectors{Secret: hex.EncodeToString(goldenScope[:])}
	chunker := newChunker(t, goldenScope)
	inputs := goldenInputs()
	for _, name := range []string{"empty", "one byte", "small text", "random 6M", "text 5M", "zeros 4M+1", "half random"} {
		data := inputs[name]
		in := inputVector{Name: name, Size: len(data), Cuts: cuts(t, chunker, data)}
		off := 0
		for i, n := range in.Cuts {
			if i == 0 || i == len(in.Cuts)-1 {
				in.Chunks = append(in.Chunks, makeChunkVector(t, data[off:off+n], 3*i+5))
			}
			off += n
		}
		v.Inputs = append(v.Inputs, in)
	}
	return v
}

func makeChunkVector(t *testing.T, chunk []byte, stores int) chunkVector {
	t.Helper()
	block, ref, err := blockstore.NewSealer(goldenScope).Seal(nil, chunk)
	if err != nil {
		t.Fatal(err)
	}
	class, err := blockstore.Phi.ClassFor(stores)
	if err != nil {
		t.Fatal(err)
	}
	d, shards, err := blockstore.NewCoder().Encode(class, ref.Address, block)
	if err != nil {
		t.Fatal(err)
	}
	defer shards.Release()
	proof, err := blockstore.Prove(shards.Pieces[0], blockstore.Leaves(d.ShardSize())-1)
	if err != nil {
		t.Fatal(err)
	}
	v := chunkVector{Block: len(block), Class: class.String()}
	v.Ref = hex.EncodeToString(marshal(t, ref))
	v.Descriptor = blockstore.AddressOf(marshal(t, d)).String()
	v.Proof = blockstore.AddressOf(marshal(t, proof)).String()
	for _, id := range d.Shards {
		v.Shards = append(v.Shards, id.String())
	}
	return v
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	b, err := blockstore.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestGoldenVectors(t *testing.T) {
	got := makeVectors(t)
	text, err := os.ReadFile(vectorsFile)
	if *writeGolden && errors.Is(err, os.ErrNotExist) {
		text, err = json.MarshalIndent(got, "", "\t")
		if err == nil {
			err = errors.Join(os.MkdirAll(filepath.Dir(vectorsFile), 0o755), os.WriteFile(vectorsFile, text, 0o644))
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	var want vectors
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("the pipeline's output changed: no stored file could be deduplicated or verified any more (−want +got):\n%s", d)
	}
}

// goldenShards are small enough to be committed as bytes.
func goldenShards() [][]byte {
	var shards [][]byte
	for i := range 12 {
		shards = append(shards, splitMix(uint64(100+i), 1+i*i*20))
	}
	return shards
}

const goldenStore = "testdata/v1/store"

// TestGoldenStore opens a store of the first version: as it was closed, and
// with nothing but its packs.
func TestGoldenStore(t *testing.T) {
	if _, err := os.Stat(goldenStore); *writeGolden && errors.Is(err, os.ErrNotExist) {
		writeGoldenStore(t)
	}
	for name, without := range map[string]string{"whole": "", "without index": "index.db", "without marker": "store"} {
		t.Run(name, func(t *testing.T) {
			dir := copyDir(t, goldenStore)
			if without != "" {
				if err := os.Remove(filepath.Join(dir, without)); err != nil {
					t.Fatal(err)
				}
			}
			p := openPack(t, dir, blockstore.PackOptions{})
			for i, want := range goldenShards() {
				got, err := p.Get(t.Context(), blockstore.ShardIDOf(want), nil)
				if deleted := i%5 == 4; deleted && without != "index.db" {
					if !errors.Is(err, blockstore.ErrNotFound) {
						t.Errorf("deleted shard %d: %v; want ErrNotFound", i, err)
					}
				} else if err != nil || !bytes.Equal(got, want) {
					t.Errorf("shard %d: %d bytes, %v", i, len(got), err)
				}
			}
		})
	}
}

func writeGoldenStore(t *testing.T) {
	t.Helper()
	p, err := blockstore.OpenPack(goldenStore, blockstore.PackOptions{PackSize: 8 << 10})
	if err != nil {
		t.Fatal(err)
	}
	for i, shard := range goldenShards() {
		id := blockstore.ShardIDOf(shard)
		if err := p.Put(t.Context(), id, shard); err != nil {
			t.Fatal(err)
		}
		if i%5 == 4 {
			if err := p.Delete(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
}
