package blockstore

import (
	"encoding/hex"
	"fmt"
)

// Address is the BLAKE3-256 digest of a block's ciphertext: its permanent
// name, the same on every node and for every user.
type Address [32]byte

// ShardID is the BLAKE3-256 digest of a shard's bytes. Its 1 KiB-leaf tree is
// also the Merkle commitment that leaf proofs are checked against.
type ShardID [32]byte

// Key is a block's convergent encryption key. It never leaves the reader.
type Key [32]byte

// Secret is the secret of a dedup scope: whoever holds it can confirm that a
// known plaintext is stored.
type Secret [32]byte

// Ref names a block and carries what is needed to read it.
type Ref struct {
	_struct bool    `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Address Address // of the ciphertext
	Key     Key     // opens the ciphertext
	Size    uint32  // plaintext bytes, 1 … MaxChunk
}

// AddressOf returns the address of a block's ciphertext.
func AddressOf(block []byte) Address { return sum(block) }

// ShardIDOf returns the id of a shard's bytes.
func ShardIDOf(shard []byte) ShardID { return sum(shard) }

func (a Address) String() string { return hex.EncodeToString(a[:]) }
func (s ShardID) String() string { return hex.EncodeToString(s[:]) }

// String hides the key: logs must not leak it.
func (Key) String() string { return "key:hidden" }

// String hides the secret: logs must not leak it.
func (Secret) String() string { return "secret:hidden" }

// IsZero reports whether r names nothing.
func (r Ref) IsZero() bool { return r == Ref{} }

// ParseAddress reads the 64 hexadecimal digits that String prints.
func ParseAddress(s string) (Address, error) {
	var a Address
	if len(s) != hex.EncodedLen(len(a)) {
		return a, fmt.Errorf("parse address %q: want %d hexadecimal digits", s, hex.EncodedLen(len(a)))
	}
	if _, err := hex.Decode(a[:], []byte(s)); err != nil {
		return a, fmt.Errorf("parse address %q: %w", s, err)
	}
	return a, nil
}
