package cli

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
)

// step is one operation of the workload. Those that acks names, hold, read and
// drop do not change the tree. What is held stays open: it goes to the journal
// and not into blocks at each close.
type step struct {
	do        string
	path, to  string
	off, size int64
	seed      uint64 // of the bytes; equal seeds give equal bytes
}

func (s step) String() string {
	return strings.TrimSpace(fmt.Sprintf("%s %s %s %d+%d", s.do, s.path, s.to, s.off, s.size))
}

// acks reports whether success means that all before it is durable.
func (s step) acks() bool {
	return slices.Contains([]string{"fsync", "sync", "snapshot", "prune", "reopen"}, s.do)
}

func (s step) bytes() []byte {
	var key [32]byte
	copy(key[:], fmt.Sprint("crash ", s.seed))
	p := make([]byte, s.size)
	rand.NewChaCha8(key).Read(p)
	return p
}

const piece = 128 << 10 // the most that the kernel writes at once

// workload touches everything that a volume keeps.
func workload() []step {
	var w []step
	add := func(s ...step) { w = append(w, s...) }
	large := func(p string) {
		add(step{do: "create", path: p})
		for i := range int64(6) {
			add(step{do: "write", path: p, off: i * piece, size: piece, seed: 100 + uint64(i)})
		}
	}
	replace := func(p string, size int64, seed uint64) {
		add(step{do: "create", path: p + ".tmp"}, step{do: "write", path: p + ".tmp", size: size, seed: seed},
			step{do: "fsync", path: p + ".tmp"}, step{do: "rename", path: p + ".tmp", to: p}, step{do: "fsync", path: path.Dir(p)})
	}
	add(step{do: "mkdir", path: "d"}, step{do: "create", path: "d/a"}, step{do: "write", path: "d/a", size: 100, seed: 1},
		step{do: "fsync", path: "d/a"}, step{do: "create", path: "d/b"}, step{do: "write", path: "d/b", size: 20_000, seed: 2},
		step{do: "fsync", path: "d"}, step{do: "hold", path: "d/b"}, step{do: "write", path: "d/b", off: 10_000, size: 30_000, seed: 3},
		step{do: "fsync", path: "d/b"}, step{do: "write", path: "d/b", off: 5000, size: 9000, seed: 13})
	replace("d/a", 9000, 4)
	large("big")
	add(step{do: "sync"}, step{do: "link", path: "d/a", to: "hard"}, step{do: "symlink", path: "soft", to: "d/a"},
		step{do: "setxattr", path: "d/b", to: "user.color", size: 40, seed: 5}, step{do: "fsync", path: "d/b"})
	large("copy")
	add(step{do: "write", path: "big", off: 300_000, size: 1000, seed: 6}, step{do: "punch", path: "copy", off: 0, size: 524288},
		step{do: "fsync", path: "big"}, step{do: "truncate", path: "copy", size: 600_000}, step{do: "snapshot", path: "first"})
	replace("hard", 70_000, 7)
	add(step{do: "mkdir", path: "x"}, step{do: "mkdir", path: "x/y"}, step{do: "rename", path: "d/b", to: "x/y/b"},
		step{do: "rename", path: "x", to: "d/x"}, step{do: "unlink", path: "copy"}, step{do: "fsync", path: "d"},
		step{do: "drop"}, step{do: "read", path: "big"}, step{do: "write", path: "d/x/y/b", off: 35_000, size: 12_000, seed: 8},
		step{do: "truncate", path: "d/a", size: 50}, step{do: "reopen"},
		step{do: "removexattr", path: "d/x/y/b", to: "user.color"}, step{do: "write", path: "big", off: 0, size: piece, seed: 9},
		step{do: "unlink", path: "soft"}, step{do: "chmod", path: "d/a", size: 0o600}, step{do: "fsync", path: "."})
	replace("big", 200, 10)
	add(step{do: "sync"}, step{do: "mkdir", path: "gone"}, step{do: "rmdir", path: "gone"},
		step{do: "write", path: "d/a", off: 50, size: 50, seed: 11}, step{do: "fsync", path: "d/a"},
		step{do: "prune"}, step{do: "unlink", path: "hard"}, step{do: "hold", path: "d/a"},
		step{do: "write", path: "d/a", off: 100, size: 20_000, seed: 12}, step{do: "fsync", path: "d/a"},
		step{do: "write", path: "d/a", off: 9000, size: 20_000, seed: 14})
	return w
}

// model is a file system so simple that it is right. Hard links share a node.
type model map[string]*modelNode

type modelNode struct {
	dir    bool
	mode   uint32
	target string
	data   []byte
	sum    string // of data; "" until it is asked for
	xattrs map[string]string
}

func newModel() model { return model{} }

// apply does s, which succeeds.
func (m model) apply(s step) {
	n := m[s.path]
	switch s.do {
	case "mkdir":
		m[s.path] = &modelNode{dir: true, mode: 0o755}
	case "create":
		m[s.path] = &modelNode{mode: 0o644, xattrs: map[string]string{}}
	case "symlink":
		m[s.path] = &modelNode{mode: 0o777, target: s.to}
	case "link":
		m[s.to] = n
	case "unlink", "rmdir":
		delete(m, s.path)
	case "rename":
		m.rename(s.path, s.to)
	case "write":
		n.resize(max(int64(len(n.data)), s.off+s.size))
		copy(n.data[s.off:], s.bytes())
	case "truncate":
		n.resize(s.size)
	case "punch":
		n.resize(int64(len(n.data)))
		clear(n.data[s.off:min(s.off+s.size, int64(len(n.data)))])
	case "chmod":
		n.mode = uint32(s.size)
	case "setxattr":
		n.xattrs[s.to] = string(s.bytes())
	case "removexattr":
		delete(n.xattrs, s.to)
	}
}

func (m model) rename(from, to string) {
	for _, p := range slices.Sorted(maps.Keys(m)) {
		if inside, ok := strings.CutPrefix(p, from+"/"); ok {
			m[to+"/"+inside] = m[p]
			delete(m, p)
		}
	}
	m[to] = m[from]
	delete(m, from)
}

// resize gives n bytes of its own to change.
func (n *modelNode) resize(size int64) {
	data := make([]byte, size)
	copy(data, n.data)
	n.data, n.sum = data, ""
}

// listing describes everything that can be seen: a line for each path.
type listing map[string]string

func (m model) tree() listing {
	links := map[*modelNode]int{}
	for _, n := range m {
		links[n]++
	}
	t := listing{}
	for p, n := range m {
		t[p] = listed(n, links[n])
	}
	return t
}

func listed(n *modelNode, links int) string {
	switch {
	case n.dir:
		return fmt.Sprintf("directory %o", n.mode)
	case n.target != "":
		return "link to " + n.target
	}
	if n.sum == "" {
		n.sum = fmt.Sprintf("%.4x", sha256.Sum256(n.data))
	}
	return fmt.Sprintf("file %o, %d links, %d bytes, sum %s, xattrs %q", n.mode, links, len(n.data), n.sum, n.xattrs)
}

// minus tells in what t differs from want, "" if in nothing.
func (t listing) minus(want listing) string {
	var out []string
	for _, p := range slices.Sorted(maps.Keys(want)) {
		if t[p] != want[p] {
			out = append(out, fmt.Sprintf("%s: have %q, want %q", p, t[p], want[p]))
		}
	}
	for _, p := range slices.Sorted(maps.Keys(t)) {
		if want[p] == "" {
			out = append(out, fmt.Sprintf("%s: have %q, want nothing", p, t[p]))
		}
	}
	return strings.Join(out, "\n  ")
}

// history has the tree after each prefix of the steps that were done.
func history(steps []step, done func(i int) bool) []listing {
	m := newModel()
	out := []listing{m.tree()}
	for i, s := range steps {
		if done(i) {
			m.apply(s)
		}
		out = append(out, m.tree())
	}
	return out
}
