package mst

import (
	"encoding/hex"
	"maps"
	"math/rand/v2"
	"testing"

	"pifs/blockstore"
)

// style is a kind of content that the standard rule must cope with.
type style struct {
	name    string
	entries int
	key     func(c *corpus, i uint32) []byte
	value   func(c *corpus) []byte
}

func styles() []style {
	address := func(c *corpus, i uint32) []byte { return c.address(i) }
	return []style{
		{"small entries", 30000, address, func(c *corpus) []byte { return c.bytes(60) }},
		{"inline files", 1500, address, func(c *corpus) []byte { return c.bytes(c.rng.IntN(8 << 10)) }},
		{"large values", 150, address, func(c *corpus) []byte { return c.bytes(c.rng.IntN(MaxValue + 1)) }},
		{"largest values", 40, address, func(c *corpus) []byte { return c.bytes(MaxValue) }},
		{"no values", 40000, address, func(*corpus) []byte { return []byte{} }},
		{"keys without a cut", 15000, uncut, func(c *corpus) []byte { return c.bytes(60) }},
		{"longest keys", 9000, func(c *corpus, i uint32) []byte { return c.long(i) }, func(c *corpus) []byte { return c.bytes(900) }},
	}
}

// long returns a key of MaxKey bytes.
func (c *corpus) long(i uint32) []byte {
	key := make([]byte, MaxKey)
	copy(key[MaxKey-32:], c.address(i))
	return key
}

// uncut returns a key whose hash asks for no cut after a short entry.
func uncut(c *corpus, i uint32) []byte {
	for n := byte(0); ; n++ {
		if key := append(c.address(i), n); cutHash(0, key) > 1<<63 {
			return key
		}
	}
}

func (st style) corpus() *corpus {
	c := &corpus{rng: rand.New(rand.NewPCG(7, 7))}
	c.key = func(i uint32) []byte { return st.key(c, i) }
	c.value = func() []byte { return st.value(c) }
	return c
}

// Whatever the size of entries, nodes keep theirs.
func TestNodeSizes(t *testing.T) {
	for _, st := range styles() {
		t.Run(st.name, func(t *testing.T) {
			blocks := newMemBlocks()
			root, err := Build(t.Context(), blocks, st.corpus().model(st.entries).sorted())
			if err != nil {
				t.Fatal(err)
			}
			sizes := map[uint8][]int{}
			err = Nodes(t.Context(), blocks, root, func(_ blockstore.Ref, height uint8, plain []byte) error {
				sizes[height] = append(sizes[height], len(plain))
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			for height, s := range sizes {
				checkSizes(t, height, s)
			}
		})
	}
}

// checkSizes checks the sizes in bytes of a level's nodes, in order. Encoded,
// an item takes up to 13 % less than item.size says: hence the slack.
func checkSizes(t *testing.T, height uint8, sizes []int) {
	t.Helper()
	total := 0
	for i, n := range sizes {
		total += n
		if n > maxPlain || n > blockstore.MaxChunk {
			t.Errorf("height %d: node %d has %d bytes", height, i, n)
		}
		if i < len(sizes)-1 && n < minNode*8/10 {
			t.Errorf("height %d: node %d of %d has only %d bytes", height, i, len(sizes), n)
		}
	}
	if mean := total / len(sizes); len(sizes) >= 20 && (mean < avgNode/2 || mean > maxNode) {
		t.Errorf("height %d: %d nodes of %d bytes on average", height, len(sizes), mean)
	}
}

// The public functions, on large and odd entries, keep the one shape too.
func TestUpdateIsCanonicalAtStandardSizes(t *testing.T) {
	for _, st := range styles() {
		t.Run(st.name, func(t *testing.T) {
			s, blocks := standardStore()
			c := st.corpus()
			m := c.model(st.entries)
			root, err := Build(t.Context(), blocks, m.sorted())
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				edits := model{}
				for range 8 {
					c.scatter(edits, st.entries)
				}
				before, old := maps.Clone(m), root
				m.apply(changesOf(edits))
				if root, err = Update(t.Context(), blocks, old, changesOf(edits)); err != nil {
					t.Fatal(err)
				}
				checkCanonical(t, s, root, m)
				checkDiff(t, s, old, root, before, m)
			}
		})
	}
}

// A change costs a few nodes, in whatever place of however large a tree.
func TestUpdateIsLocal(t *testing.T) {
	_, blocks := standardStore()
	st := styles()[0]
	c := st.corpus()
	root, err := Build(t.Context(), blocks, c.model(st.entries).sorted())
	if err != nil {
		t.Fatal(err)
	}
	const rounds = 100
	blocks.reset()
	for range rounds {
		next, err := Update(t.Context(), blocks, root, []Change{{Key: c.key(c.rng.Uint32()), Value: c.value()}})
		if err != nil {
			t.Fatal(err)
		}
		if next.Count != root.Count+1 && next.Count != root.Count {
			t.Fatalf("one change took the count from %d to %d", root.Count, next.Count)
		}
		root = next
	}
	// One leaf and one index are the least; a moved cut costs a leaf more.
	if n := len(blocks.puts); n > 3*rounds {
		t.Errorf("%d changes stored %d nodes", rounds, n)
	}
	if blocks.gets > 4*rounds {
		t.Errorf("%d changes read %d nodes", rounds, blocks.gets)
	}
}

// Diff does not read what two trees share.
func TestDiffIsLocal(t *testing.T) {
	_, blocks := standardStore()
	st := styles()[0]
	c := st.corpus()
	a, err := Build(t.Context(), blocks, c.model(st.entries).sorted())
	if err != nil {
		t.Fatal(err)
	}
	z, err := Update(t.Context(), blocks, a, []Change{{Key: c.key(1), Value: c.value()}})
	if err != nil {
		t.Fatal(err)
	}
	blocks.reset()
	found := 0
	err = Diff(t.Context(), blocks, a, z, func(_, va, vz []byte) error {
		found++
		return nil
	})
	if err != nil || found != 1 {
		t.Fatalf("found %d differences, error %v", found, err)
	}
	if blocks.gets > 8 {
		t.Errorf("one difference cost %d nodes", blocks.gets)
	}
}

// The root of a given map is part of the format: it must stay what it is. The
// tiny rule shows it on five levels.
func TestGoldenRoot(t *testing.T) {
	m := model{}
	for i := range uint32(20000) {
		key := []byte{byte(i >> 16), byte(i >> 8), byte(i), 'k'}
		m[string(key)] = make([]byte, i%97)
	}
	for _, c := range []struct {
		rule rule
		want string
	}{
		{standard(), "930193c4205323a6a7f5532c839b11ebb064159feb29166c9b1fd6f0cdbc9dd1097d48f110" +
			"c4202e218ad8c029c9eac76cae80bd0f5a2755ede98d30bfd9ef2e48f9f5ddf64f3dcd03e9cd4e20"},
		{tiny(), "930493c420e5fe511d5634054b03881d0a8bfec3b94cefea99b19ad365c9e676a869d8d6b5" +
			"c420ef1a45a3b0d0ee1f7d7b106a78d7e49c2f0a64a93dd9418b886ef85bed03c917ccfbcd4e20"},
	} {
		root := mustBuild(t, store{blocks: newMemBlocks(), rule: c.rule}, m)
		enc, err := blockstore.Marshal(&root)
		if err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(enc); got != c.want {
			t.Errorf("root %s, want %s", got, c.want)
		}
	}
}

// FORMAT.md shows this leaf.
func TestGoldenLeaf(t *testing.T) {
	blocks := newMemBlocks()
	root, err := Build(t.Context(), blocks, model{"a": []byte("1"), "b": {}}.sorted())
	if err != nil {
		t.Fatal(err)
	}
	plain, err := blocks.Get(t.Context(), root.Ref)
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(plain); got != "934c019292c40161c4013192c40162c400" {
		t.Errorf("leaf %s", got)
	}
}
