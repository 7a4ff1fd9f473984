package blockstore

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Large records pass by the page cache (O_DIRECT): what is read again of a
// mounted volume is its plaintext, which the kernel and we keep, so that their
// pages would only push out others; and pages that nobody has used for long cost
// more than all the rest.
//
// Disks then want whole blocks. Those that the record shares with the one
// before it are written again with the same bytes, and the last is filled up
// with zeros, which the next record overwrites.
const (
	directFrom  = 64 << 10  // bytes from which a shard, or a part of one, is large
	directAlign = 4096      // of memory, offsets and lengths: no disk wants more
	leastBuffer = 512 << 10 // bytes, so that one serves shards of most sizes
)

// directFile is a File of which whole blocks can be read and written past the
// page cache: p begins at a multiple of directAlign in memory, and off and len(p)
// are multiples of it. The error is errors.ErrUnsupported where that cannot be
// done.
type directFile interface {
	// ReadDirect returns how many bytes there were before the end of the file.
	ReadDirect(p []byte, off int64) (int, error)
	// WriteDirect is WriteAt.
	WriteDirect(p []byte, off int64) error
}

var _ directFile = (*osFile)(nil)

// bypass is the second descriptor of a file, for direct transfers. It is opened
// by the first of them.
type bypass struct {
	mu    sync.Mutex
	file  *os.File
	tried bool
}

// get returns nil if the file system knows no direct transfers.
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

// ReadDirect implements directFile.
func (f *osFile) ReadDirect(p []byte, off int64) (int, error) {
	d := f.bypass.get(f.Name())
	if d == nil {
		return 0, errors.ErrUnsupported
	}
	for done := 0; ; {
		n, err := unix.Pread(int(d.Fd()), p[done:], off+int64(done))
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return done, f.bypass.refuse(&os.PathError{Op: "read", Path: f.Name(), Err: err})
		case n == 0 || (done+n)%directAlign != 0: // the end of the file lies there
			return done + n, nil
		default:
			if done += n; done == len(p) {
				return done, nil
			}
		}
	}
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

// blockBuffers lends memory for direct transfers.
type blockBuffers struct{ pool sync.Pool }

// get returns n bytes, rounded up to whole blocks, with arbitrary contents.
func (b *blockBuffers) get(n int) *[]byte {
	n = ceilDirect(n)
	if buf, ok := b.pool.Get().(*[]byte); ok && cap(*buf) >= n {
		*buf = (*buf)[:n]
		return buf
	}
	raw := make([]byte, max(n, leastBuffer)+directAlign)
	skip := -int(uintptr(unsafe.Pointer(&raw[0]))) & (directAlign - 1)
	buf := raw[skip:][:n:max(n, leastBuffer)]
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

// lend reads n bytes at off of the shard at loc.
func (p *Pack) lend(loc location, off, n int) (Lent, error) {
	if off < 0 || n < 1 || int64(off)+int64(n) > int64(loc.size) {
		return Lent{}, fmt.Errorf("%w: %d bytes at %d of a shard of %d", ErrCorrupt, n, off, loc.size)
	}
	f, err := p.files.acquire(loc.pack)
	if err != nil {
		return Lent{}, err
	}
	defer p.files.release(f)
	at := loc.off + recordHeader + int64(off)
	if n >= directFrom {
		if l, err := p.lendDirect(f, at, n); !errors.Is(err, errors.ErrUnsupported) {
			return l, err
		}
	}
	area := make([]byte, n)
	got, err := f.ReadAt(area, at)
	return lent(area, 0, n, got, err)
}

// lendDirect reads n bytes at the byte at of f, and the blocks around them.
func (p *Pack) lendDirect(f *packFile, at int64, n int) (Lent, error) {
	d, ok := f.File.(directFile)
	if !ok {
		return Lent{}, errors.ErrUnsupported
	}
	skip := int(at % directAlign)
	area := p.blocks.get(skip + n)
	got, err := d.ReadDirect(*area, at-int64(skip))
	l, err := lent(*area, skip, n, got, err)
	if err != nil {
		p.blocks.put(area)
		return l, err
	}
	l.Return = func() { p.blocks.put(area) }
	return l, nil
}

// lent returns the n bytes behind skip of area, in which got were read.
func lent(area []byte, skip, n, got int, err error) (Lent, error) {
	switch {
	case got >= skip+n:
		return Lent{Bytes: area[skip : skip+n]}, nil
	case err == nil || errors.Is(err, io.EOF):
		return Lent{}, fmt.Errorf("%w: the pack ends within", ErrCorrupt)
	}
	return Lent{}, err
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
