package blockstore

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"slices"

	"lukechampine.com/blake3/guts"
)

// OutlineGroup is the number of bytes of a payload that can be read and verified
// by themselves with its outline.
const OutlineGroup = 128 << 10

// An outline is what it takes to verify a part of a payload that is not
// compressed: the chaining values of its groups, in order, from which its key
// follows. It is sealed under the key, since it would give that away:
//
//	outline = AES-256-GCM(key, nonce = 1 and 11 zero bytes, values)
//
// Payloads of one group have none.
var outlineNonce = [12]byte{0: 1}

// groupsOf returns how many groups n bytes have.
func groupsOf(n int) int { return (n + OutlineGroup - 1) / OutlineGroup }

// groups returns the chaining values of b's groups.
func (t *tree) groups(b []byte) [][8]uint32 {
	values := make([][8]uint32, 0, groupsOf(len(b)))
	for off := 0; off < len(b); off += OutlineGroup {
		values = append(values, guts.ChainingValue(t.node(b[off:min(off+OutlineGroup, len(b))], off)))
	}
	return values
}

// fold returns the hash of the message whose groups, at least two, have values.
func (t *tree) fold(values [][8]uint32) [32]byte {
	n := t.parent(values)
	n.Flags |= guts.FlagRoot
	return output(n)
}

// parent returns the node over two or more groups: the left subtree is that of
// the bytes, for a group is a power of two of leaves.
func (t *tree) parent(values [][8]uint32) guts.Node {
	l := leftLen(len(values)*LeafSize) / LeafSize
	return guts.ParentNode(t.value(values[:l]), t.value(values[l:]), &t.key, t.flags)
}

func (t *tree) value(values [][8]uint32) [8]uint32 {
	if len(values) == 1 {
		return values[0]
	}
	return guts.ChainingValue(t.parent(values))
}

// outlined returns the key of a payload and, if it has one, its outline.
func (s *Sealer) outlined(payload []byte) (key Key, outline []byte, err error) {
	if len(payload) <= OutlineGroup {
		return s.keyOf(payload), nil, nil
	}
	values := s.keys.groups(payload)
	key = s.keys.fold(values)
	if payload[len(payload)-1] != codecPlain {
		return key, nil, nil
	}
	aead, err := newAEAD(key)
	if err != nil {
		return key, nil, err
	}
	for _, v := range values {
		b := bytesOf(v)
		outline = append(outline, b[:]...)
	}
	return key, aead.Seal(outline[:0:len(outline)], outlineNonce[:], outline, nil), nil
}

// openOutline returns the chaining values of the payload that ref names.
func (s *Sealer) openOutline(outline []byte, ref Ref) ([][8]uint32, error) {
	aead, err := newAEAD(ref.Key)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, outlineNonce[:], outline, nil)
	if err != nil || len(plain) != 32*groupsOf(int(ref.Size)+codecLen) || len(plain) < 64 {
		return nil, fmt.Errorf("%w: not an outline", ErrCorrupt)
	}
	var values [][8]uint32
	for ; len(plain) > 0; plain = plain[32:] {
		values = append(values, words([32]byte(plain)))
	}
	if s.keys.fold(values) != ref.Key {
		return nil, fmt.Errorf("%w: the outline has another key", ErrCorrupt)
	}
	return values, nil
}

// RangeOf returns which bytes of a block that has an outline it takes to read n
// bytes of its plaintext at off: whole groups.
func RangeOf(ref Ref, off, n int) (from, to int) {
	from = off / OutlineGroup * OutlineGroup
	return from, min(groupsOf(off+n)*OutlineGroup, int(ref.Size)+codecLen)
}

// OpenRange appends to dst the plaintext of raw, which is a range that RangeOf
// returns and begins at from, checked against ref by the block's outline:
// whatever does not match is ErrCorrupt.
func (s *Sealer) OpenRange(dst []byte, raw *Raw, from int, outline []byte, ref Ref) ([]byte, error) {
	values, err := s.openOutline(outline, ref)
	if err == nil {
		var out []byte
		if out, err = s.openGroups(dst, raw, from, values, ref); err == nil {
			return out, nil
		}
	}
	return dst, fmt.Errorf("open block %v from %d: %w", ref.Address, from, err)
}

func (s *Sealer) openGroups(dst []byte, raw *Raw, from int, values [][8]uint32, ref Ref) ([]byte, error) {
	end := int(ref.Size) + codecLen
	to := from + raw.Len()
	if from < 0 || from%OutlineGroup != 0 || to > end || to < end && to%OutlineGroup != 0 {
		return nil, fmt.Errorf("%w: %d bytes are no groups", ErrCorrupt, raw.Len())
	}
	out, err := appendDecrypted(dst, raw, from, raw.Len(), ref.Key)
	if err != nil {
		return nil, err
	}
	got := out[len(dst):]
	for off := 0; off < len(got); off += OutlineGroup {
		group := got[off:min(off+OutlineGroup, len(got))]
		if guts.ChainingValue(s.keys.node(group, from+off)) != values[(from+off)/OutlineGroup] {
			return nil, fmt.Errorf("%w: altered at %d", ErrCorrupt, from+off)
		}
	}
	if to < end {
		return out, nil
	}
	if out[len(out)-1] != codecPlain {
		return nil, fmt.Errorf("%w: codec %d has no outline", ErrCorrupt, out[len(out)-1])
	}
	return out[:len(out)-codecLen], nil
}

// firstCounter is the block with which GCM begins to encrypt under the zero
// nonce (NIST SP 800-38D, section 7.1).
const firstCounter = 2

// appendDecrypted appends what the first n bytes of raw decrypt to, which begins
// at byte from of its block: a multiple of the cipher's blocks.
func appendDecrypted(dst []byte, raw *Raw, from, n int, key Key) ([]byte, error) {
	c, err := aes.NewCipher(key[:])
	if err != nil {
		return dst, err
	}
	var counter [aes.BlockSize]byte
	for i, v := len(counter)-1, firstCounter+from/aes.BlockSize; v > 0; i, v = i-1, v>>8 {
		counter[i] = byte(v)
	}
	stream := cipher.NewCTR(c, counter[:])
	dst = slices.Grow(dst, n)
	for _, p := range raw.parts {
		p = p[:min(len(p), n)]
		n -= len(p)
		at := len(dst)
		dst = dst[:at+len(p)]
		stream.XORKeyStream(dst[at:], p)
	}
	return dst, nil
}
