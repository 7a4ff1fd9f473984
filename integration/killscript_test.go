package integration

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
)

const (
	stampSize  = 64        // bytes of content that say where they belong
	maxThings  = 24        // names in a world before some are removed
	maxContent = 600 << 10 // bytes of a file before it is cut
)

// script is the endless sequence of steps of a writer: the same for whoever
// knows the seed and the world that it began with.
type script struct {
	writer int
	rng    *rand.Rand
	world  *world
	queue  []step
	count  int // steps made up, for names and content that occur once
	round  int
}

func newScript(seed uint64, writer, round int, w *world) *script {
	return &script{writer: writer, rng: rand.New(rand.NewPCG(seed, uint64(round)<<16|uint64(writer))), world: w, round: round}
}

// next returns a step and applies it to the world.
func (s *script) next() step {
	for len(s.queue) == 0 {
		s.plan()
	}
	one := s.queue[0]
	s.queue = s.queue[1:]
	s.world.apply(one)
	return one
}

func (s *script) add(st step) { s.queue = append(s.queue, st) }

// plan queues what a program would do in one go.
func (s *script) plan() {
	if len(s.world.Names) > maxThings {
		s.remove()
		return
	}
	switch s.rng.IntN(12) {
	case 0, 1, 2:
		s.saveOver()
	case 3, 4:
		s.create()
	case 5, 6:
		s.grow()
	case 7:
		s.overwrite()
	case 8:
		s.resize()
	case 9:
		s.folder()
	case 10:
		s.names()
	default:
		s.remove()
	}
}

// fresh returns a name that was never used, in a folder that exists.
func (s *script) fresh(kind string) string {
	s.count++
	name := fmt.Sprintf("%s-%d-%d", kind, s.round, s.count)
	if dirs := s.paths(os.ModeDir); len(dirs) > 0 && s.rng.IntN(3) == 0 {
		return dirs[s.rng.IntN(len(dirs))] + "/" + name
	}
	return name
}

// paths returns the names of all things of a type.
func (s *script) paths(kind os.FileMode) []string {
	var out []string
	for _, p := range slices.Sorted(maps.Keys(s.world.Names)) {
		if s.world.at(p).Mode.Type() == kind {
			out = append(out, p)
		}
	}
	return out
}

func (s *script) anyFile() (string, bool) {
	files := s.paths(0)
	if len(files) == 0 {
		return "", false
	}
	return files[s.rng.IntN(len(files))], true
}

// size draws an amount of bytes: mostly little, at times several chunks. A
// piece of it is never more than one request of the kernel.
func (s *script) size() int {
	switch s.rng.IntN(8) {
	case 0:
		return 200<<10 + s.rng.IntN(300<<10)
	case 1, 2:
		return 8<<10 + s.rng.IntN(60<<10)
	default:
		return 1 + s.rng.IntN(8<<10)
	}
}

// write queues n bytes at off, in pieces.
func (s *script) write(path string, off int64, n int) {
	for n > 0 {
		piece := min(n, 96<<10)
		s.count++
		s.add(step{Op: "write", Path: path, Off: off, Data: stamped(s.writer, s.round, s.count, off, piece)})
		off, n = off+int64(piece), n-piece
	}
}

// stamped returns n bytes for position off whose every line says who wrote it,
// when, and where it belongs, and half of which does not compress.
func stamped(writer, round, count int, off int64, n int) []byte {
	from := off / stampSize * stampSize
	var b []byte
	rng := rand.New(rand.NewPCG(uint64(writer)<<32|uint64(round), uint64(count)))
	for at := from; at < off+int64(n); at += stampSize {
		b = fmt.Appendf(b, "w%02d r%06d c%06d @%010d %016x%015x\n", writer, round, count, at, rng.Uint64(), rng.Uint64()>>4)
	}
	return b[off-from:][:n]
}

// saveOver is how editors save: a temporary file, synced, over the old one.
func (s *script) saveOver() {
	tmp := s.fresh("tmp")
	s.add(step{Op: "create", Path: tmp, Mode: 0o644})
	s.write(tmp, 0, s.size())
	if s.rng.IntN(2) == 0 {
		s.add(step{Op: "fsync", Path: tmp})
	}
	target, ok := s.anyFile()
	if !ok || s.rng.IntN(4) == 0 {
		target = s.fresh("file")
	}
	s.add(step{Op: "rename", Path: tmp, To: target})
	if s.rng.IntN(2) == 0 {
		s.add(step{Op: "fsync", Path: folderOf(target)})
	}
}

func folderOf(path string) string {
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		return path[:i]
	}
	return "."
}

func (s *script) create() {
	path := s.fresh("file")
	s.add(step{Op: "create", Path: path, Mode: 0o644})
	s.write(path, 0, s.size())
	if s.rng.IntN(2) == 0 {
		s.add(step{Op: "fsync", Path: path})
	}
}

func (s *script) grow() {
	if path, ok := s.anyFile(); ok && len(s.world.at(path).Data) < maxContent {
		s.write(path, int64(len(s.world.at(path).Data)), s.size())
		if s.rng.IntN(3) == 0 {
			s.add(step{Op: "fsync", Path: path})
		}
	}
}

func (s *script) overwrite() {
	if path, ok := s.anyFile(); ok {
		if n := len(s.world.at(path).Data); n > 0 {
			s.write(path, s.rng.Int64N(int64(n)), 1+s.rng.IntN(20<<10))
		}
	}
}

func (s *script) resize() {
	if path, ok := s.anyFile(); ok {
		n := int64(len(s.world.at(path).Data))
		s.add(step{Op: "truncate", Path: path, Off: s.rng.Int64N(min(n+n/4+2, maxContent))})
	}
}

func (s *script) folder() {
	path := s.fresh("dir")
	s.add(step{Op: "mkdir", Path: path, Mode: os.ModeDir | 0o755})
	s.add(step{Op: "fsync", Path: folderOf(path)})
}

func (s *script) names() {
	path, ok := s.anyFile()
	if !ok {
		return
	}
	switch s.rng.IntN(3) {
	case 0:
		s.add(step{Op: "link", Path: path, To: s.fresh("link")})
	case 1:
		s.count++
		s.add(step{Op: "symlink", Path: s.fresh("sym"), Data: fmt.Appendf(nil, "target of %d", s.count), Mode: os.ModeSymlink})
	default:
		s.add(step{Op: "chmod", Path: path, Mode: os.FileMode(0o600 | s.rng.IntN(0o100))})
	}
}

// remove takes a file, link or empty folder away.
func (s *script) remove() {
	paths := slices.Sorted(maps.Keys(s.world.Names))
	for range min(len(paths), 4) {
		path := paths[s.rng.IntN(len(paths))]
		below := func(p string) bool { return strings.HasPrefix(p, path+"/") }
		if !slices.ContainsFunc(paths, below) {
			s.add(step{Op: "remove", Path: path})
			return
		}
	}
}
