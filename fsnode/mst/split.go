package mst

import (
	"encoding/binary"
	"math"

	"github.com/zeebo/blake3"
)

// rule is where the nodes of a level end. Sizes are in bytes, as item.size
// counts them.
type rule struct {
	min  int // only the last node of a level may be smaller; two links fit below
	span int // mean distance from the minimum to a cut by hash
	max  int // the item that reaches it ends its node
}

// standard is the rule of all trees. It is part of the format: another one
// moves every cut, and with it all roots. Only tests use others, to have deep
// trees of few entries.
func standard() rule { return rule{min: minNode, span: avgNode - minNode, max: maxNode} }

const (
	minNode = 32 << 10
	avgNode = 128 << 10
	maxNode = 512 << 10

	// maxPlain bounds the encoding of a node: one item beyond maxNode, and
	// the node's own head.
	maxPlain = maxNode + MaxKey + MaxValue + linkOverhead + 16
)

// cutsAfter reports whether a node of the given height ends with it. filled
// is the node's size, it included. An item of s bytes cuts with probability
// s / span, so that the size of nodes does not depend on that of items.
func (r rule) cutsAfter(height uint8, filled int, it item) bool {
	size := it.size()
	switch {
	case filled < r.min:
		return false
	case filled >= r.max || size >= r.span:
		return true
	}
	return cutHash(height, it.key) < uint64(size)*(math.MaxUint64/uint64(r.span))
}

// cutHash is independent from height to height: a key that ends a node on one
// level would otherwise end one on all levels above.
func cutHash(height uint8, key []byte) uint64 {
	buf := make([]byte, 1, 128) // most keys fit and cost no allocation
	buf[0] = height
	sum := blake3.Sum256(append(buf, key...))
	return binary.LittleEndian.Uint64(sum[:8])
}

// splitter cuts the items of one level, fed in order, into nodes.
type splitter struct {
	rule   rule
	height uint8
	filled int
	items  []item
}

// add takes the next item and reports whether it completes a node.
func (s *splitter) add(it item) bool {
	s.items = append(s.items, it)
	s.filled += it.size()
	return s.rule.cutsAfter(s.height, s.filled, it)
}

// empty reports whether the splitter stands right after a cut.
func (s *splitter) empty() bool { return len(s.items) == 0 }

// take returns the items of the node and starts the next. The result is valid
// until the next add.
func (s *splitter) take() []item {
	items := s.items
	s.items, s.filled = s.items[:0], 0
	return items
}
