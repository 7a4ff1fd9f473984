package wire

import (
	"github.com/zeebo/blake3"

	"pifs/blockstore"
	"pifs/swarm"
)

const tokenContext = "pifs 2026-11 possession token v1"

// Token shows that whoever makes it has the bytes of a shard, to whoever has
// them too: BLAKE3 of the bytes under a key made of both parties and of the
// fresh nonces of both, so that it shows nothing to anybody else or at another
// time. A hash of a part of the shard, or kept from the past, is of no use for
// it.
func Token(asker, holder swarm.MemberID, askers, holders [32]byte, id blockstore.ShardID, shard []byte) (token [32]byte) {
	d := blake3.NewDeriveKey(tokenContext)
	for _, member := range []swarm.MemberID{asker, holder} {
		d.Write([]byte{byte(len(member))})
		d.Write([]byte(member))
	}
	d.Write(askers[:])
	d.Write(holders[:])
	d.Write(id[:])
	var key [32]byte
	d.Sum(key[:0])
	h, err := blake3.NewKeyed(key[:])
	if err != nil {
		panic(err) // the key has 32 bytes
	}
	h.Write(shard)
	h.Sum(token[:0])
	return token
}
