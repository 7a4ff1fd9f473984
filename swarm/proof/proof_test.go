package proof_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"pifs/blockstore"
	"pifs/swarm/proof"
)

// holding is a node's shards, in memory.
type holding struct {
	shards map[blockstore.ShardID][]byte
	items  []proof.Item
}

func newHolding(r *rand.Rand, n, most int) *holding {
	h := &holding{shards: map[blockstore.ShardID][]byte{}}
	for range n {
		b := make([]byte, 1+r.IntN(most))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		h.shards[blockstore.ShardIDOf(b)] = b
	}
	for id, b := range h.shards {
		h.items = append(h.items, proof.Item{ID: id, Size: uint32(len(b))})
	}
	sortItems(h.items)
	return h
}

func sortItems(items []proof.Item) {
	slices.SortFunc(items, func(a, b proof.Item) int { return bytes.Compare(a.ID[:], b.ID[:]) })
}

func build(t testing.TB, items []proof.Item) *proof.Inventory {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "inventory"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	rest := items
	inv, err := proof.Build(f, f, func() (proof.Item, error) {
		if len(rest) == 0 {
			return proof.Item{}, io.EOF
		}
		item := rest[0]
		rest = rest[1:]
		return item, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

func (h *holding) read(id blockstore.ShardID) ([]byte, error) {
	b, ok := h.shards[id]
	if !ok {
		return nil, blockstore.ErrNotFound
	}
	return b, nil
}

func challengeOf(inv *proof.Inventory, leaves uint16, beacon byte) *proof.Challenge {
	return &proof.Challenge{Node: "node", Round: 7, Beacon: [32]byte{beacon}, Root: inv.Root(), Leaves: leaves}
}

// TestInventory: of inventories of any size, each leaf leads to its shard and to
// the number of those before it, each shard is a member, none that is not there
// is, and none that is there is absent.
func TestInventory(t *testing.T) {
	rapid.Check(t, func(k *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(k, "seed"), 1))
		n := rapid.SampledFrom([]int{0, 1, 2, 3, 7, 100, 1025, 2100}).Draw(k, "shards")
		items := make([]proof.Item, n)
		for i := range items {
			for j := range items[i].ID {
				items[i].ID[j] = byte(r.Uint32())
			}
			if r.IntN(4) == 0 && i > 0 { // close neighbours
				items[i].ID = items[i-1].ID
				items[i].ID[31]++
			}
			items[i].Size = 1 + r.Uint32N(5000)
		}
		sortItems(items)
		items = slices.CompactFunc(items, func(a, b proof.Item) bool { return a.ID == b.ID })
		inv := build(t, items)
		root := inv.Root()
		before := uint64(0)
		for i, item := range items {
			leaves := uint64(blockstore.Leaves(int(item.Size)))
			if i%(1+n/6) == 0 {
				p, within, err := inv.At(before + leaves - 1)
				if err != nil || p.Item == nil || *p.Item != item || within != int(leaves-1) {
					k.Fatalf("leaf %d: %v", before, err)
				}
				if at, err := p.Member(root); err != nil || at != before {
					k.Fatalf("member %d: %d leaves before, %v", i, at, err)
				}
				if p.Absent(root, item.ID) == nil {
					k.Fatal("a member counts as absent")
				}
				other := item.ID
				other[r.IntN(32)] ^= 1 << r.IntN(8)
				if _, there := slices.BinarySearchFunc(items, other, func(i proof.Item, id blockstore.ShardID) int { return bytes.Compare(i.ID[:], id[:]) }); there {
					other = blockstore.ShardID{1, 2, 3}
				}
				p, err = inv.Find(other)
				if err != nil || p.Absent(root, other) != nil {
					k.Fatalf("absence: %v, %v", err, p.Absent(root, other))
				}
				if p.Item == nil || p.Item.ID != item.ID {
					if p.Absent(root, item.ID) == nil {
						k.Fatal("a path to elsewhere shows absence")
					}
				}
			}
			before += leaves
		}
		if root.Leaves != before {
			k.Fatalf("%d leaves, want %d", root.Leaves, before)
		}
	})
}

// TestHonestNodesPass, and those that answer something else do not.
func TestHonestNodesPass(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	h := newHolding(r, 300, 20_000)
	inv := build(t, h.items)
	c := challengeOf(inv, 256, 1)
	a, err := proof.Respond(c, inv, h.read)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Verify(c); err != nil {
		t.Fatal(err)
	}
	if err := a.Verify(challengeOf(inv, 256, 2)); !errors.Is(err, blockstore.ErrCorrupt) {
		t.Errorf("the answer of another round: %v", err)
	}
	alter := func(what string, change func(a *proof.Answer)) {
		t.Helper()
		b := proof.Answer{Shown: slices.Clone(a.Shown)}
		change(&b)
		if err := b.Verify(c); !errors.Is(err, blockstore.ErrCorrupt) {
			t.Errorf("%s: %v", what, err)
		}
	}
	alter("one leaf less", func(a *proof.Answer) { a.Shown = a.Shown[1:] })
	alter("leaves in another order", func(a *proof.Answer) { a.Shown[3], a.Shown[4] = a.Shown[4], a.Shown[3] })
	alter("a leaf for another", func(a *proof.Answer) { a.Shown[5] = a.Shown[6] })
	alter("a bit of a leaf", func(a *proof.Answer) {
		a.Shown[9].Leaf.Data = bytes.Clone(a.Shown[9].Leaf.Data)
		a.Shown[9].Leaf.Data[0] ^= 1
	})
	alter("a path without an end", func(a *proof.Answer) { a.Shown[2].Place.Path = a.Shown[2].Place.Path[1:] })
	alter("more leaves beside it", func(a *proof.Answer) {
		a.Shown[2].Place.Path = slices.Clone(a.Shown[2].Place.Path)
		a.Shown[2].Place.Path[0].Leaves = math.MaxUint64
	})
}

// TestShrunkInventory: a node that leaves out what it lost passes its challenge,
// and is shown not to have what it signed for.
func TestShrunkInventory(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 1))
	h := newHolding(r, 200, 3000)
	inv := build(t, slices.Delete(slices.Clone(h.items), 50, 60))
	lost := h.items[55].ID
	p, err := inv.Find(lost)
	if err != nil || p.Absent(inv.Root(), lost) != nil {
		t.Errorf("what it lost is not shown to be gone: %v", err)
	}
	if p, err = inv.Find(h.items[0].ID); err != nil || p.Absent(inv.Root(), h.items[0].ID) == nil {
		t.Errorf("what it has is shown to be gone: %v", err)
	}
}

// TestDeletersAreFound: of nodes that deleted the part α of what they hold, as
// many fail a challenge of q leaves as 1−(1−α)^q says, within three sigma.
func TestDeletersAreFound(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 1))
	h := newHolding(r, 300, 1024) // of one leaf each, so that α is that of leaves
	inv := build(t, h.items)
	const tries = 250
	for _, q := range []uint16{4, 16} {
		for _, alpha := range []float64{0.01, 0.05, 0.2} {
			failed := 0
			for range tries {
				gone := map[blockstore.ShardID]bool{}
				for _, i := range r.Perm(len(h.items))[:int(alpha*float64(len(h.items)))] {
					gone[h.items[i].ID] = true
				}
				c := challengeOf(inv, q, 0)
				for i := range c.Beacon {
					c.Beacon[i] = byte(r.Uint32())
				}
				_, err := proof.Respond(c, inv, func(id blockstore.ShardID) ([]byte, error) {
					if gone[id] {
						return nil, blockstore.ErrNotFound
					}
					return h.shards[id], nil
				})
				if err != nil {
					failed++
				}
			}
			want := proof.Confidence(alpha, int(q))
			sigma := math.Sqrt(want * (1 - want) / tries)
			if got := float64(failed) / tries; math.Abs(got-want) > 3*sigma+1e-9 {
				t.Errorf("α %.2f, q %d: %.3f are found, want %.3f ± %.3f", alpha, q, got, want, sigma)
			}
		}
	}
}

func TestInventoryRefusesDisorder(t *testing.T) {
	items := []proof.Item{{ID: blockstore.ShardID{2}, Size: 1}, {ID: blockstore.ShardID{1}, Size: 1}}
	var out bytes.Buffer
	_, err := proof.Build(&out, bytes.NewReader(nil), func() (proof.Item, error) {
		if len(items) == 0 {
			return proof.Item{}, io.EOF
		}
		item := items[0]
		items = items[1:]
		return item, nil
	})
	if !errors.Is(err, blockstore.ErrFormat) {
		t.Error(err)
	}
}

// BenchmarkInventory builds the inventory of a million shards, and answers a
// challenge of 256 leaves of it, for shards of 350 KB.
func BenchmarkInventory(b *testing.B) {
	r := rand.New(rand.NewPCG(4, 1))
	items := make([]proof.Item, 1_000_000)
	for i := range items {
		for j := 0; j < 32; j += 8 {
			binary.BigEndian.PutUint64(items[i].ID[j:], r.Uint64())
		}
		items[i].Size = 350_000
	}
	sortItems(items)
	b.Run("build", func(b *testing.B) {
		for b.Loop() {
			build(b, items)
		}
	})
	inv := build(b, items)
	shard := make([]byte, 350_000)
	b.Run("answer", func(b *testing.B) {
		for b.Loop() {
			if _, err := proof.Respond(challengeOf(inv, 256, 1), inv, func(blockstore.ShardID) ([]byte, error) { return shard, nil }); err != nil {
				b.Fatal(err)
			}
		}
	})
}
