package proof_test

import (
	"crypto/ed25519"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/zeebo/blake3"

	"pifs/blockstore"
	"pifs/swarm"
	"pifs/swarm/proof"
)

// TestVectors holds what is hashed and signed to the examples of PROTOCOL.md: it
// never changes, or nodes of two versions convict each other.
func TestVectors(t *testing.T) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	public, err := crypto.UnmarshalEd25519PublicKey(key.Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	id, err := peer.IDFromPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	me := swarm.MemberID(id.String())

	h := &holding{shards: map[blockstore.ShardID][]byte{}}
	for _, size := range []int{2500, 700, 1} {
		shard := make([]byte, size)
		for i := range shard {
			shard[i] = byte(i % 251)
		}
		id := blockstore.ShardIDOf(shard)
		h.shards[id] = shard
		h.items = append(h.items, proof.Item{ID: id, Size: uint32(size)})
	}
	sortItems(h.items)
	inv := build(t, h.items)
	root := inv.Root()
	reveals := []proof.Reveal{{Swarm: [32]byte{1}, Node: "b", Round: 3, Secret: [32]byte{2}}, {Swarm: [32]byte{1}, Node: "a", Round: 3, Secret: [32]byte{3}}}
	commit := reveals[0].Commit()
	beacon := proof.Beacon(reveals)
	statement := proof.Statement{Swarm: [32]byte{1}, Node: me, Round: 3, Root: root, Commit: commit, Time: 4}
	challenge := &proof.Challenge{Swarm: [32]byte{1}, Node: me, Round: 3, Beacon: beacon, Root: root, Leaves: 5}
	asked, err := challenge.ID()
	if err != nil {
		t.Fatal(err)
	}
	answer, err := proof.Respond(challenge, inv, h.read)
	if err != nil {
		t.Fatal(err)
	}
	verdict := proof.Verdict{Swarm: [32]byte{1}, Round: 3, Node: "n", Verifier: me, Outcome: proof.Passed, Leaves: 5, Root: root, Beacon: beacon, Parts: 2, Time: 5}
	for _, err := range []error{statement.Sign(key), answer.Sign(key), verdict.Sign(key)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	all, err := blockstore.Marshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile("../PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	hash := func(b []byte) []byte { h := blake3.Sum256(b); return h[:] }
	for what, v := range map[string]struct {
		got  []byte
		want string
	}{
		"root":       {root.Hash[:], "a82ed057d202d3439b91db147c3be57b0173012e49e2d844c95373631446f9db"},
		"commitment": {commit[:], "a1484b9d642d52e92c01db5b2b602bb88b1e723b3374233153e72e357c793775"},
		"beacon":     {beacon[:], "bfccba8e8a2aa84b504478244e02814cfe85016697094d2f004fd5edd014b48d"},
		"challenge":  {asked[:], "7ccc55f8b7148ef6ffe61a52ce7726ce5fb053097be8707b5bef5c7f95a0b15e"},
		"answer":     {hash(all), "f559d0175ce2d8f498158c068e62f530f1e60d59fdd599b32898c1cdfe27a664"},
		"statement":  {hash(statement.Sig[:]), "2662f4c991ff98c35be35afc07d6182aa86343f632c06ae28938e8dce06aa2f8"},
		"verdict":    {hash(verdict.Sig[:]), "0c0b51a1ffee575dabb45d6ba8e1c82699da1900277fa6e5334c15f14ef71796"},
	} {
		if got := hex.EncodeToString(v.got); got != v.want {
			t.Errorf("%s is %s, want %s", what, got, v.want)
		}
		if !strings.Contains(string(doc), v.want) {
			t.Errorf("%s is not in PROTOCOL.md", what)
		}
	}
	if root.Leaves != 5 {
		t.Errorf("%d leaves", root.Leaves)
	}
	if err := answer.Authentic(challenge); err != nil || answer.Verify(challenge) != nil {
		t.Errorf("the answer does not pass: %v", err)
	}
}
