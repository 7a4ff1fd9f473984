package blockstore

import (
	"bytes"
	"fmt"
	"sync"

	"github.com/hashicorp/go-msgpack/v2/codec"
)

// canonical is the one configuration of MessagePack that πFS writes: structs
// as arrays, integers in their shortest form, map keys sorted, byte strings
// distinct from text. It is never changed after this line.
var canonical = newHandle()

func newHandle() *codec.MsgpackHandle {
	h := &codec.MsgpackHandle{WriteExt: true, PositiveIntUnsigned: true}
	h.Canonical = true
	h.ErrorIfNoField = true
	h.ErrorIfNoArrayExpand = true
	return h
}

// Encoders and decoders cost more to make than to run; the pools hold nothing
// that a caller can observe.
var (
	encoders = sync.Pool{New: func() any { return newPooledEncoder() }}
	decoders = sync.Pool{New: func() any { return codec.NewDecoderBytes(nil, canonical) }}
)

type pooledEncoder struct {
	enc *codec.Encoder
	buf []byte
}

func newPooledEncoder() *pooledEncoder {
	e := &pooledEncoder{buf: make([]byte, 0, 1<<10)}
	e.enc = codec.NewEncoderBytes(&e.buf, canonical)
	return e
}

// encode returns v's encoding in e's own buffer, valid until e is used again.
func (e *pooledEncoder) encode(v any) ([]byte, error) {
	e.buf = e.buf[:0]
	e.enc.ResetBytes(&e.buf)
	if err := e.enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encode %T: %w", v, err)
	}
	return e.buf, nil
}

// Marshal returns the canonical encoding of v: equal values, equal bytes.
func Marshal(v any) ([]byte, error) { return AppendMarshal(nil, v) }

// AppendMarshal appends the canonical encoding of v to dst.
func AppendMarshal(dst []byte, v any) ([]byte, error) {
	e := encoders.Get().(*pooledEncoder)
	defer encoders.Put(e)
	b, err := e.encode(v)
	if err != nil {
		return dst, err
	}
	return append(dst, b...), nil
}

// Unmarshal decodes b into v, a pointer to a zero value. It fails with
// ErrFormat unless b is exactly what Marshal would write for the result: no
// trailing bytes, no unknown or missing fields, nothing in a longer form than
// needed. Memory taken is bounded by a multiple of len(b), whatever lengths b
// declares. v keeps no reference to b and is undefined after an error.
func Unmarshal(b []byte, v any) error {
	if err := scanMsgpack(b); err != nil {
		return fmt.Errorf("decode %T: %w", v, err)
	}
	d := decoders.Get().(*codec.Decoder)
	defer decoders.Put(d)
	d.ResetBytes(b)
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("decode %T: %w: %w", v, ErrFormat, err)
	}
	e := encoders.Get().(*pooledEncoder)
	defer encoders.Put(e)
	again, err := e.encode(v)
	if err != nil {
		return err
	}
	if !bytes.Equal(again, b) {
		return fmt.Errorf("decode %T: %w: not the canonical encoding", v, ErrFormat)
	}
	return nil
}
