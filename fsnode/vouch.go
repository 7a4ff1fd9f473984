package fsnode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/zeebo/blake3"
)

// vouchAtOnce is the size of a database, in bytes, up to which Open looks it
// over before it returns. That of ten million inodes has gigabytes, which take
// seconds to read: a larger one is looked over while the volume is in use.
const vouchAtOnce = 64 << 20

// doubt is a database that may not be what was closed, or be damaged by a
// crash, until done is closed and err is nil. Rows are sealed, so what can be
// read meanwhile is true; what could be wrong is that some are missing. Nothing
// may be concluded from that for good: until then no save and no commit takes
// place, and no collection looks at the volume.
type doubt struct {
	path string
	// f is the file as it was before SQLite opened it. It is closed after the
	// database is, since that gives up all locks of this process on the file.
	f    *os.File // nil: there was none
	size int64
	hash *[32]byte // what it has if it is as it was closed; nil: it was not
	done chan struct{}
	err  error
}

func openVouched(path string) (*doubt, error) {
	d := &doubt{path: path, done: make(chan struct{})}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return d, nil
	}
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	d.f, d.size = f, fi.Size()
	return d, nil
}

// vouch looks the database over, now if it is small or else in a task of the
// volume, which has saves wait for it. ErrDatabase if it is damaged.
func (v *Volume) vouch(ctx context.Context) error {
	d := v.doubt
	if d.size <= v.o.VouchAtOnce {
		defer close(d.done)
		return d.look(ctx, v.db)
	}
	v.saveMu.Lock()
	v.tasks.Go(func() {
		defer v.saveMu.Unlock()
		defer close(d.done)
		if d.err = d.look(v.ctx, v.db); d.err == nil || v.ctx.Err() != nil {
			return
		}
		v.o.Log.Error("the metadata of a volume cannot be trusted: unmount it, and check it with --repair", "volume", v.o.Name, "err", d.err)
		v.fail(d.err)
		if d.hash != nil && !v.o.ReadOnly {
			err := v.guard.write(v.db, guardAltered, guardNote{Gen: v.guard.gen, Time: time.Now().Unix(), Hash: *d.hash})
			if err == nil {
				err = v.guard.f.Sync()
			}
			if err != nil {
				v.o.Log.Error("note damage", "volume", v.o.Name, "err", err)
			}
		}
	})
	return nil
}

// vouched waits until the database was looked over; ErrDatabase if it is
// damaged.
func (v *Volume) vouched(ctx context.Context) error {
	select {
	case <-v.doubt.done:
		return v.doubt.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// look compares the file with what it was when it was closed, or, if it was
// not, sees whether the database is sound in itself.
func (d *doubt) look(ctx context.Context, db *metaDB) error {
	if d.hash == nil {
		return db.verify(ctx, d.path)
	}
	sum, err := d.sum(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDatabase, err)
	}
	if sum != *d.hash {
		return errAltered
	}
	return nil
}

// sum returns the BLAKE3 of the file. Without a save SQLite does not write to
// it, and what came to stand in the log before that is no part of it.
func (d *doubt) sum(ctx context.Context) (sum [32]byte, err error) {
	const piece = 1 << 20
	h := blake3.New()
	buf := make([]byte, piece)
	for off := int64(0); off < d.size; {
		if err := ctx.Err(); err != nil {
			return sum, err
		}
		n, err := d.f.ReadAt(buf[:min(piece, d.size-off)], off)
		h.Write(buf[:n])
		if off += int64(n); err != nil && err != io.EOF || n == 0 {
			return sum, fmt.Errorf("read %s: %w", d.path, err)
		}
	}
	h.Sum(sum[:0])
	return sum, nil
}

func (d *doubt) close() error {
	if d == nil || d.f == nil {
		return nil
	}
	return d.f.Close()
}
