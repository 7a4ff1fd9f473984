package mst

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"pgregory.net/rapid"
)

// corpus makes keys and values of one style. Rapid draws the style and a
// seed, which it logs; the bulk comes from the seed.
type corpus struct {
	rng   *rand.Rand
	key   func(i uint32) []byte
	value func() []byte
}

func drawCorpus(t *rapid.T) *corpus {
	c := &corpus{rng: rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))}
	keys := map[string]func(i uint32) []byte{
		"names":     func(i uint32) []byte { return fmt.Appendf(nil, "file-%05d.txt", i) },
		"numbers":   func(i uint32) []byte { return binary.BigEndian.AppendUint32(nil, i) },
		"addresses": func(i uint32) []byte { return c.address(i) },
		"ragged":    func(i uint32) []byte { return c.address(i)[:i%5+i%28] },
	}
	values := map[string]func() []byte{
		"empty": func() []byte { return []byte{} },
		"short": func() []byte { return c.bytes(c.rng.IntN(40)) },
		"mixed": func() []byte { return c.bytes(c.rng.IntN(20) << c.rng.IntN(8)) },
		"fixed": func() []byte { return c.bytes(90) },
	}
	c.key = keys[rapid.SampledFrom(slices.Sorted(maps.Keys(keys))).Draw(t, "keys")]
	c.value = values[rapid.SampledFrom(slices.Sorted(maps.Keys(values))).Draw(t, "values")]
	return c
}

// address returns 32 bytes that look random and depend on i only.
func (c *corpus) address(i uint32) []byte {
	var seed [32]byte
	binary.LittleEndian.PutUint32(seed[:], i)
	out := make([]byte, 32)
	src := rand.NewChaCha8(seed)
	_, _ = src.Read(out)
	return out
}

func (c *corpus) bytes(n int) []byte {
	b := make([]byte, 0, n+8)
	for len(b) < n {
		b = binary.LittleEndian.AppendUint64(b, c.rng.Uint64())
	}
	return b[:n:n]
}

func (c *corpus) model(n int) model {
	m := model{}
	for i := range n {
		m[string(c.key(uint32(i)*3))] = c.value()
	}
	return m
}

// edits draws one batch of changes to m.
func (c *corpus) edits(t *rapid.T, m model) model {
	keys := slices.Sorted(maps.Keys(m))
	lo := rapid.IntRange(0, len(keys)).Draw(t, "from")
	hi := rapid.IntRange(lo, len(keys)).Draw(t, "to")
	edits := model{}
	switch rapid.SampledFrom([]string{"scatter", "drop run", "keep run", "append", "replace run", "none"}).Draw(t, "edit") {
	case "scatter":
		for range rapid.IntRange(1, 20).Draw(t, "count") {
			c.scatter(edits, len(keys))
		}
	case "drop run":
		for _, k := range keys[lo:hi] {
			edits[k] = nil
		}
	case "keep run":
		for _, k := range append(slices.Clone(keys[:lo]), keys[hi:]...) {
			edits[k] = nil
		}
	case "append":
		for range rapid.IntRange(1, 300).Draw(t, "count") {
			edits["zz"+string(c.key(c.rng.Uint32N(1<<16)))] = c.value()
		}
	case "replace run":
		for _, k := range keys[lo:hi] {
			edits[k] = c.value()
		}
	case "none":
		for _, k := range keys[lo:hi] {
			edits[k] = m[k]
		}
		edits["absent"] = nil
	}
	return edits
}

// scatter adds one edit of a key that is, or could be, among the first n.
func (c *corpus) scatter(edits model, n int) {
	key := string(c.key(c.rng.Uint32N(uint32(3*n + 3))))
	if c.rng.IntN(3) == 0 {
		edits[key] = nil
	} else {
		edits[key] = c.value()
	}
}
