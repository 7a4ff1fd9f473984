package blockstore

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"slices"

	"github.com/zeebo/blake3"
)

// blockKeyDomain separates the keys of blocks from what else is derived from
// a scope's secret.
const blockKeyDomain = "pifs 2026-01-01 block key v1"

// zeroNonce is right because no key ever encrypts two payloads.
var zeroNonce [12]byte

// Sealer turns plaintexts into blocks and back for one dedup scope. The same
// bytes in the same scope give the same block, for every user and for ever:
//
//	payload = plaintext or its zstd form, then one codec byte
//	key     = BLAKE3 of payload, keyed by the scope
//	block   = AES-256-GCM of payload under key, nonce zero
//	address = BLAKE3 of block
//
// A Sealer is safe for concurrent use.
type Sealer struct {
	keys   tree // keyed by the scope: its root over a payload is the block's key
	packer packer
}

// NewSealer returns the sealer of a scope.
func NewSealer(scope Secret) *Sealer {
	var key [32]byte
	blake3.DeriveKey(blockKeyDomain, scope[:], key[:])
	return &Sealer{keys: keyedTree(key)}
}

// Seal appends the block of plain to dst and returns the extended slice and
// the block's ref. It fails with ErrTooLarge unless plain has 1 … MaxChunk
// bytes. dst must not overlap plain.
func (s *Sealer) Seal(dst, plain []byte) ([]byte, Ref, error) {
	if len(plain) < 1 || len(plain) > MaxChunk {
		return dst, Ref{}, fmt.Errorf("seal %d bytes: %w", len(plain), ErrTooLarge)
	}
	start := len(dst)
	out := s.packer.pack(slices.Grow(dst, packSpace(len(plain))+tagLen), plain)
	block, ref, _, err := s.encrypt(out[start:], len(plain))
	if err != nil {
		return dst, Ref{}, err
	}
	return joined(out[:start], block), ref, nil
}

// SealInPlace is Seal into the memory of plain, which is lost. It allocates
// unless plain has room for a codec byte and a tag: SealedLen bytes in all. It
// returns the block's outline as well, or nil if it has none.
func (s *Sealer) SealInPlace(plain []byte) (block []byte, ref Ref, outline []byte, err error) {
	if len(plain) < 1 || len(plain) > MaxChunk {
		return plain, Ref{}, nil, fmt.Errorf("seal %d bytes: %w", len(plain), ErrTooLarge)
	}
	return s.encrypt(s.packer.packInPlace(plain), len(plain))
}

// SealedLen returns the size of the largest block that size bytes make.
func SealedLen(size int) int { return size + sealOverhead }

// encrypt makes payload, of size bytes of plaintext, a block where it stands.
func (s *Sealer) encrypt(payload []byte, size int) (block []byte, ref Ref, outline []byte, err error) {
	key, outline, err := s.outlined(payload)
	var aead cipher.AEAD
	if err == nil {
		aead, err = newAEAD(key)
	}
	if err != nil {
		return nil, Ref{}, nil, fmt.Errorf("seal block: %w", err)
	}
	block = aead.Seal(payload[:0], zeroNonce[:], payload, nil)
	return block, Ref{Address: AddressOf(block), Key: key, Size: uint32(size)}, outline, nil
}

// joined returns dst with block appended, which stands there already if dst
// had room for it: appending it to itself would still copy it.
func joined(dst, block []byte) []byte {
	n := len(dst) + len(block)
	if cap(dst) >= n && &dst[:n][len(dst)] == &block[0] {
		return dst[:n]
	}
	return append(dst, block...)
}

// Open appends the plaintext of block to dst and returns the extended slice.
// It checks the address, the tag, the key against the payload, and the size:
// whatever does not match is ErrCorrupt.
func (s *Sealer) Open(dst, block []byte, ref Ref) ([]byte, error) {
	out, err := s.open(dst, block, ref)
	if err != nil {
		return dst, fmt.Errorf("open block %v: %w", ref.Address, err)
	}
	return out, nil
}

func (s *Sealer) open(dst, block []byte, ref Ref) ([]byte, error) {
	if err := checkSize(len(block), ref); err != nil {
		return nil, err
	}
	if AddressOf(block) != ref.Address {
		return nil, fmt.Errorf("%w: address does not match", ErrCorrupt)
	}
	return s.unpack(dst, len(block), ref, func(dst []byte) ([]byte, error) { return s.decrypt(dst, block, ref.Key) })
}

// OpenRaw is Open for bytes that nobody has checked, and checks the plaintext
// alone: its payload must have the key, and the block that Seal makes of that
// payload is the one that ref names. Whether the tag of raw is that block's is
// left to those who check shards.
func (s *Sealer) OpenRaw(dst []byte, raw *Raw, ref Ref) ([]byte, error) {
	err := checkSize(raw.Len(), ref)
	if err == nil {
		var out []byte
		if out, err = s.openRaw(dst, raw, ref); err == nil {
			return out, nil
		}
	}
	return dst, fmt.Errorf("open block %v: %w", ref.Address, err)
}

func (s *Sealer) openRaw(dst []byte, raw *Raw, ref Ref) ([]byte, error) {
	decrypt := func(dst []byte) ([]byte, error) {
		out, err := appendDecrypted(dst, raw, 0, raw.Len()-tagLen, ref.Key)
		if err == nil && s.keyOf(out[len(dst):]) != ref.Key {
			err = fmt.Errorf("%w: key is not the payload's", ErrCorrupt)
		}
		return out, err
	}
	return s.unpack(dst, raw.Len(), ref, decrypt)
}

func checkSize(sealed int, ref Ref) error {
	size := int(ref.Size)
	if size < 1 || size > MaxChunk || sealed < MinBlock || sealed > size+sealOverhead {
		return fmt.Errorf("%w: %d bytes sealed, %d plain", ErrCorrupt, sealed, size)
	}
	return nil
}

// unpack decrypts and decompresses a block of a size that can be. decrypt
// appends its payload to what it is given.
func (s *Sealer) unpack(dst []byte, sealed int, ref Ref, decrypt func(dst []byte) ([]byte, error)) ([]byte, error) {
	if sealed == int(ref.Size)+sealOverhead {
		return s.openFull(dst, sealed, ref, decrypt)
	}
	scratch := s.packer.scratch(sealed)
	defer s.packer.release(scratch)
	payload, err := decrypt((*scratch)[:0])
	if err != nil {
		return nil, err
	}
	return s.packer.unpack(dst, payload, int(ref.Size))
}

// openFull opens a block that is as long as one that is not compressed,
// straight into dst. Of fewer than 32 bytes zstd may make as many again, and
// Seal calls that worthwhile: those are unpacked after all.
func (s *Sealer) openFull(dst []byte, sealed int, ref Ref, decrypt func(dst []byte) ([]byte, error)) ([]byte, error) {
	start := len(dst)
	out, err := decrypt(slices.Grow(dst, sealed))
	if err != nil {
		return nil, err
	}
	end := len(out) - codecLen
	switch {
	case out[end] == codecPlain:
		return out[:start+int(ref.Size)], nil
	case out[end] == codecZstd && ref.Size < worthwhile:
		return s.packer.unpack(dst, slices.Clone(out[start:]), int(ref.Size))
	}
	return nil, fmt.Errorf("%w: codec %d at full size", ErrCorrupt, out[end])
}

// decrypt appends block's payload to dst, and checks that key is the key of
// that payload and not merely one that opens it.
func (s *Sealer) decrypt(dst, block []byte, key Key) ([]byte, error) {
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	out, err := aead.Open(dst, zeroNonce[:], block, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: wrong key or altered bytes", ErrCorrupt)
	}
	if s.keyOf(out[len(dst):]) != key {
		return nil, fmt.Errorf("%w: key is not the payload's", ErrCorrupt)
	}
	return out, nil
}

// keyOf returns the convergent key of a payload.
func (s *Sealer) keyOf(payload []byte) Key { return s.keys.root(payload) }

func newAEAD(key Key) (cipher.AEAD, error) {
	b, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(b)
}
