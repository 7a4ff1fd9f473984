package wire_test

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/zeebo/blake3"

	"pifs/blockstore"
	"pifs/swarm"
	"pifs/swarm/wire"
)

// TestVectors holds what is hashed and signed to the examples of PROTOCOL.md.
func TestVectors(t *testing.T) {
	shard := make([]byte, 2500)
	for i := range shard {
		shard[i] = byte(i % 251)
	}
	id := blockstore.ShardIDOf(shard)
	slice, err := blockstore.Slice(shard, 1024, 1)
	must(t, err)
	root, _ := wire.ReceiptRoot([]blockstore.ShardID{{2}, {1}, {2}})
	member, key := zeroMember(t)
	receipt := wire.Receipt{Node: member, Principal: "p", Time: 1, Count: 2, Root: root}
	must(t, receipt.Sign(key))
	keep := wire.KeepSet{Principal: member, Node: "n", Seq: 1, Made: 2, Count: 3, Hashes: 7, Size: 1, Filter: blake3.Sum256([]byte{5})}
	must(t, keep.Sign(key))
	must(t, keep.Verify([]byte{5}))
	for what, v := range map[string]struct {
		got  []byte
		want string
	}{
		"id":              {id[:], "95e809954ebdd862debeb347d5715c09e73d150cd0704d4bbd834993a730e2ff"},
		"slice, its hash": {hashOf(slice), "a6baab29b69f173ef3ffdb7b02750f847c402a8a3bcdbb15a74a5c769f7f5f24"},
		"token":           {sum(wire.Token("a", "b", [32]byte{1}, [32]byte{2}, id, shard)), "db9e7682bcc2fbba5704f0ab396172cedd3c1262bbe5db8cd39ddf81bcb2b894"},
		"receipt root":    {root[:], "634a83c15acfccab1586d5d766a2ef67df27a1d1ef4cf7fb65f63289cc22ce8e"},
		"receipt":         {hashOf(receipt.Sig[:]), "7151fbb14870becdf8ab32456501f60148b52ef561cf04845d99ab5c33a00010"},
		"keep-set":        {hashOf(keep.Sig[:]), "5e91f5dddb1857e18144eef49ddd81072113e8fa4fd065e684c75ac00ec42e82"},
	} {
		if got := hexOf(v.got); got != v.want {
			t.Errorf("%s is %s, want %s", what, got, v.want)
		}
		if !strings.Contains(protocol(t), v.want) {
			t.Errorf("%s is not in PROTOCOL.md", what)
		}
	}
}

func hashOf(b []byte) []byte { return sum(blake3.Sum256(b)) }

func sum(h [32]byte) []byte { return h[:] }

// zeroMember is the member whose seed is 32 zero bytes.
func zeroMember(t *testing.T) (swarm.MemberID, ed25519.PrivateKey) {
	t.Helper()
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	public, err := crypto.UnmarshalEd25519PublicKey(key.Public().(ed25519.PublicKey))
	must(t, err)
	id, err := peer.IDFromPublicKey(public)
	must(t, err)
	return swarm.MemberID(id.String()), key
}

func protocol(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../PROTOCOL.md")
	must(t, err)
	return string(b)
}

// TestWorkedSizes holds the sizes that PROTOCOL.md works out to what is sent.
func TestWorkedSizes(t *testing.T) {
	text := protocol(t)
	for _, row := range workedSizes(t) {
		line := fmt.Sprintf("| %s | %d |", row.what, row.bytes)
		if !strings.Contains(text, line) {
			t.Errorf("PROTOCOL.md lacks the line %s", line)
		}
	}
}

type workedSize struct {
	what  string
	bytes int
}

func workedSizes(t *testing.T) (rows []workedSize) {
	t.Helper()
	message := func(op wire.Op, v any) int {
		var out bytes.Buffer
		must(t, wire.NewConn(&out).WriteRequest(op, v))
		return out.Len()
	}
	payload := func(n int) int {
		var out bytes.Buffer
		must(t, wire.NewConn(&out).WritePayload(make([]byte, n)))
		return out.Len()
	}
	put := func(class blockstore.Class) int {
		d := blockstore.Descriptor{Class: class, Length: 1<<20 + 17, Shards: make([]blockstore.ShardID, class.N)}
		p := &wire.Put{Stripe: d}
		must(t, p.Check())
		return message(wire.OpPut, p) + payload(d.ShardSize())
	}
	slice := func(size, off int) int {
		s, err := blockstore.Slice(make([]byte, size), off, 4096)
		must(t, err)
		return message(0, &wire.Got{Size: uint32(len(s))}) + payload(len(s))
	}
	me, _ := zeroMember(t)
	many := make([]blockstore.ShardID, wire.MaxIDs)
	filter := 1_250_000
	add := func(what string, n int) { rows = append(rows, workedSize{what, n}) }
	add("put of a shard of 349,531 bytes, (3,5)", put(blockstore.Class{K: 3, N: 5}))
	add("put of a shard of 49,933 bytes, (21,34)", put(blockstore.Class{K: 21, N: 34}))
	add("its answer, and any `Done`", message(0, &wire.Done{}))
	add("get", message(wire.OpGet, &wire.Get{}))
	add("its answer, 349,531 bytes", message(0, &wire.Got{Size: 349531})+payload(349531))
	add("range of 4,096 bytes at 102,400", message(wire.OpRange, &wire.Range{Off: 102400, Len: 4096}))
	add("its answer of a shard of 349,531 bytes", slice(349531, 102400))
	add("the same at 102,912, which touches five leaves", slice(349531, 102912))
	add("the answer of a shard of 49,933 bytes, at 8,192", slice(49933, 8192))
	add("has of one shard", message(wire.OpHas, &wire.Has{IDs: many[:1]}))
	add("has of 512", message(wire.OpHas, &wire.Has{IDs: many}))
	add("its answer", message(0, &wire.Held{Tokens: make([][32]byte, wire.MaxIDs)}))
	add("sync of 1,000 shards", message(wire.OpSync, &wire.Sync{Count: 1000})+payload(1000*len(blockstore.ShardID{})))
	add("its receipt", message(0, &wire.Receipt{Node: me, Principal: me, Time: 1_800_000_000, Count: 1000}))
	add("release or undelete of 512", message(wire.OpRelease, &wire.Release{IDs: many}))
	add("keep-set of a million shards, ten bits each", message(wire.OpKeep, &wire.KeepSet{Principal: me, Node: me, Seq: 10, Made: 1_800_000_000, Count: 1_000_000, Hashes: 7, Size: uint32(filter)})+payload(filter))
	add("page of 512 in the trash", message(0, &wire.Trashed{Items: trash(wire.MaxIDs)}))
	return rows
}

func trash(n int) []wire.TrashItem {
	items := make([]wire.TrashItem, n)
	for i := range items {
		items[i] = wire.TrashItem{Size: 349531, Since: 1_800_000_000, Until: 1_800_000_000 + 14*24*3600}
	}
	return items
}
