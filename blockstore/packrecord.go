package blockstore

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
)

// A pack file is a header and then records without gaps:
//
//	"PIFSPACK"  version u32  zero u32
//	mark<<24|length u32  crc32c u32  shard bytes …
//
// Integers are little-endian. The checksum covers the first word and the
// bytes. The shard's id is not stored: it is the hash of the bytes. A record
// whose shard was deleted is buried: it gets the other mark and a checksum of
// the first word alone, and its bytes may be a hole.
const (
	packMagic      = "PIFSPACK"
	packVersion    = 1
	packHeaderLen  = 16
	recordHeader   = 8
	recordMark     = 0xb3
	buriedMark     = 0xb4
	recordLenMask  = 1<<24 - 1
	packNamePrefix = "pack-"
)

// newCastagnoli returns the CRC-32C table; the standard library makes it once.
func newCastagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

func packName(n uint32) string { return fmt.Sprintf("%s%08d", packNamePrefix, n) }

// parsePackName is the inverse of packName.
func parsePackName(name string) (uint32, bool) {
	digits, ok := strings.CutPrefix(name, packNamePrefix)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil || n == 0 || packName(uint32(n)) != name {
		return 0, false
	}
	return uint32(n), true
}

func packHeader() []byte {
	h := make([]byte, 0, packHeaderLen)
	h = append(h, packMagic...)
	h = binary.LittleEndian.AppendUint32(h, packVersion)
	return binary.LittleEndian.AppendUint32(h, 0)
}

// checkPackHeader tells a newer format, which must be left alone, from
// damage, which can be worked around.
func checkPackHeader(h []byte) error {
	if len(h) < packHeaderLen || string(h[:len(packMagic)]) != packMagic {
		return fmt.Errorf("%w: not a pack header", ErrCorrupt)
	}
	if v := binary.LittleEndian.Uint32(h[len(packMagic):]); v != packVersion {
		return fmt.Errorf("%w: pack version %d, this program knows %d", ErrFormat, v, packVersion)
	}
	return nil
}

// putRecordHeader writes the header of a record of shard to h.
func putRecordHeader(h []byte, shard []byte) {
	binary.LittleEndian.PutUint32(h, recordMark<<24|uint32(len(shard)))
	binary.LittleEndian.PutUint32(h[4:], recordSum(h[:4], shard))
}

// putBuriedHeader writes the header of a record of size bytes that holds no
// shard any more.
func putBuriedHeader(h []byte, size uint32) {
	binary.LittleEndian.PutUint32(h, buriedMark<<24|size)
	binary.LittleEndian.PutUint32(h[4:], recordSum(h[:4], nil))
}

// buriedLen returns how many bytes follow the header of a buried record, false
// if h is not such a header.
func buriedLen(h []byte) (int64, bool) {
	if len(h) < recordHeader {
		return 0, false
	}
	word := binary.LittleEndian.Uint32(h)
	intact := recordSum(h[:4], nil) == binary.LittleEndian.Uint32(h[4:])
	return int64(word & recordLenMask), word>>24 == buriedMark && intact
}

func recordSum(word, shard []byte) uint32 {
	t := newCastagnoli()
	return crc32.Update(crc32.Checksum(word, t), t, shard)
}

// recordLen returns the shard length that a record header declares, false if
// it cannot be a header.
func recordLen(h []byte) (int, bool) {
	if len(h) < recordHeader {
		return 0, false
	}
	word := binary.LittleEndian.Uint32(h)
	n := int(word & recordLenMask)
	return n, word>>24 == recordMark && n >= 1 && n <= MaxShard
}

// recordIntact reports whether rec, a header and the bytes it declares, has
// the right checksum.
func recordIntact(rec []byte) bool {
	return recordSum(rec[:4], rec[recordHeader:]) == binary.LittleEndian.Uint32(rec[4:])
}

// location is where a record begins. The zero location is nowhere.
type location struct {
	pack uint32
	off  int64
	size uint32 // shard bytes, header not counted
}

func (l location) end() int64 { return l.off + recordHeader + int64(l.size) }
