package cache

import (
	"sync"
	"sync/atomic"
)

// plain is the plaintext of a block that several may use. Its memory is used
// again when the last of them releases it; who never does leaves it to the
// collector.
type plain struct {
	bytes []byte
	users atomic.Int32
	pool  *sync.Pool // of *plain, or nil
}

// newPlain returns b with one user.
func newPlain(b []byte) *plain {
	p := &plain{bytes: b}
	p.users.Store(1)
	return p
}

// use adds users.
func (p *plain) use(n int32) { p.users.Add(n) }

// release takes one user away, who must not look at the bytes any more.
func (p *plain) release() {
	if p.users.Add(-1) == 0 && p.pool != nil {
		p.pool.Put(p)
	}
}

// plainStep is the grain of the sizes that are used again, of which there are
// plainSizes; less than one is not worth it.
const (
	plainStep  = 256 << 10
	plainSizes = 18
)

// plainPool makes plaintexts of memory that was used before: to clear new memory
// costs as much as to copy the bytes.
type plainPool struct {
	pools [plainSizes]sync.Pool
}

// get returns a plaintext without bytes, with room for size, and with one user.
func (l *plainPool) get(size int) *plain {
	class := (size+plainStep-1)/plainStep - 1
	if size < plainStep/2 || class >= plainSizes {
		return newPlain(make([]byte, 0, size))
	}
	pool := &l.pools[class]
	p, ok := pool.Get().(*plain)
	if !ok {
		p = &plain{bytes: make([]byte, 0, (class+1)*plainStep), pool: pool}
	}
	p.bytes = p.bytes[:0]
	p.users.Store(1)
	return p
}
