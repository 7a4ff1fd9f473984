package fsnode

import (
	"encoding/binary"
	"fmt"
	"math"

	"pifs/blockstore"
	"pifs/fsnode/mst"
)

// rowDecoder reads what blockstore.Marshal wrote, without reflection: inodes
// and names are read by the thousand. Rows were authenticated before, so it
// checks bounds and types, but not that lengths and numbers are in their
// shortest form. After the first error it returns zeros.
type rowDecoder struct {
	b   []byte
	err error
}

// fail notes that the input is not what was expected.
func (d *rowDecoder) fail() {
	if d.err == nil {
		d.err = fmt.Errorf("%w: not a row of its table", blockstore.ErrFormat)
	}
	d.b = nil
}

// end returns the first error; bytes that are left are one.
func (d *rowDecoder) end() error {
	if len(d.b) > 0 {
		d.fail()
	}
	return d.err
}

// take returns the next n bytes of the input itself.
func (d *rowDecoder) take(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.fail()
		return nil
	}
	out := d.b[:n:n]
	d.b = d.b[n:]
	return out
}

// kind returns the byte that says what comes next; 0xc1, which is never
// written, at the end.
func (d *rowDecoder) kind() byte {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0xc1
}

// big reads a big-endian number of n bytes.
func (d *rowDecoder) big(n uint64) uint64 {
	var wide [8]byte
	copy(wide[8-n:], d.take(n))
	return binary.BigEndian.Uint64(wide[:])
}

// null skips a nil if there is one.
func (d *rowDecoder) null() bool {
	if len(d.b) == 0 || d.b[0] != 0xc0 {
		return false
	}
	d.b = d.b[1:]
	return true
}

// items reads the head of an array and returns its length, which is not more
// than there are bytes left.
func (d *rowDecoder) items() int {
	n := uint64(0)
	switch c := d.kind(); {
	case c&0xf0 == 0x90:
		n = uint64(c & 0x0f)
	case c == 0xdc || c == 0xdd:
		n = d.big(2 << (c - 0xdc))
	default:
		d.fail()
	}
	if n > uint64(len(d.b)) {
		d.fail()
		return 0
	}
	return int(n)
}

// array reads the head of an array of n items.
func (d *rowDecoder) array(n int) {
	if d.items() != n {
		d.fail()
	}
}

// uint reads a number from 0 to most.
func (d *rowDecoder) uint(most uint64) uint64 {
	n := uint64(0)
	switch c := d.kind(); {
	case c <= 0x7f:
		n = uint64(c)
	case c >= 0xcc && c <= 0xcf:
		n = d.big(1 << (c - 0xcc))
	default:
		d.fail()
	}
	if n > most {
		d.fail()
		return 0
	}
	return n
}

func (d *rowDecoder) u32() uint32 { return uint32(d.uint(math.MaxUint32)) }
func (d *rowDecoder) u64() uint64 { return d.uint(math.MaxUint64) }

// int reads a number that may be negative.
func (d *rowDecoder) int() int64 {
	if len(d.b) == 0 {
		d.fail()
		return 0
	}
	switch c := d.b[0]; {
	case c >= 0xe0:
		d.b = d.b[1:]
		return int64(int8(c))
	case c >= 0xd0 && c <= 0xd3:
		d.b = d.b[1:]
		n := uint64(1) << (c - 0xd0)
		unused := 64 - 8*n
		return int64(d.big(n)<<unused) >> unused
	}
	return int64(d.uint(math.MaxInt64))
}

func (d *rowDecoder) bool() bool {
	switch d.kind() {
	case 0xc2:
	case 0xc3:
		return true
	default:
		d.fail()
	}
	return false
}

func (d *rowDecoder) string() string {
	switch c := d.kind(); {
	case c&0xe0 == 0xa0:
		return string(d.take(uint64(c & 0x1f)))
	case c >= 0xd9 && c <= 0xdb:
		return string(d.take(d.big(1 << (c - 0xd9))))
	}
	d.fail()
	return ""
}

// raw reads a byte string: the input's own bytes.
func (d *rowDecoder) raw() []byte {
	if c := d.kind(); c >= 0xc4 && c <= 0xc6 {
		return d.take(d.big(1 << (c - 0xc4)))
	}
	d.fail()
	return nil
}

// bytes reads a byte string, or nil, into memory of its own.
func (d *rowDecoder) bytes() []byte {
	if d.null() {
		return nil
	}
	return append([]byte{}, d.raw()...)
}

// digest reads a byte string of 32 bytes.
func (d *rowDecoder) digest() (out [32]byte) {
	if copy(out[:], d.raw()) != len(out) {
		d.fail()
	}
	return out
}

func (d *rowDecoder) time() Time {
	d.array(2)
	return Time{Sec: d.int(), Nsec: d.u32()}
}

func (d *rowDecoder) ref() blockstore.Ref {
	d.array(3)
	return blockstore.Ref{Address: d.digest(), Key: d.digest(), Size: d.u32()}
}

func (d *rowDecoder) root() mst.Root {
	d.array(3)
	return mst.Root{Height: uint8(d.uint(math.MaxUint8)), Ref: d.ref(), Count: d.u64()}
}
