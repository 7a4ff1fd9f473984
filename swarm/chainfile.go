package swarm

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"pifs/blockstore"
	"pifs/blockstore/failpoint"
)

// chainFile is what a chain needs of its *os.File; tests make it fail.
type chainFile interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Stat() (os.FileInfo, error)
	Truncate(size int64) error
	Sync() error
}

// open opens the file, which it creates if it may.
func (c *Chain) open(readOnly bool) error {
	if readOnly {
		return c.use(os.Open(c.path))
	}
	f, err := os.OpenFile(c.path, os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		if err := writeNew(c.path, chainFileHeader(c.volume)); err != nil {
			return err
		}
		f, err = os.OpenFile(c.path, os.O_RDWR, 0)
	}
	if err := c.use(f, err); err != nil {
		return err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return fmt.Errorf("lock: %w", blockstore.ErrInUse)
	}
	return nil
}

// use takes the result of opening the file. A nil *os.File must not get into
// the interface.
func (c *Chain) use(f *os.File, err error) error {
	if err == nil {
		c.file = f
	}
	return err
}

// scan reads all frames and checks that each head follows the one before, and
// the signature of the last. It leaves the torn bytes at the end counted.
func (c *Chain) scan() error {
	info, err := c.file.Stat()
	if err != nil {
		return err
	}
	header := make([]byte, chainHeader)
	if _, err := c.file.ReadAt(header, 0); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if err := checkChainHeader(header, c.volume); err != nil {
		return err
	}
	for c.size = chainHeader; c.size < info.Size(); {
		payload, ok, err := readFrame(c.file, c.size, info.Size())
		if err != nil {
			return err
		}
		if !ok {
			return c.judgeEnd(info.Size())
		}
		if err := c.load(payload); err != nil {
			return fmt.Errorf("head %d: %w", c.last.Seq+1, err)
		}
	}
	return c.verifyLast()
}

func (c *Chain) load(payload []byte) error {
	h, err := UnmarshalHead(payload)
	if err != nil {
		return fmt.Errorf("%w: %w", blockstore.ErrCorrupt, err)
	}
	if err := h.follows(c.volume, c.writer, c.last.Seq, c.hash); err != nil {
		return err
	}
	return c.accept(h, payload)
}

// judgeEnd decides what the bytes after the last intact frame are: with
// another frame behind them they are damage, else an append that a crash cut.
func (c *Chain) judgeEnd(size int64) error {
	more, err := frameAfter(c.file, c.size+1, size)
	if err != nil {
		return err
	}
	if more {
		return fmt.Errorf("head %d: %w: record is damaged", c.last.Seq+1, blockstore.ErrCorrupt)
	}
	c.torn = size - c.size
	return c.verifyLast()
}

func (c *Chain) verifyLast() error {
	if c.last.Seq == 0 {
		return nil
	}
	return c.last.Verify()
}

// cut moves the torn end, if there is one, into a file beside the chain.
func (c *Chain) cut() error {
	if c.torn == 0 {
		return nil
	}
	torn := io.NewSectionReader(c.file, c.size, c.torn)
	if err := appendTo(c.path+".torn", torn); err != nil {
		return fmt.Errorf("keep torn record: %w", err)
	}
	failpoint.Hit(failpoint.ChainTornKept)
	if err := errors.Join(c.file.Truncate(c.size), c.file.Sync()); err != nil {
		return fmt.Errorf("cut torn record: %w", err)
	}
	return nil
}

func appendTo(path string, r io.Reader) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Sync(), f.Close(), syncDir(filepath.Dir(path)))
}

// write appends a frame durably, or leaves the file as it was.
func (c *Chain) write(frame []byte) error {
	_, err := c.file.WriteAt(frame, c.size)
	failpoint.Hit(failpoint.HeadWritten)
	if err == nil {
		err = c.file.Sync()
		if err == nil {
			failpoint.Hit(failpoint.HeadSynced)
			return nil
		}
		// After a failed sync nobody can say what is on the disk.
		c.broken = fmt.Errorf("an earlier sync failed: %w", err)
	}
	if cutErr := c.file.Truncate(c.size); cutErr != nil {
		c.broken = fmt.Errorf("an earlier append was not undone: %w", cutErr)
	}
	return err
}

// mend puts the heads that are known to be durable into a new file, which takes
// the place of the one whose end is in doubt: a sync of that one could say that
// all is well when it is not.
func (c *Chain) mend() error {
	dir := filepath.Dir(c.path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(c.path)+"-*")
	if err != nil {
		return err
	}
	n, err := io.Copy(f, io.NewSectionReader(c.file, 0, c.size))
	if err == nil && n != c.size {
		err = io.ErrUnexpectedEOF
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err == nil {
		err = os.Rename(f.Name(), c.path)
	}
	if err != nil {
		return errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	_ = c.file.Close() // nothing in it counts any more
	c.file = f
	if err := syncDir(dir); err != nil {
		return err // still broken: the old file may come back
	}
	c.broken = nil
	return nil
}

// Close closes the file. Closing twice does nothing.
func (c *Chain) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.file == nil {
		return nil
	}
	f := c.file
	c.file = nil
	return f.Close()
}
