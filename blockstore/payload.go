package blockstore

import (
	"fmt"
	"slices"
	"sync"

	"github.com/klauspost/compress"
	"github.com/klauspost/compress/zstd"
)

// The codec byte that ends every payload.
const (
	codecPlain = 0
	codecZstd  = 1
)

// Compression is tried when a sample looks compressible, and kept when it
// saves at least 1/32. All of this decides addresses: it is part of the
// format.
const (
	sampleLen       = 4 << 10
	compressibility = 0.1 // of compress.Estimate: below lies what is dense already
	worthwhile      = 32
)

// packer turns plaintexts into payloads and back. Its zero value is ready; it
// is safe for concurrent use.
type packer struct {
	encoders sync.Pool // of *zstd.Encoder
	decoders sync.Pool // of *zstd.Decoder
	buffers  sync.Pool // of *[]byte
}

// packSpace returns how much room pack may use for size bytes of plaintext:
// zstd adds a frame header and three bytes per 128 KiB when it gains nothing.
func packSpace(size int) int { return size + size>>12 + 64 }

// pack appends the payload of plain to dst.
func (p *packer) pack(dst, plain []byte) []byte {
	if looksCompressible(plain) {
		if out := p.compress(dst, plain); len(out)-len(dst) <= len(plain)-len(plain)/worthwhile {
			return append(out, codecZstd)
		}
	}
	return append(append(dst, plain...), codecPlain)
}

// packInPlace turns plain into its payload, in the memory of plain.
func (p *packer) packInPlace(plain []byte) []byte {
	if looksCompressible(plain) {
		scratch := p.scratch(packSpace(len(plain)))
		defer p.release(scratch)
		*scratch = p.compress(*scratch, plain)
		if out := *scratch; len(out) <= len(plain)-len(plain)/worthwhile {
			return append(append(plain[:0], out...), codecZstd)
		}
	}
	return append(plain, codecPlain)
}

// looksCompressible judges three samples, so that neither a dense header nor
// a plain one decides for the whole chunk.
func looksCompressible(plain []byte) bool {
	if len(plain) <= 3*sampleLen {
		return compress.Estimate(plain) >= compressibility
	}
	last := len(plain) - sampleLen
	for _, at := range [3]int{0, last / 2, last} {
		if compress.Estimate(plain[at:at+sampleLen]) >= compressibility {
			return true
		}
	}
	return false
}

func (p *packer) compress(dst, plain []byte) []byte {
	e, ok := p.encoders.Get().(*zstd.Encoder)
	if !ok {
		e = newZstdEncoder()
	}
	defer p.encoders.Put(e)
	return e.EncodeAll(plain, dst)
}

// unpack appends to dst the size bytes of plaintext that payload holds.
func (p *packer) unpack(dst, payload []byte, size int) ([]byte, error) {
	end := len(payload) - codecLen
	if payload[end] != codecZstd {
		return nil, fmt.Errorf("%w: codec %d below full size", ErrCorrupt, payload[end])
	}
	if end > size-size/worthwhile {
		return nil, fmt.Errorf("%w: compression that does not pay", ErrCorrupt)
	}
	d, ok := p.decoders.Get().(*zstd.Decoder)
	if !ok {
		d = newZstdDecoder()
	}
	defer p.decoders.Put(d)
	start := len(dst)
	dst = slices.Grow(dst, size)
	out, err := d.DecodeAll(payload[:end], dst[:start:start+size])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if len(out) != start+size {
		return nil, fmt.Errorf("%w: %d bytes unpacked, want %d", ErrCorrupt, len(out)-start, size)
	}
	return out, nil
}

// newZstdEncoder pins everything that shapes the output.
func newZstdEncoder() *zstd.Encoder {
	e, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(MaxChunk),
		zstd.WithSingleSegment(true),
		zstd.WithEncoderCRC(false))
	if err != nil {
		panic(err) // only for options out of range
	}
	return e
}

// newZstdDecoder never writes beyond the capacity it is given.
func newZstdDecoder() *zstd.Decoder {
	d, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderMaxMemory(MaxChunk),
		zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		panic(err) // only for options out of range
	}
	return d
}

// scratch lends an empty buffer with room for n bytes.
func (p *packer) scratch(n int) *[]byte {
	b, ok := p.buffers.Get().(*[]byte)
	if !ok {
		b = new([]byte)
	}
	*b = slices.Grow((*b)[:0], n)
	return b
}

func (p *packer) release(b *[]byte) { p.buffers.Put(b) }
