package job

import (
	"errors"
	"fmt"
	"io"
	"os"
)

const mib = 1 << 20

// write writes Size bytes of Data to a new file Path, 1 MiB at a time.
func write(s Spec) (work, error) {
	data, err := s.Data.Bytes(s.Size, s.Seed)
	return func() error { return writeFile(s.Path, data, false) }, err
}

func writeFile(path string, data []byte, sync bool) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	for len(data) > 0 && err == nil {
		n := min(mib, len(data))
		_, err = f.Write(data[:n])
		data = data[n:]
	}
	if sync && err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// read reads the file Path, which has Size bytes, from beginning to end.
func read(s Spec) (work, error) {
	buf := make([]byte, mib)
	return func() error {
		f, err := os.Open(s.Path)
		if err != nil {
			return err
		}
		defer f.Close()
		var total int64
		for {
			n, err := f.Read(buf)
			total += int64(n)
			switch {
			case errors.Is(err, io.EOF) && total == s.Size:
				return nil
			case errors.Is(err, io.EOF):
				return fmt.Errorf("read %d bytes of %d", total, s.Size)
			case err != nil:
				return err
			}
		}
	}, nil
}

// appendRecords appends Count records of Block bytes to Path, one write each.
func appendRecords(s Spec) (work, error) {
	data, err := s.Data.Bytes(s.Block*s.Count, s.Seed)
	return func() error {
		f, err := os.OpenFile(s.Path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
		if err != nil {
			return err
		}
		for ; len(data) > 0 && err == nil; data = data[s.Block:] {
			_, err = f.Write(data[:s.Block])
		}
		return errors.Join(err, f.Close())
	}, err
}
