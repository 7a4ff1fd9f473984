package integration

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"
)

// text returns a file's content that shows whether it is whole: random bytes
// of a random length, and their hash.
func text(r *rand.Rand) []byte {
	b := make([]byte, 1+r.IntN(600<<10))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

func whole(b []byte) bool {
	if len(b) <= sha256.Size {
		return false
	}
	n := len(b) - sha256.Size
	sum := sha256.Sum256(b[:n])
	return bytes.Equal(sum[:], b[n:])
}

// save replaces path until time is up, at least once, by turns as an editor
// does that keeps a backup while it writes, and with mv. It prints how often.
func save(path string, span time.Duration, who int64) error {
	r := rand.New(rand.NewPCG(uint64(who), 1))
	fresh := fmt.Sprintf("%s.%d.new", path, who)
	backup := fmt.Sprintf("%s.%d~", path, who)
	n := 0
	for end := time.Now().Add(span); n == 0 || time.Now().Before(end); n++ {
		if old, err := os.ReadFile(path); err == nil {
			if err := os.WriteFile(backup, old, 0o644); err != nil {
				return err
			}
		}
		if err := writeText(fresh, text(r), n%3 != 0); err != nil {
			return err
		}
		if n%8 == 7 {
			if out, err := exec.Command("mv", fresh, path).CombinedOutput(); err != nil {
				return fmt.Errorf("mv: %w: %s", err, out)
			}
		} else if err := os.Rename(fresh, path); err != nil {
			return err
		}
		if err := os.Remove(backup); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	fmt.Println(n)
	return nil
}

func writeText(path string, b []byte, sync bool) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(b); err != nil {
		return err
	}
	if !sync {
		return nil
	}
	return f.Sync()
}

// watch reads path until time is up: through a new descriptor, and again
// through one that was opened earlier. It prints how often.
func watch(path string, span time.Duration) error {
	n := 0
	for end := time.Now().Add(span); time.Now().Before(end); n++ {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		for range 2 {
			b, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<30))
			if err != nil || !whole(b) {
				return fmt.Errorf("read %d: %d bytes are not a whole file, %v", n, len(b), err)
			}
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	fmt.Println(n)
	return nil
}

const pageSize = 4096

// fillPage writes what page i of a mapped file holds in round.
func fillPage(p []byte, i, round int) {
	for at := 0; at < pageSize; at += 8 {
		binary.LittleEndian.PutUint64(p[at:], uint64(i)<<32|uint64(round)<<16|uint64(at))
	}
}

const mapRounds = 3

// mapWrite writes every count-th page of a file from the index-th on, through
// a shared mapping, several times over.
func mapWrite(path string, index, count int) error {
	return mapped(path, func(m []byte) error {
		for round := range mapRounds {
			for i := index; i < len(m)/pageSize; i += count {
				fillPage(m[i*pageSize:(i+1)*pageSize], i, round)
				if i%500 == index {
					if err := unix.Msync(m[i/512*512*pageSize:(i+1)*pageSize], unix.MS_SYNC); err != nil {
						return err
					}
				}
			}
			if err := unix.Msync(m, unix.MS_SYNC); err != nil {
				return err
			}
		}
		return nil
	})
}

// mapVerify compares a file with what mapWrites leave, through a mapping and
// with read.
func mapVerify(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return mapped(path, func(m []byte) error {
		want := make([]byte, pageSize)
		for i := range len(m) / pageSize {
			fillPage(want, i, mapRounds-1)
			at := i * pageSize
			if !bytes.Equal(m[at:at+pageSize], want) || !bytes.Equal(b[at:at+pageSize], want) {
				return fmt.Errorf("page %d has other bytes", i)
			}
		}
		return nil
	})
}

func mapped(path string, fn func(m []byte) error) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	i, err := f.Stat()
	if err != nil {
		return err
	}
	m, err := unix.Mmap(int(f.Fd()), 0, int(i.Size()), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("mmap: %w", err)
	}
	return errors.Join(fn(m), unix.Munmap(m))
}

// trims changes a file at random until time is up and compares it with a copy
// in memory all the time. It leaves the sum of what must be there at PATH.sum.
func trims(path string, span time.Duration, seed int64) error {
	const limit = 6 << 20
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	r := rand.New(rand.NewPCG(uint64(seed), 2))
	var want []byte
	for end := time.Now().Add(span); time.Now().Before(end); {
		off := r.Int64N(limit / 2)
		n := 1 + r.Int64N(1<<uint(r.IntN(21)))
		if want, err = trimStep(f, r, want, off, n); err != nil {
			return err
		}
		have := make([]byte, min(n+8192, int64(len(want))-min(off, int64(len(want)))))
		if _, err := f.ReadAt(have, off); err != nil && len(have) > 0 {
			return fmt.Errorf("read %d at %d: %w", len(have), off, err)
		}
		if !bytes.Equal(have, want[min(off, int64(len(want))):][:len(have)]) {
			return fmt.Errorf("%d bytes at %d of %d differ", len(have), off, len(want))
		}
	}
	have, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(have, want) {
		return fmt.Errorf("%d bytes at the end, want %d: %w", len(have), len(want), err)
	}
	return os.WriteFile(path+".sum", fmt.Appendf(nil, "%x  %s\n", sha256.Sum256(want), path), 0o644)
}

// trimStep does one change to the file and to want.
func trimStep(f *os.File, r *rand.Rand, want []byte, off, n int64) ([]byte, error) {
	grow := func(size int64) {
		if size > int64(len(want)) {
			want = append(want, make([]byte, size-int64(len(want)))...)
		}
	}
	zero := func() { clear(want[min(off, int64(len(want))):min(off+n, int64(len(want)))]) }
	switch r.IntN(10) {
	case 0:
		zero()
		return want, unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
	case 1:
		grow(off + n)
		zero()
		return want, unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_ZERO_RANGE, off, n)
	case 2:
		zero()
		return want, unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_ZERO_RANGE|unix.FALLOC_FL_KEEP_SIZE, off, n)
	case 3:
		size := off + n
		grow(size)
		want = want[:size:size]
		return want, f.Truncate(size)
	case 4:
		return want, f.Sync()
	}
	grow(off + n)
	for i := off; i < off+n; i++ {
		want[i] = byte(r.Uint32())
	}
	_, err := f.WriteAt(want[off:off+n], off)
	return want, err
}
