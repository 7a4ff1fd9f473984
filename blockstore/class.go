package blockstore

import "fmt"

// Class is a rung (k, n) of an erasure ladder: n shards, any k of which
// rebuild the block.
type Class struct {
	_struct bool  `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	K       uint8 // shards needed
	N       uint8 // shards made
}

func (c Class) String() string { return fmt.Sprintf("(%d,%d)", c.K, c.N) }

// Overhead returns stored bytes per byte of block.
func (c Class) Overhead() float64 { return float64(c.N) / float64(c.K) }

// Quorum returns how many shards on distinct stores make a stripe count as
// safe: k + ⌈(n−k)/2⌉, half of what may still be lost in hand.
func (c Class) Quorum() int { return int(c.K) + (int(c.N-c.K)+1)/2 }

// Spare returns how many shards of a full stripe may be lost.
func (c Class) Spare() int { return int(c.N - c.K) }

// Valid reports whether c is a rung of one of the ladders. Decoders take no
// other class.
func (c Class) Valid() bool {
	for _, l := range []Ladder{Phi, Lean} {
		for _, r := range l.rungs() {
			if r.class == c {
				return true
			}
		}
	}
	return false
}

// Ladder is a series of classes, one of which suits a number of stores.
type Ladder uint8

const (
	// Phi climbs neighbours of the Fibonacci series: the overhead tends to
	// 1.618.
	Phi Ladder = iota
	// Lean has an overhead of 1.5 from three stores on.
	Lean
)

// rung is a class and the least number of stores it is chosen for.
type rung struct {
	stores int
	class  Class
}

// rungs returns l from its lowest rung to its highest.
func (l Ladder) rungs() []rung {
	base := []rung{{1, Class{K: 1, N: 1}}, {2, Class{K: 1, N: 2}}, {3, Class{K: 2, N: 3}}}
	if l == Lean {
		return append(base,
			rung{6, Class{K: 4, N: 6}},
			rung{9, Class{K: 6, N: 9}},
			rung{12, Class{K: 8, N: 12}},
			rung{30, Class{K: 20, N: 30}})
	}
	return append(base,
		rung{5, Class{K: 3, N: 5}},
		rung{8, Class{K: 5, N: 8}},
		rung{13, Class{K: 8, N: 13}},
		rung{21, Class{K: 13, N: 21}},
		rung{34, Class{K: 21, N: 34}})
}

// ParseLadder reads the name that String prints: "phi" or "lean".
func ParseLadder(name string) (Ladder, error) {
	for _, l := range []Ladder{Phi, Lean} {
		if l.String() == name {
			return l, nil
		}
	}
	return 0, fmt.Errorf("parse class ladder %q: want phi or lean", name)
}

func (l Ladder) String() string {
	if l == Lean {
		return "lean"
	}
	return "phi"
}

// ClassFor returns the highest rung that gives every shard of a stripe a
// store of its own.
func (l Ladder) ClassFor(stores int) (Class, error) {
	if stores < 1 {
		return Class{}, fmt.Errorf("choose class: no stores")
	}
	var c Class
	for _, r := range l.rungs() {
		if r.stores <= stores {
			c = r.class
		}
	}
	return c, nil
}
