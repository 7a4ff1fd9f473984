package proof

import (
	"bytes"
	"errors"
	"fmt"

	"pifs/blockstore"
)

// Malformed shows anybody that a descriptor is false, without the block: the
// shards that it names are not what its code makes of any block. The code works
// on each place of the shards by itself, so that one leaf of k+1 of them is enough.
type Malformed struct {
	_struct bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Stripe  blockstore.Descriptor
	Shards  []uint8            // k+1 of the stripe, each once, in order
	Leaves  []blockstore.Proof // the same leaf of each
}

// FindMalformed makes the proof from all shards of a stripe that are to be had,
// nil where one is not; each is right by its id. It returns blockstore.ErrNotFound if they agree,
// or are no more than k: then only their bytes show it.
func FindMalformed(c *blockstore.Coder, d blockstore.Descriptor, shards [][]byte) (*Malformed, error) {
	if err := d.Validate(); err != nil {
		return nil, err
	}
	var have []int
	first := make([][]byte, len(shards)) // k of them
	for i, s := range shards {
		if len(s) != d.ShardSize() {
			continue
		}
		if have = append(have, i); len(have) <= int(d.Class.K) {
			first[i] = s
		}
	}
	if len(have) <= int(d.Class.K) {
		return nil, fmt.Errorf("show malformed stripe: %w: %d shards of class %v", blockstore.ErrNotFound, len(have), d.Class)
	}
	if err := c.Fill(d.Class, first); err != nil {
		return nil, err
	}
	for _, odd := range have[d.Class.K:] {
		if at := differ(first[odd], shards[odd]); at >= 0 {
			return showMalformed(d, shards, append(have[:d.Class.K:d.Class.K], odd), at/blockstore.LeafSize)
		}
	}
	return nil, fmt.Errorf("show malformed stripe: %w: it is right", blockstore.ErrNotFound)
}

func differ(a, b []byte) int {
	for i := range a {
		if a[i] != b[i] {
			return i
		}
	}
	return -1
}

func showMalformed(d blockstore.Descriptor, shards [][]byte, which []int, leaf int) (*Malformed, error) {
	m := &Malformed{Stripe: d}
	for _, i := range which {
		p, err := blockstore.Prove(shards[i], leaf)
		if err != nil {
			return nil, err
		}
		m.Shards, m.Leaves = append(m.Shards, uint8(i)), append(m.Leaves, p)
	}
	return m, nil
}

// Verify reports as nil that the stripe is malformed indeed, and as
// blockstore.ErrCorrupt what does not show it.
func (m *Malformed) Verify(c *blockstore.Coder) error {
	no := func(why string) error {
		return fmt.Errorf("verify malformed stripe %v: %w: %s", m.Stripe.Address, blockstore.ErrCorrupt, why)
	}
	if err := m.Stripe.Validate(); err != nil {
		return errors.Join(no("its descriptor has no meaning"), err)
	}
	k, n := int(m.Stripe.Class.K), int(m.Stripe.Class.N)
	if len(m.Shards) != k+1 || len(m.Leaves) != k+1 {
		return no("it takes k+1 shards")
	}
	pieces := make([][]byte, n)
	for i, at := range m.Shards {
		p := m.Leaves[i]
		if int(at) >= n || i > 0 && at <= m.Shards[i-1] || int(p.Size) != m.Stripe.ShardSize() || p.Leaf != m.Leaves[0].Leaf {
			return no("leaves of other places")
		}
		if err := p.Verify(m.Stripe.Shards[at]); err != nil {
			return err
		}
		if i < k {
			pieces[at] = bytes.Clone(p.Data)
		}
	}
	if err := c.Fill(m.Stripe.Class, pieces); err != nil {
		return err
	}
	if bytes.Equal(pieces[m.Shards[k]], m.Leaves[k].Data) {
		return no("the code makes them so")
	}
	return nil
}
