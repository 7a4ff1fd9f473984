package blockstore

import (
	"fmt"

	chunkers "github.com/PlakarKorp/go-cdc-chunkers"
	"github.com/PlakarKorp/go-cdc-chunkers/chunkers/fastcdc"
	"github.com/zeebo/blake3"
)

const (
	chunkerDomain = "pifs 2026-01-01 chunker key v1"

	// Ones in the masks: two more than log2 of AvgChunk before it, two fewer
	// after it, spread over the word as the engine does it.
	maskShort = 0xAAAA_AAAA_AAA0_0000 // before AvgChunk
	maskLong  = 0x9249_2492_4924_9000 // from AvgChunk on

	gearWindow = 64      // bytes that a fingerprint depends on
	gearLane   = 2 << 10 // bytes that a lane of hit looks at
)

// Chunker finds the cuts of content-defined chunks: FastCDC (Xia et al.,
// USENIX ATC 2016) with normalised chunking and a gear table keyed by the
// scope's secret, so that sizes alone do not tell an outsider what is stored.
// A cut depends only on the bytes since the cut before it: after an insertion
// or a deletion the cuts fall back into step.
//
// A Chunker does not change and is safe for concurrent use.
type Chunker struct{ gear *[256]uint64 }

// NewChunker returns the chunker of a scope.
func NewChunker(scope Secret) (*Chunker, error) {
	key := make([]byte, 32)
	blake3.DeriveKey(chunkerDomain, scope[:], key)
	var engine fastcdc.FastCDC // derives the table; TestChunkerCutsLikeTheEngine compares the cuts
	opts := &chunkers.ChunkerOpts{MinSize: MinChunk, NormalSize: AvgChunk, MaxSize: MaxChunk, Key: key}
	if err := engine.Setup(opts); err != nil {
		return nil, fmt.Errorf("make chunker: %w", err)
	}
	return &Chunker{gear: engine.G}, nil
}

// Cut returns the length of the chunk at the beginning of data, or 0 if data
// ends before a cut is found: with more data it will be, and at the end of a
// file the rest is its last chunk. The first seen bytes were looked at before,
// in vain.
func (c *Chunker) Cut(data []byte, seen int) int {
	end := min(len(data), MaxChunk)
	short := min(end, AvgChunk)
	if from := max(MinChunk, seen); from < short {
		if at := c.scan(data, from, short, maskShort); at < short {
			return at
		}
	}
	if from := max(AvgChunk, seen); from < end {
		if at := c.scan(data, from, end, maskLong); at < end {
			return at
		}
	}
	if end == MaxChunk {
		return end
	}
	return 0
}

// scan returns the first cut in data[from:to], or to.
func (c *Chunker) scan(data []byte, from, to int, mask uint64) int {
	for to-from >= 4*gearLane && !c.hit(data, from, mask) {
		from += 4 * gearLane
	}
	fp := c.before(data, from)
	for i, b := range data[from:to] {
		if fp = fp<<1 + c.gear[b]; fp&mask == 0 {
			return from + i
		}
	}
	return to
}

// hit reports whether a cut lies in the four lanes from from on. Side by side
// they do not wait for each other's sums: twice as fast as one after another.
func (c *Chunker) hit(data []byte, from int, mask uint64) bool {
	gear := c.gear
	d0 := (*[gearLane]byte)(data[from:])
	d1 := (*[gearLane]byte)(data[from+gearLane:])
	d2 := (*[gearLane]byte)(data[from+2*gearLane:])
	d3 := (*[gearLane]byte)(data[from+3*gearLane:])
	f0, f1 := c.before(data, from), c.before(data, from+gearLane)
	f2, f3 := c.before(data, from+2*gearLane), c.before(data, from+3*gearLane)
	for i := range d0 {
		f0 = f0<<1 + gear[d0[i]]
		f1 = f1<<1 + gear[d1[i]]
		f2 = f2<<1 + gear[d2[i]]
		f3 = f3<<1 + gear[d3[i]]
		if f0&mask == 0 || f1&mask == 0 || f2&mask == 0 || f3&mask == 0 {
			return true
		}
	}
	return false
}

// before returns the fingerprint of what precedes from in its chunk.
func (c *Chunker) before(data []byte, from int) (fp uint64) {
	for _, b := range data[max(MinChunk, from-gearWindow):from] {
		fp = fp<<1 + c.gear[b]
	}
	return fp
}
