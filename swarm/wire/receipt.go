package wire

import (
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/zeebo/blake3"

	"pifs/blockstore"
	"pifs/swarm"
)

const (
	receiptDomain = "pifs shard receipt signature v1\x00"
	keepDomain    = "pifs keep-set signature v1\x00"
	rootContext   = "pifs 2026-11 receipt root v1"
)

// Receipt is a node's statement that it holds, durably, what somebody put or
// claimed.
type Receipt struct {
	_struct   bool           `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Swarm     [32]byte       // id of the swarm
	Node      swarm.MemberID // who signs
	Principal swarm.MemberID // for whom
	Time      int64          // Unix seconds, by the node's clock
	Count     uint32         // shards that it covers
	Root      [32]byte       // ReceiptRoot of them
	Sig       [64]byte       // by Node
}

// ReceiptRoot is what a receipt says of the shards that it covers: a hash of
// their ids, sorted and each once. It sorts ids.
func ReceiptRoot(ids []blockstore.ShardID) (root [32]byte, count uint32) {
	slices.SortFunc(ids, func(a, b blockstore.ShardID) int { return slices.Compare(a[:], b[:]) })
	ids = slices.Compact(ids)
	h := blake3.NewDeriveKey(rootContext)
	h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(ids))))
	for i := range ids {
		h.Write(ids[i][:])
	}
	h.Sum(root[:0])
	return root, uint32(len(ids))
}

// Covers reports whether r covers exactly ids, which it sorts.
func (r *Receipt) Covers(ids []blockstore.ShardID) bool {
	root, count := ReceiptRoot(ids)
	return r.Count == count && r.Root == root
}

// Sign signs r as Node, whose key it is.
func (r *Receipt) Sign(key ed25519.PrivateKey) error {
	b, err := r.signed()
	if err == nil {
		copy(r.Sig[:], ed25519.Sign(key, b))
	}
	return err
}

// Verify reports, as blockstore.ErrCorrupt, a receipt that its node did not
// sign.
func (r *Receipt) Verify() error {
	b, err := r.signed()
	if err != nil {
		return err
	}
	if err := VerifySignature(r.Node, b, r.Sig[:]); err != nil {
		return fmt.Errorf("verify receipt of %s: %w", r.Node, err)
	}
	return nil
}

func (r *Receipt) signed() ([]byte, error) {
	bare := *r
	bare.Sig = [64]byte{}
	return blockstore.AppendMarshal([]byte(receiptDomain), &bare)
}

// maxHashes is the most bits that a keep-set sets for a shard.
const maxHashes = 32

// Check reports a keep-set whose filter need not be read.
func (k *KeepSet) Check() error {
	if k.Hashes < 1 || k.Hashes > maxHashes || k.Size < 1 || k.Size > MaxKeepSet {
		return fmt.Errorf("keep-set of %d bytes with %d hashes: %w", k.Size, k.Hashes, blockstore.ErrTooLarge)
	}
	return nil
}

// Sign signs k as Principal, whose key it is.
func (k *KeepSet) Sign(key ed25519.PrivateKey) error {
	b, err := k.signed()
	if err == nil {
		copy(k.Sig[:], ed25519.Sign(key, b))
	}
	return err
}

// Verify reports, as blockstore.ErrCorrupt, a keep-set that its principal did
// not sign, or whose filter is another.
func (k *KeepSet) Verify(filter []byte) error {
	b, err := k.signed()
	if err != nil {
		return err
	}
	if blake3.Sum256(filter) != k.Filter || len(filter) != int(k.Size) {
		return fmt.Errorf("verify keep-set of %s: %w: another filter", k.Principal, blockstore.ErrCorrupt)
	}
	if err := VerifySignature(k.Principal, b, k.Sig[:]); err != nil {
		return fmt.Errorf("verify keep-set of %s: %w", k.Principal, err)
	}
	return nil
}

func (k *KeepSet) signed() ([]byte, error) {
	bare := *k
	bare.Sig = [64]byte{}
	return blockstore.AppendMarshal([]byte(keepDomain), &bare)
}

// VerifySignature reports, as blockstore.ErrCorrupt, what a member did not sign:
// its id holds its key.
func VerifySignature(by swarm.MemberID, message, sig []byte) error {
	id, err := peer.Decode(string(by))
	if err != nil {
		return fmt.Errorf("%w: %w", blockstore.ErrCorrupt, err)
	}
	key, err := id.ExtractPublicKey()
	if err != nil {
		return fmt.Errorf("%w: %w", blockstore.ErrCorrupt, err)
	}
	if ok, err := key.Verify(message, sig); err != nil || !ok {
		return fmt.Errorf("%w: signature is wrong", blockstore.ErrCorrupt)
	}
	return nil
}
