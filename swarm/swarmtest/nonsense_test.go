package swarmtest

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pifs/blockstore"
	"pifs/swarm/wire"
)

// TestNonsense sends what no member would. The victim says that it is
// malformed, unknown or too much, or ends the stream; and serves others.
func TestNonsense(t *testing.T) {
	v := newVictim(t, overTCP)
	small := shard(1, 2000)
	two := Lone(small)
	two.Class = blockstore.Class{K: 200, N: 255}
	long := Lone(small)
	long.Length = 1 << 31
	for name, sent := range map[string][]byte{
		"a giant frame":                 {0xff, 0xff, 0xff, 0xff, 1},
		"one byte too many":             {0, 1, 0, 1, 1},
		"an empty frame":                {0, 0, 0, 0},
		"nested arrays":                 frame(append([]byte{byte(wire.OpHas)}, bytes.Repeat([]byte{0x91}, 60<<10)...)),
		"nested maps":                   frame(append([]byte{byte(wire.OpPut)}, bytes.Repeat([]byte{0x81, 0x01}, 30<<10)...)),
		"an array of 4 billion":         frame([]byte{byte(wire.OpHas), 0x93, 0xdd, 0xff, 0xff, 0xff, 0xff}),
		"4 GiB of bytes":                frame([]byte{byte(wire.OpGet), 0x91, 0xc6, 0xff, 0xff, 0xff, 0xff}),
		"a text of 4 GiB":               frame([]byte{byte(wire.OpGet), 0x91, 0xdb, 0xff, 0xff, 0xff, 0xff}),
		"an extension type":             frame([]byte{byte(wire.OpGet), 0xc7, 0xff, 0x01}),
		"bytes after the message":       frame([]byte{byte(wire.OpSync), 0x90, 0x90}),
		"fields too many":               frame([]byte{byte(wire.OpSync), 0x91, 0x01}),
		"an operation that is not":      frame([]byte{0xee, 0x90}),
		"operation zero":                frame([]byte{0, 0x90}),
		"more ids than allowed":         request(t, wire.OpHas, &wire.Has{IDs: make([]blockstore.ShardID, wire.MaxIDs+1)}),
		"more to release than allowed":  request(t, wire.OpRelease, &wire.Release{IDs: make([]blockstore.ShardID, wire.MaxIDs+1)}),
		"more to undelete than allowed": request(t, wire.OpUndelete, &wire.Undelete{IDs: make([]blockstore.ShardID, wire.MaxIDs+1)}),
		"more to look up than allowed":  request(t, wire.OpWhich, &wire.Which{IDs: make([]blockstore.ShardID, wire.MaxIDs+1)}),
		"nothing to look up":            request(t, wire.OpWhich, &wire.Which{}),
		"another shard, rebuilt":        append(request(t, wire.OpMend, &wire.Put{Stripe: Lone(small)}), frame(shard(2, 2000))...),
		"a range of nothing":            request(t, wire.OpRange, &wire.Range{ID: blockstore.ShardIDOf(small)}),
		"a range that overflows":        request(t, wire.OpRange, &wire.Range{ID: blockstore.ShardIDOf(small), Off: 0xffffffff, Len: 2}),
		"a range of 4 GiB":              request(t, wire.OpRange, &wire.Range{ID: blockstore.ShardIDOf(small), Len: 0xffffffff}),
		"a class of no ladder":          request(t, wire.OpPut, &wire.Put{Stripe: two}),
		"a block of 2 GiB":              request(t, wire.OpPut, &wire.Put{Stripe: long}),
		"a shard that is not of it":     request(t, wire.OpPut, &wire.Put{Stripe: Lone(small), Index: 1}),
		"a payload of another length":   append(putOf(t, small), frame(small[1:])...),
		"a payload of a giant length":   append(putOf(t, small), 0xff, 0xff, 0xff, 0xff),
		"bytes of another shard":        append(putOf(t, small), frame(shard(2, 2000))...),
		"a filter of 4 GiB":             request(t, wire.OpKeep, &wire.KeepSet{Hashes: 7, Size: 0xffffffff}),
		"a filter of no hashes":         request(t, wire.OpKeep, &wire.KeepSet{Size: 1}),
	} {
		t.Run(name, func(t *testing.T) {
			s := v.attack(t, wire.ShardProtocol)
			before := allocated()
			_, _ = s.Write(sent) // it may be reset meanwhile
			_ = s.CloseWrite()
			said := ended(t, s)
			if grown := allocated() - before; grown > 64<<20 {
				t.Errorf("it took %d MiB", grown>>20)
			}
			if slices.Contains(said, wire.StatusOK) {
				t.Errorf("it is taken: %d", said)
			}
		})
	}
	if v.shelf.holds(t.Context(), small) {
		t.Error("a shard was taken that nobody gave")
	}
	v.serves(t, 3)
}

// TestMutations sends requests with some bits flipped, each several on a stream
// as far as they are taken.
func TestMutations(t *testing.T) {
	v := newVictim(t, overTCP)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	held := shard(1, 5000)
	ids := []blockstore.ShardID{blockstore.ShardIDOf(held)}
	valid := [][]byte{
		append(putOf(t, held), frame(held)...),
		request(t, wire.OpGet, &wire.Get{ID: ids[0]}),
		request(t, wire.OpRange, &wire.Range{ID: ids[0], Off: 1000, Len: 2000}),
		request(t, wire.OpHas, &wire.Has{IDs: ids, Claim: true}),
		request(t, wire.OpSync, &wire.Sync{}),
		request(t, wire.OpUsage, &wire.Usage{}),
		request(t, wire.OpWhich, &wire.Which{IDs: ids}),
		append(request(t, wire.OpMend, &wire.Put{Stripe: Lone(held)}), frame(held)...),
		request(t, wire.OpTrash, &wire.Trash{Limit: 5}),
		append(request(t, wire.OpKeep, &wire.KeepSet{Hashes: 7, Size: 10}), frame(make([]byte, 10))...),
	}
	for range 200 {
		var sent []byte
		for range 1 + rng.IntN(4) {
			b := bytes.Clone(valid[rng.IntN(len(valid))])
			for range rng.IntN(4) {
				b[rng.IntN(min(len(b), 100))] ^= 1 << rng.IntN(8)
			}
			sent = append(sent, b[:len(b)-rng.IntN(2)*rng.IntN(len(b))]...)
		}
		s := v.attack(t, wire.ShardProtocol)
		_, _ = s.Write(sent) // it may be reset meanwhile
		_ = s.CloseWrite()
		drained(t, s)
	}
	v.serves(t, 2)
}
