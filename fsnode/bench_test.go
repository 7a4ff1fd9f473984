package fsnode

import (
	"fmt"
	"testing"
)

// BenchmarkCreate is create, write of 4 KiB, close of one file in a directory
// that grows, with saves and commits going on beside.
func BenchmarkCreate(b *testing.B) {
	r := newRig(b, nil)
	data := noise(1, 4096)
	for i := 0; b.Loop(); i++ {
		a, err := r.v.Create(bg, RootIno, fmt.Sprintf("file-%07d", i), 0o644, root)
		if err == nil {
			err = r.v.Open(bg, a.Ino, true)
		}
		if err == nil {
			_, err = r.v.Write(bg, a.Ino, 0, data, true)
		}
		if err != nil {
			b.Fatal(err)
		}
		r.v.Release(bg, a.Ino, true)
		r.v.Forget(a.Ino, 1)
	}
}

// BenchmarkStream writes one large file; the backend keeps blocks in memory,
// so that what is measured is chunking, sealing and the fresh layer.
func BenchmarkStream(b *testing.B) {
	r := newRig(b, nil)
	a, err := r.v.Create(bg, RootIno, "f", 0o644, root)
	if err != nil {
		b.Fatal(err)
	}
	data := noise(1, 128<<10)
	b.SetBytes(int64(len(data)))
	off := int64(0)
	for b.Loop() {
		data[0], data[1], data[2] = byte(off>>17), byte(off>>25), byte(off>>33)
		if _, err := r.v.Write(bg, a.Ino, off%(2<<30), data, true); err != nil {
			b.Fatal(err)
		}
		off += int64(len(data))
	}
}

// BenchmarkCommitOneOfMany changes one file among many and commits.
func BenchmarkCommitOneOfMany(b *testing.B) {
	r := newRig(b, nil)
	var last Ino
	for i := range 50_000 {
		a, err := r.v.Create(bg, RootIno, fmt.Sprintf("file-%07d", i), 0o644, root)
		if err != nil {
			b.Fatal(err)
		}
		last = a.Ino
	}
	r.v.Commit(bg, "", nil)
	for i := 0; b.Loop(); i++ {
		r.v.Write(bg, last, 0, fmt.Append(nil, i), true)
		if _, err := r.v.Commit(bg, "", nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkListAfterOpen lists 10,000 files in 200 directories, with their
// attributes, of a volume that was just opened.
func BenchmarkListAfterOpen(b *testing.B) {
	r := newRig(b, nil)
	for i := range 200 {
		dir, err := r.v.Mkdir(bg, RootIno, fmt.Sprintf("dir-%03d", i), 0o755, root)
		if err != nil {
			b.Fatal(err)
		}
		for k := range 50 {
			r.create(dir.Ino, fmt.Sprintf("file-%03d.go", k), noise(uint64(i*50+k), 2000+k*500))
		}
	}
	for b.Loop() {
		b.StopTimer()
		r.close()
		r.open()
		b.StartTimer()
		if n := r.listAll(RootIno); n != 200*51 {
			b.Fatalf("%d entries", n)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*200*51), "µs/entry")
}

// listAll returns how many entries are below dir, each of which it holds.
func (r *rig) listAll(dir Ino) int {
	n := 0
	var below []Ino
	err := r.v.ReaddirPlus(bg, dir, 0, func(e DirEntry) bool {
		n++
		if e.Mode == modeDir {
			below = append(below, e.Ino)
		}
		_, ok := r.v.Hold(e.Ino)
		return ok
	})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, ino := range below {
		n += r.listAll(ino)
	}
	return n
}
