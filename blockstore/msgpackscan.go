package blockstore

import (
	"encoding/binary"
	"fmt"
)

// maxNesting bounds how deep arrays and maps may lie in each other: the
// decoder recurses, and no type of ours needs more than a handful.
const maxNesting = 32

// scanMsgpack checks that b is one MessagePack value and nothing more, that
// every declared length fits into what is left of b, and that nesting is
// bounded. It runs before the decoder, which would allocate on trust.
func scanMsgpack(b []byte) error {
	rest, err := skipValue(b, maxNesting)
	if err != nil {
		return err
	}
	if len(rest) != 0 {
		return fmt.Errorf("%w: %d trailing bytes", ErrFormat, len(rest))
	}
	return nil
}

// skipValue returns what follows the first value of b.
func skipValue(b []byte, depth int) ([]byte, error) {
	head, err := readHead(b)
	if err != nil {
		return nil, err
	}
	b = b[head.size:]
	if head.data > uint64(len(b)) || head.items > uint64(len(b)) {
		return nil, fmt.Errorf("%w: declared length exceeds the input", ErrFormat)
	}
	b = b[head.data:]
	if head.items == 0 {
		return b, nil
	}
	if depth == 0 {
		return nil, fmt.Errorf("%w: nested too deep", ErrFormat)
	}
	for range head.items {
		if b, err = skipValue(b, depth-1); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// msgpackHead is what the first bytes of a value say about the rest of it.
type msgpackHead struct {
	size  int    // bytes of the head itself
	data  uint64 // raw bytes that follow
	items uint64 // values that follow
}

// readHead reads the head of the first value of b. Extension types are
// refused: nothing of ours writes them.
func readHead(b []byte) (msgpackHead, error) {
	if len(b) == 0 {
		return msgpackHead{}, fmt.Errorf("%w: ends early", ErrFormat)
	}
	c := b[0]
	switch {
	case c <= 0x7f || c >= 0xe0: // small integers
		return msgpackHead{size: 1}, nil
	case c <= 0x8f: // small map
		return msgpackHead{size: 1, items: 2 * uint64(c&0x0f)}, nil
	case c <= 0x9f: // small array
		return msgpackHead{size: 1, items: uint64(c & 0x0f)}, nil
	case c <= 0xbf: // small string
		return msgpackHead{size: 1, data: uint64(c & 0x1f)}, nil
	}
	switch c {
	case 0xc0, 0xc2, 0xc3: // nil, false, true
		return msgpackHead{size: 1}, nil
	case 0xc4, 0xc5, 0xc6: // byte string, length in 1, 2, 4 bytes
		n, size, err := readLength(b, 1<<(c-0xc4))
		return msgpackHead{size: size, data: n}, err
	case 0xd9, 0xda, 0xdb: // string
		n, size, err := readLength(b, 1<<(c-0xd9))
		return msgpackHead{size: size, data: n}, err
	case 0xca, 0xcb: // float of 4, 8 bytes
		return msgpackHead{size: 1, data: 4 << (c - 0xca)}, nil
	case 0xcc, 0xcd, 0xce, 0xcf: // unsigned of 1, 2, 4, 8 bytes
		return msgpackHead{size: 1, data: 1 << (c - 0xcc)}, nil
	case 0xd0, 0xd1, 0xd2, 0xd3: // signed
		return msgpackHead{size: 1, data: 1 << (c - 0xd0)}, nil
	case 0xdc, 0xdd: // array, length in 2, 4 bytes
		n, size, err := readLength(b, 2<<(c-0xdc))
		return msgpackHead{size: size, items: n}, err
	case 0xde, 0xdf: // map
		n, size, err := readLength(b, 2<<(c-0xde))
		return msgpackHead{size: size, items: 2 * n}, err
	}
	return msgpackHead{}, fmt.Errorf("%w: type byte %#x", ErrFormat, c)
}

// readLength reads a big-endian length of width bytes after the type byte.
func readLength(b []byte, width int) (n uint64, size int, err error) {
	size = 1 + width
	if len(b) < size {
		return 0, 0, fmt.Errorf("%w: ends early", ErrFormat)
	}
	var wide [8]byte
	copy(wide[8-width:], b[1:size])
	return binary.BigEndian.Uint64(wide[:]), size, nil
}
