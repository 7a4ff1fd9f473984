package blockstore

import (
	"errors"
	"fmt"
	"io"
)

// scanWindow must hold the largest record and then some.
const scanWindow = 2 * MaxShard

// window reads a file front to back through one buffer.
type window struct {
	r    io.ReaderAt
	size int64 // of the file
	buf  []byte
	from int64 // file offset of buf[0]
	n    int   // bytes of buf that are valid

	spent int64 // bytes checksummed in search of records
}

func newWindow(r io.ReaderAt, size int64) *window {
	return &window{r: r, size: size, buf: make([]byte, min(scanWindow, size))}
}

// at returns the n bytes at off, fewer at the end of the file, valid until
// the next call.
func (w *window) at(off int64, n int) ([]byte, error) {
	n = int(min(int64(n), w.size-off))
	if off >= w.from && off+int64(n) <= w.from+int64(w.n) {
		return w.buf[off-w.from:][:n], nil
	}
	got, err := w.r.ReadAt(w.buf[:min(int64(len(w.buf)), w.size-off)], off)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	w.from, w.n = off, got
	return w.buf[:min(n, got)], nil
}

// record returns the intact record at off, nil if there is none.
func (w *window) record(off int64) ([]byte, error) {
	h, err := w.at(off, recordHeader)
	if err != nil {
		return nil, err
	}
	size, ok := recordLen(h)
	if !ok || off+recordHeader+int64(size) > w.size {
		return nil, nil
	}
	rec, err := w.at(off, recordHeader+size)
	if err != nil || len(rec) < recordHeader+size || !recordIntact(rec) {
		return nil, err
	}
	return rec, nil
}

// buried returns the end of the buried record at off, 0 if there is none.
func (w *window) buried(off int64) (end int64, err error) {
	h, err := w.peek(off)
	if err != nil {
		return 0, err
	}
	n, ok := buriedLen(h)
	if end = off + recordHeader + n; !ok || end > w.size {
		return 0, nil
	}
	return end, nil
}

// gap is a stretch of a pack that holds no intact record.
type gap struct{ from, to int64 }

// scanRecords calls record for every intact record of the pack between off
// and its end, with a nil shard if it is buried, and damaged for every stretch
// between them. A stretch that
// reaches the end of the file is the torn tail of the last write, or damage:
// nobody can tell, and nothing follows it. It stops at the first error of
// either callback and returns it.
func scanRecords(r io.ReaderAt, size, off int64, record func(off, end int64, shard []byte) error, damaged func(gap) error) error {
	w := newWindow(r, size)
	for off < size {
		end, err := w.buried(off)
		if err != nil {
			return fmt.Errorf("scan pack at %d: %w", off, err)
		}
		if end > 0 {
			if err := record(off, end, nil); err != nil {
				return err
			}
			off = end
			continue
		}
		rec, err := w.record(off)
		if err != nil {
			return fmt.Errorf("scan pack at %d: %w", off, err)
		}
		if rec == nil {
			next, err := w.resync(off + 1)
			if err != nil {
				return fmt.Errorf("scan pack at %d: %w", off, err)
			}
			if err := damaged(gap{off, next}); err != nil {
				return err
			}
			off = next
			continue
		}
		next := off + int64(len(rec))
		if err := record(off, next, rec[recordHeader:]); err != nil {
			return err
		}
		off = next
	}
	return nil
}

// Junk can look like headers everywhere, by chance or because somebody stored
// it. So that a search stays linear, the bytes that it may checksum are earned
// by those that it passes; a candidate that costs more is passed over.
const (
	resyncGrant = 4 * MaxShard
	resyncEarn  = 16
)

// resync returns the offset of the first intact record at or after off, or
// the file's size. A header must be followed by another, or by the end, before
// its checksum is worth computing.
func (w *window) resync(off int64) (int64, error) {
	const step = 64 << 10
	for off < w.size {
		b, err := w.at(off, step+recordHeader)
		if err != nil {
			return 0, err
		}
		at, ok := nextHeader(b)
		if !ok {
			off += int64(max(1, len(b)-recordHeader+1))
			continue
		}
		off += int64(at)
		size, err := w.chained(off)
		if err != nil {
			return 0, err
		}
		if size > 0 && w.spent+size <= resyncGrant+resyncEarn*off {
			w.spent += size
			if rec, err := w.record(off); err != nil || rec != nil {
				return off, err
			}
		}
		off++
	}
	return w.size, nil
}

// nextHeader finds the first position in b that could be a record header.
func nextHeader(b []byte) (int, bool) {
	for i := 0; i+recordHeader <= len(b); i++ {
		if b[i+3] != recordMark {
			continue
		}
		if _, ok := recordLen(b[i:]); ok {
			return i, true
		}
	}
	return 0, false
}

// chained returns the size of the shard that the header at off declares, if
// another header or the end of the file follows it, else 0.
func (w *window) chained(off int64) (int64, error) {
	h, err := w.at(off, recordHeader)
	if err != nil {
		return 0, err
	}
	size, ok := recordLen(h)
	next := off + recordHeader + int64(size)
	if !ok || next > w.size {
		return 0, nil
	}
	if end, err := isPadding(w.r, next, w.size); err != nil || end {
		return int64(size), err
	}
	if h, err = w.peek(next); err != nil {
		return 0, err
	}
	_, live := recordLen(h)
	if _, dead := buriedLen(h); !live && !dead {
		return 0, nil
	}
	return int64(size), nil
}

// peek is at for a header, and leaves the buffer where it is.
func (w *window) peek(off int64) ([]byte, error) {
	if off >= w.from && off+recordHeader <= w.from+int64(w.n) {
		return w.at(off, recordHeader)
	}
	h := make([]byte, recordHeader)
	n, err := w.r.ReadAt(h, off)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return h[:n], nil
}
