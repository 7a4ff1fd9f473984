package blockstore

import (
	"fmt"
	"slices"
	"sync"

	"github.com/klauspost/reedsolomon"
)

// Coder cuts blocks into stripes and rebuilds them: a systematic Reed–Solomon
// code over GF(2⁸) (Plank, SPE 1997), so that the first k shards are the
// block itself. A Coder is safe for concurrent use.
type Coder struct {
	mu      sync.Mutex
	codes   map[Class]reedsolomon.Encoder // made once per class
	buffers sync.Pool                     // of *[]byte, for padding and parity
}

// NewCoder returns a coder for all classes.
func NewCoder() *Coder {
	return &Coder{codes: make(map[Class]reedsolomon.Encoder)}
}

// code returns the code of a valid class.
func (c *Coder) code(class Class) (reedsolomon.Encoder, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if code, ok := c.codes[class]; ok {
		return code, nil
	}
	// The pipeline runs stripes in parallel; a stripe itself stays on its core.
	code, err := reedsolomon.New(int(class.K), class.Spare(), reedsolomon.WithMaxGoroutines(1))
	if err != nil {
		return nil, fmt.Errorf("make code %v: %w", class, err)
	}
	c.codes[class] = code
	return code, nil
}

// Shards are the pieces of one stripe in stripe order. Data pieces alias the
// block they were cut from; the others lie in a buffer that Release returns.
type Shards struct {
	Pieces [][]byte

	stripe  *Descriptor
	buf     *[]byte
	buffers *sync.Pool
}

// Piece returns shard i with the id that was computed when it was made.
func (s *Shards) Piece(i int) Piece {
	return Piece{id: s.stripe.Shards[i], bytes: s.Pieces[i], stripe: s.stripe, index: i}
}

// Release gives the buffers back. The pieces must not be used after it.
func (s *Shards) Release() {
	if s.buf != nil {
		s.buffers.Put(s.buf)
	}
	*s = Shards{}
}

// Encode cuts block, whose address the caller knows, into a stripe. The block
// must stay unchanged until the shards are released.
func (c *Coder) Encode(class Class, addr Address, block []byte) (Descriptor, *Shards, error) {
	d := Descriptor{Address: addr, Class: class, Length: uint32(len(block))}
	if !class.Valid() {
		return Descriptor{}, nil, fmt.Errorf("encode block %v: class %v: %w", addr, class, ErrFormat)
	}
	if len(block) < MinBlock || len(block) > MaxBlock {
		return Descriptor{}, nil, fmt.Errorf("encode block %v of %d bytes: %w", addr, len(block), ErrTooLarge)
	}
	s := c.split(class, block)
	if err := c.addParity(class, s.Pieces); err != nil {
		s.Release()
		return Descriptor{}, nil, fmt.Errorf("encode block %v: %w", addr, err)
	}
	d.Shards = make([]ShardID, class.N)
	for i, p := range s.Pieces {
		if class.K == 1 && i > 0 {
			d.Shards[i] = d.Shards[0]
			continue
		}
		d.Shards[i] = ShardIDOf(p)
	}
	s.stripe = &d
	return d, s, nil
}

// split cuts block into k data pieces and makes room for the parity pieces.
// Pieces that reach beyond the block's end are copied and padded with zeros.
func (c *Coder) split(class Class, block []byte) *Shards {
	k, n := int(class.K), int(class.N)
	s := &Shards{Pieces: make([][]byte, n), buffers: &c.buffers}
	if k == 1 { // every shard is the block
		for i := range s.Pieces {
			s.Pieces[i] = block
		}
		return s
	}
	size := shardSize(class, len(block))
	whole := len(block) / size // pieces that need no padding
	s.buf = c.buffer((n - whole) * size)
	pad := (*s.buf)[:(k-whole)*size]
	clear(pad[copy(pad, block[whole*size:]):])
	for i := range s.Pieces {
		if i < whole {
			s.Pieces[i] = block[i*size : (i+1)*size : (i+1)*size]
			continue
		}
		at := (i - whole) * size
		s.Pieces[i] = (*s.buf)[at : at+size : at+size]
	}
	return s
}

func (c *Coder) addParity(class Class, pieces [][]byte) error {
	if class.K == 1 {
		return nil
	}
	code, err := c.code(class)
	if err != nil {
		return err
	}
	return code.Encode(pieces)
}

// buffer lends a buffer of n bytes with arbitrary contents.
func (c *Coder) buffer(n int) *[]byte {
	b, ok := c.buffers.Get().(*[]byte)
	if !ok {
		b = new([]byte)
	}
	*b = slices.Grow((*b)[:0], n)[:n]
	return b
}
