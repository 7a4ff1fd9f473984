package blockstore

import (
	"bytes"
	"errors"
	"io"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Large records are written past the page cache (O_DIRECT): what is read again of
// a mounted volume is its plaintext, which the kernel and we keep, so that their
// pages would only push out others; and pages that nobody has used for long cost
// more than all the rest. Reads stay as they are: the kernel's read-ahead is
// worth more to them.
//
// Disks then want whole blocks. Those that the record shares with the one
// before it are written again with the same bytes, and the last is filled up
// with zeros, which the next record overwrites.
const (
	directFrom  = 64 << 10 // bytes from which a shard is large
	directAlign = 4096     // of memory, offsets and lengths: no disk wants more
)

// directFile is a File to which whole blocks can be written past the page cache.
type directFile interface {
	// WriteDirect is WriteAt for a p that begins at a multiple of directAlign in
	// memory, while off and len(p) are multiples of it. The error is
	// errors.ErrUnsupported where that cannot be done.
	WriteDirect(p []byte, off int64) error
}

var _ directFile = (*osFile)(nil)

// bypass is the second descriptor of a file, for direct writes. It is opened
// by the first of them.
type bypass struct {
	mu    sync.Mutex
	file  *os.File
	tried bool
}

// get returns nil if the file system knows no direct writes.
func (b *bypass) get(path string) *os.File {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.tried {
		b.tried = true
		b.file, _ = os.OpenFile(path, os.O_RDWR|unix.O_DIRECT, 0) // nil if refused, or gone by now
	}
	return b.file
}

// refuse gives the descriptor up if err says that the disk wants other blocks.
func (b *bypass) refuse(err error) error {
	if !errors.Is(err, unix.EINVAL) {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.file = nil // whoever uses it at this moment keeps it; the collector closes it
	return errors.ErrUnsupported
}

func (b *bypass) close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tried = true
	if b.file == nil {
		return nil
	}
	return b.file.Close()
}

// WriteDirect implements directFile.
func (f *osFile) WriteDirect(p []byte, off int64) error {
	d := f.bypass.get(f.Name())
	if d == nil {
		return errors.ErrUnsupported
	}
	_, err := d.WriteAt(p, off)
	return f.bypass.refuse(err)
}

// blockBuffers lends memory for direct writes.
type blockBuffers struct{ pool sync.Pool }

// get returns n bytes, rounded up to whole blocks, with arbitrary contents.
func (b *blockBuffers) get(n int) *[]byte {
	n = ceilDirect(n)
	if buf, ok := b.pool.Get().(*[]byte); ok && cap(*buf) >= n {
		*buf = (*buf)[:n]
		return buf
	}
	raw := make([]byte, n+directAlign)
	skip := -int(uintptr(unsafe.Pointer(&raw[0]))) & (directAlign - 1)
	buf := raw[skip : skip+n : skip+n]
	return &buf
}

func (b *blockBuffers) put(buf *[]byte) { b.pool.Put(buf) }

func ceilDirect(n int) int { return (n + directAlign - 1) &^ (directAlign - 1) }

// lastBlock is what the tail pack holds of its last block, if that is known:
// the bytes before end.
type lastBlock struct {
	pack  uint32
	end   int64
	bytes [directAlign]byte
}

// of returns the bytes of f, which is pack n, between the beginning of the block
// that end lies in and end.
func (l *lastBlock) of(f File, n uint32, end int64) ([]byte, error) {
	b := l.bytes[:end%directAlign]
	if l.pack == n && l.end == end || len(b) == 0 {
		return b, nil
	}
	l.pack = 0
	if _, err := f.ReadAt(b, end-int64(len(b))); err != nil {
		return nil, err
	}
	return b, nil
}

// writeDirect writes a record of shard to off of f, which is pack n and ends
// there. The caller holds writing.
func (p *Pack) writeDirect(f *packFile, n uint32, off int64, shard []byte) error {
	d, ok := f.File.(directFile)
	if !ok {
		return errors.ErrUnsupported
	}
	before, err := p.lastBlock.of(f, n, off)
	if err != nil {
		return err
	}
	size := len(before) + recordHeader + len(shard)
	area := p.blocks.get(size)
	defer p.blocks.put(area)
	b := *area
	copy(b, before)
	putRecordHeader(b[len(before):], shard)
	copy(b[len(before)+recordHeader:], shard)
	clear(b[size:])
	if err := d.WriteDirect(b, off-int64(len(before))); err != nil {
		return err
	}
	p.lastBlock.pack, p.lastBlock.end = n, off+recordHeader+int64(len(shard))
	copy(p.lastBlock.bytes[:], b[size-int(p.lastBlock.end%directAlign):size])
	return nil
}

// isPadding reports whether nothing but zeros that fill up a block lies between
// off and the end of a pack of size bytes.
func isPadding(r io.ReaderAt, off, size int64) (bool, error) {
	if size-off >= directAlign {
		return false, nil
	}
	b := make([]byte, size-off)
	if _, err := r.ReadAt(b, off); err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	return len(bytes.Trim(b, "\x00")) == 0, nil
}
