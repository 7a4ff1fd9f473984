package swarm

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"pifs/blockstore"
)

// The chain file, exactly: see FORMAT.md.
const (
	chainMagic  = "PIFSHEAD"
	chainFormat = 1
	chainHeader = 32 // magic, format, volume id, checksum
	frameHeader = 12 // length, checksum of the payload, checksum of these two
)

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// chainFileHeader is the start of the chain file of a volume.
func chainFileHeader(volume [16]byte) []byte {
	b := append([]byte(chainMagic), 0, 0, 0, chainFormat)
	b = append(b, volume[:]...)
	return binary.BigEndian.AppendUint32(b, checksum(b))
}

// checkChainHeader checks that b is the start of the chain file of a volume.
func checkChainHeader(b []byte, volume [16]byte) error {
	if len(b) != chainHeader || string(b[:8]) != chainMagic || binary.BigEndian.Uint32(b[28:]) != checksum(b[:28]) {
		return fmt.Errorf("%w: not a chain of heads", blockstore.ErrCorrupt)
	}
	if format := binary.BigEndian.Uint32(b[8:]); format != chainFormat {
		return fmt.Errorf("%w: format %d of the chain is unknown", blockstore.ErrFormat, format)
	}
	if [16]byte(b[12:28]) != volume {
		return fmt.Errorf("%w: chain of another volume", blockstore.ErrCorrupt)
	}
	return nil
}

// appendFrame appends payload with its header.
func appendFrame(dst, payload []byte) []byte {
	start := len(dst)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(payload)))
	dst = binary.BigEndian.AppendUint32(dst, checksum(payload))
	dst = binary.BigEndian.AppendUint32(dst, checksum(dst[start:]))
	return append(dst, payload...)
}

// frameLength returns the payload's length from a header, if that is intact.
func frameLength(header []byte) (int, bool) {
	n := binary.BigEndian.Uint32(header)
	ok := n > 0 && n <= MaxHead && binary.BigEndian.Uint32(header[8:]) == checksum(header[:8])
	return int(n), ok
}

// readFrame returns the payload of the frame at off in a file of size bytes;
// ok is false if there is no intact frame. err is an I/O error.
func readFrame(f io.ReaderAt, off, size int64) (payload []byte, ok bool, err error) {
	var header [frameHeader]byte
	if size-off < frameHeader {
		return nil, false, nil
	}
	if _, err := f.ReadAt(header[:], off); err != nil {
		return nil, false, err
	}
	n, ok := frameLength(header[:])
	if !ok || size-off-frameHeader < int64(n) {
		return nil, false, nil
	}
	payload = make([]byte, n)
	if _, err := f.ReadAt(payload, off+frameHeader); err != nil {
		return nil, false, err
	}
	return payload, binary.BigEndian.Uint32(header[4:]) == checksum(payload), nil
}

// frameAfter reports whether an intact frame begins anywhere in [off, size):
// then what stands at off is damage and not the torn end of the file.
func frameAfter(f io.ReaderAt, off, size int64) (bool, error) {
	buf := make([]byte, 64<<10)
	for ; size-off >= frameHeader; off += int64(len(buf)) - frameHeader + 1 {
		b := buf[:min(int64(len(buf)), size-off)]
		if _, err := f.ReadAt(b, off); err != nil {
			return false, err
		}
		for i := 0; i+frameHeader <= len(b); i++ {
			if _, ok := frameLength(b[i : i+frameHeader]); !ok {
				continue
			}
			if _, ok, err := readFrame(f, off+int64(i), size); ok || err != nil {
				return ok, err
			}
		}
	}
	return false, nil
}
