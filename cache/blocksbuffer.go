package cache

import "sync"

const smallBuffer = 128 << 10

// bufferPool lends buffers for sealed blocks. Small and large ones are kept
// apart, so that a small block does not occupy four megabytes.
type bufferPool struct{ small, large sync.Pool }

// get returns an empty buffer with room for size bytes.
func (p *bufferPool) get(size int) *[]byte {
	pool := p.pool(size)
	if b, ok := pool.Get().(*[]byte); ok && cap(*b) >= size {
		return b
	}
	b := make([]byte, 0, max(size, 4<<10))
	return &b
}

// put takes a buffer back; the caller must not use it any more.
func (p *bufferPool) put(b *[]byte) {
	*b = (*b)[:0]
	p.pool(cap(*b)).Put(b)
}

func (p *bufferPool) pool(size int) *sync.Pool {
	if size <= smallBuffer {
		return &p.small
	}
	return &p.large
}
