package swarm

import (
	"bytes"
	"crypto/ed25519"
	"fmt"

	"github.com/zeebo/blake3"

	"pifs/blockstore"
)

const (
	headVersion = 1
	headContext = "pifs head signature v1\x00" // what a volume's key signs begins with it

	// MaxHead is the largest encoded head in bytes.
	MaxHead = 64 << 10
)

// Head is one entry of a volume's history: a signed record of a tree.
type Head struct {
	_struct  bool     `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Version  uint8    // of this record
	Volume   [16]byte // id of the volume
	Seq      uint64   // 1 for the first head, then one more each
	Prev     [32]byte // hash of the head before, zero for the first
	Tree     []byte   // roots of the tree and its companions, sealed for readers
	Manifest []byte   // where the list of descriptors is
	Root     [32]byte // address of the tree's root, for everybody
	Time     int64    // of the commit, Unix nanoseconds
	Writer   [32]byte // Ed25519 public key
	Label    []byte   // sealed name of a snapshot; empty for none
	Sig      [64]byte // by Writer, over the rest
}

// HeadHash is BLAKE3-256 of an encoded head.
type HeadHash [32]byte

// signed returns the bytes that the signature covers.
func (h Head) signed() ([]byte, error) {
	h.Sig = [64]byte{}
	b, err := blockstore.AppendMarshal([]byte(headContext), &h)
	if err != nil {
		return nil, fmt.Errorf("encode head %d: %w", h.Seq, err)
	}
	return b, nil
}

// Sign makes key the writer of h and signs it.
func (h *Head) Sign(key ed25519.PrivateKey) error {
	h.Version = headVersion
	copy(h.Writer[:], key.Public().(ed25519.PublicKey))
	b, err := h.signed()
	if err != nil {
		return err
	}
	copy(h.Sig[:], ed25519.Sign(key, b))
	return nil
}

// Verify checks the signature against the writer that h names. Whether this
// writer may write is for the caller to say.
func (h Head) Verify() error {
	b, err := h.signed()
	if err != nil {
		return err
	}
	if h.Version != headVersion || !ed25519.Verify(h.Writer[:], b, h.Sig[:]) {
		return fmt.Errorf("verify head %d: %w: signature is wrong", h.Seq, blockstore.ErrCorrupt)
	}
	return nil
}

// MarshalHead returns the canonical encoding.
func MarshalHead(h Head) ([]byte, error) {
	b, err := blockstore.Marshal(&h)
	if err != nil {
		return nil, fmt.Errorf("encode head %d: %w", h.Seq, err)
	}
	if len(b) > MaxHead {
		return nil, fmt.Errorf("encode head %d of %d bytes: %w", h.Seq, len(b), blockstore.ErrTooLarge)
	}
	return b, nil
}

// UnmarshalHead decodes a head; what it accepts encodes to the same bytes. It
// does not check the signature.
func UnmarshalHead(b []byte) (Head, error) {
	var h Head
	if len(b) > MaxHead {
		return h, fmt.Errorf("decode head of %d bytes: %w", len(b), blockstore.ErrTooLarge)
	}
	if err := blockstore.Unmarshal(b, &h); err != nil {
		return Head{}, fmt.Errorf("decode head: %w", err)
	}
	if h.Version != headVersion || h.Seq == 0 {
		return Head{}, fmt.Errorf("decode head: %w: version %d, seq %d", blockstore.ErrFormat, h.Version, h.Seq)
	}
	return h, nil
}

// Hash returns the name by which the next head refers to h.
func (h Head) Hash() (HeadHash, error) {
	b, err := MarshalHead(h)
	if err != nil {
		return HeadHash{}, err
	}
	return blake3.Sum256(b), nil
}

// follows checks that h, of this volume and writer, comes after the head with
// the given seq and hash.
func (h Head) follows(volume [16]byte, writer ed25519.PublicKey, seq uint64, prev HeadHash) error {
	switch {
	case h.Volume != volume:
		return fmt.Errorf("%w: of another volume", blockstore.ErrCorrupt)
	case !bytes.Equal(h.Writer[:], writer):
		return fmt.Errorf("%w: by another writer", blockstore.ErrCorrupt)
	case h.Seq != seq+1:
		return fmt.Errorf("%w: seq %d after %d", blockstore.ErrCorrupt, h.Seq, seq)
	case h.Prev != prev:
		return fmt.Errorf("%w: does not name the head before it", blockstore.ErrCorrupt)
	}
	return nil
}
