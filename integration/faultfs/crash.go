package faultfs

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
)

// Crash is how a machine stops.
type Crash uint8

// The ways for a machine to stop.
const (
	Killed   Crash = iota // only the processes: the caches live on
	Dropped               // nothing that was not durable survives
	TornLast              // everything survives but the second half of the last write
	Sizes                 // names and sizes survive, bytes that were not durable do not
	Mixed                 // any part of what was not durable survives
	Ordered               // likewise, but changes of names survive in their order only
	Crashes               // how many there are
)

// String returns the name of c.
func (c Crash) String() string {
	return [...]string{"killed", "dropped", "torn last write", "sizes without bytes", "mixed", "mixed, names in order"}[c]
}

// chance decides what survives.
type chance struct {
	crash Crash
	rand  *rand.Rand
	names int // of Ordered: how many changes survive; below 0: not drawn yet
}

// page chooses what a page holds, given what is durable and what it held since.
func (c *chance) page(durable *page, since []*page) *page {
	switch c.crash {
	case Killed, TornLast:
		return since[len(since)-1]
	case Dropped, Sizes:
		return durable
	}
	switch version := since[c.rand.IntN(len(since))]; c.rand.IntN(4) {
	case 0:
		return durable
	case 1:
		return torn(durable, version, c.rand.IntN(pageSize/sectorSize))
	default:
		return version
	}
}

// size chooses among the sizes that a file may have: the durable one, the
// cached one, others.
func (c *chance) size(of []int64) int64 {
	switch c.crash {
	case Dropped:
		return of[0]
	case Killed, TornLast, Sizes:
		return of[1]
	}
	return of[c.rand.IntN(len(of))]
}

// change decides whether the i-th of n changes of names survives.
func (c *chance) change(i, n int) bool {
	switch c.crash {
	case Dropped:
		return false
	case Killed, TornLast, Sizes:
		return true
	case Ordered:
		if c.names < 0 {
			c.names = c.rand.IntN(n + 1)
		}
		return i < c.names
	}
	return c.rand.IntN(2) == 0
}

// Materialise writes what crash leaves into the directory dir, which must be
// empty. The seed settles what is left to chance.
func (d *Disk) Materialise(dir string, crash Crash, seed uint64) error {
	c := &chance{crash: crash, rand: rand.New(rand.NewPCG(seed, uint64(crash))), names: -1}
	w := writer{disk: d, chance: c, names: d.names(*c), done: map[uint64]string{}}
	if err := w.dir(rootIno, dir); err != nil {
		return fmt.Errorf("write disk after crash: %w", err)
	}
	return nil
}

type writer struct {
	disk   *Disk
	chance *chance
	names  map[uint64]map[string]uint64
	done   map[uint64]string // what has been written already
}

func (w *writer) dir(ino uint64, path string) error {
	for _, name := range sorted(w.names[ino]) {
		if err := w.node(w.names[ino][name], filepath.Join(path, name)); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) node(ino uint64, path string) error {
	n := w.disk.inodes[ino]
	if first, ok := w.done[ino]; ok && n.mode&syscall.S_IFMT != syscall.S_IFDIR {
		return os.Link(first, path)
	} else if ok {
		return nil // a directory that lost one half of its rename has one name
	}
	w.done[ino] = path
	switch n.mode & syscall.S_IFMT {
	case syscall.S_IFDIR:
		if err := os.Mkdir(path, os.FileMode(n.mode&0o777)); err != nil {
			return err
		}
		return w.dir(ino, path)
	case syscall.S_IFLNK:
		return os.Symlink(n.target, path)
	case syscall.S_IFREG:
		return w.image(w.disk.crashedFile(ino, w.chance), path, n.mode)
	}
	return nil // a socket or fifo is nothing to a disk
}

// crashedFile returns what is left of a file; in TornLast the last write is
// cut in half.
func (d *Disk) crashedFile(ino uint64, c *chance) image {
	f := d.inodes[ino].file
	img := f.crashed(*c)
	if op := d.last; c.crash == TornLast && op != nil && op.Kind == Write && op.Ino == ino {
		end := op.Off + int64(len(op.Data))
		cut := (op.Off + int64(len(op.Data)/2)) / sectorSize * sectorSize
		cut = max(cut, op.Off)
		img.restore(f, cut, end)
		if img.size == end {
			img.size = max(cut, min(end, f.durableSize)) // it was growing
		}
	}
	return img
}

// restore gives the sectors in [from, to) what they held before the last
// write.
func (img *image) restore(f *file, from, to int64) {
	for n := from / pageSize; n*pageSize < to; n++ {
		now, before := img.pages[n], f.durable[n]
		if v := f.dirty[n]; len(v) > 1 {
			before = v[len(v)-2]
		}
		keep := max(0, from-n*pageSize) / sectorSize
		img.pages[n] = torn(before, now, int(keep))
	}
}

func (w *writer) image(img image, path string, mode uint32) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, os.FileMode(mode&0o777))
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(img.size); err != nil {
		return err
	}
	for n, p := range img.pages {
		left := img.size - n*pageSize
		if p == nil || left <= 0 {
			continue
		}
		if _, err := f.WriteAt(p[:min(left, pageSize)], n*pageSize); err != nil {
			return err
		}
	}
	return f.Close()
}
