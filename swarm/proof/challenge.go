package proof

import (
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/zeebo/blake3"

	"pifs/blockstore"
	"pifs/swarm"
	"pifs/swarm/wire"
)

const (
	chainContext     = "pifs 2026-11 challenge chain v1"
	challengeContext = "pifs 2026-11 challenge v1"
	answerDomain     = "pifs proof answer signature v1\x00"
)

// MaxLeaves is the most leaves of one challenge.
const MaxLeaves = 1024

// Challenge asks a node for leaves of the inventory that it committed to.
type Challenge struct {
	_struct bool           `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Swarm   [32]byte       // id of the swarm
	Node    swarm.MemberID // who is asked
	Round   uint64         // of the statement that has Root
	Beacon  [32]byte       // unknown when Root was given
	Root    Root
	Leaves  uint16 // how many are asked for, 1 … MaxLeaves
}

// Check bounds a challenge.
func (c *Challenge) Check() error {
	if c.Leaves < 1 || c.Leaves > MaxLeaves {
		return fmt.Errorf("challenge of %d leaves: %w", c.Leaves, blockstore.ErrTooLarge)
	}
	return nil
}

// leaf returns which leaf of the inventory is the i-th to be shown, when before
// are the bytes of the one before it: uniform over all leaves.
func (c *Challenge) leaf(i int, before []byte) uint64 {
	h := blake3.NewDeriveKey(chainContext)
	h.Write(c.Swarm[:])
	h.Write([]byte{byte(len(c.Node))})
	h.Write([]byte(c.Node))
	h.Write(binary.BigEndian.AppendUint64(nil, c.Round))
	h.Write(c.Beacon[:])
	h.Write(c.Root.Hash[:])
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(i)))
	h.Write(before)
	var out [32]byte
	h.Sum(out[:0])
	hi, _ := bits.Mul64(binary.BigEndian.Uint64(out[:8]), c.Root.Leaves)
	return hi
}

// Answer shows the leaves that a challenge asks for, in its order.
type Answer struct {
	_struct   bool     `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Challenge [32]byte // id of it
	Shown     []Shown
	Sig       [64]byte // by the node that was asked
}

// ID returns the hash by which an answer names c.
func (c *Challenge) ID() (id [32]byte, err error) {
	b, err := blockstore.Marshal(c)
	if err != nil {
		return id, fmt.Errorf("encode challenge: %w", err)
	}
	blake3.DeriveKey(challengeContext, b, id[:])
	return id, nil
}

// Sign signs a as the node that answers, whose key it is.
func (a *Answer) Sign(key ed25519.PrivateKey) error {
	b, err := a.signed()
	if err == nil {
		copy(a.Sig[:], ed25519.Sign(key, b))
	}
	return err
}

// Authentic reports, as blockstore.ErrCorrupt, what is not the node's answer to
// c. Whatever an authentic one says, the node said.
func (a *Answer) Authentic(c *Challenge) error {
	id, err := c.ID()
	if err != nil {
		return err
	}
	if a.Challenge != id {
		return fmt.Errorf("verify answer of %s: %w: to another challenge", c.Node, blockstore.ErrCorrupt)
	}
	b, err := a.signed()
	if err != nil {
		return err
	}
	if err := wire.VerifySignature(c.Node, b, a.Sig[:]); err != nil {
		return fmt.Errorf("verify answer of %s: %w", c.Node, err)
	}
	return nil
}

func (a *Answer) signed() ([]byte, error) {
	bare := *a
	bare.Sig = [64]byte{}
	return blockstore.AppendMarshal([]byte(answerDomain), &bare)
}

// Shown is a leaf, the way from it to its shard, and the shard's to the root.
type Shown struct {
	_struct bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Place   Place
	Leaf    blockstore.Proof
}

// Respond answers a challenge of an inventory; read returns a shard. Its error
// names the shard that is not to be had. The answer is not signed yet.
func Respond(c *Challenge, inv *Inventory, read func(blockstore.ShardID) ([]byte, error)) (*Answer, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	if c.Root != inv.Root() {
		return nil, fmt.Errorf("answer round %d: %w: another inventory", c.Round, blockstore.ErrNotFound)
	}
	a := &Answer{}
	var err error
	if a.Challenge, err = c.ID(); err != nil {
		return nil, err
	}
	if c.Root.Leaves == 0 {
		return a, nil
	}
	var before []byte
	for i := range int(c.Leaves) {
		m, within, err := inv.At(c.leaf(i, before))
		if err != nil {
			return nil, err
		}
		if m.Item == nil {
			return nil, fmt.Errorf("answer round %d: %w: the inventory was altered", c.Round, blockstore.ErrCorrupt)
		}
		shard, err := read(m.Item.ID)
		if err != nil {
			return nil, fmt.Errorf("answer round %d: read shard %v: %w", c.Round, m.Item.ID, err)
		}
		p, err := blockstore.Prove(shard, within)
		if err != nil {
			return nil, fmt.Errorf("answer round %d: %w", c.Round, err)
		}
		a.Shown = append(a.Shown, Shown{Place: *m, Leaf: p})
		before = p.Data
	}
	return a, nil
}

// Verify reports, as blockstore.ErrCorrupt, an answer that does not show every
// leaf that c asks for. Anybody can tell the same from the same.
func (a *Answer) Verify(c *Challenge) error {
	if err := c.Check(); err != nil {
		return err
	}
	want := int(c.Leaves)
	if c.Root.Leaves == 0 {
		want = 0
	}
	if len(a.Shown) != want {
		return fmt.Errorf("verify answer of %s: %w: %d leaves of %d", c.Node, blockstore.ErrCorrupt, len(a.Shown), want)
	}
	var before []byte
	for i := range a.Shown {
		s := &a.Shown[i]
		if err := s.verify(c, c.leaf(i, before)); err != nil {
			return fmt.Errorf("verify answer of %s, leaf %d: %w", c.Node, i, err)
		}
		before = s.Leaf.Data
	}
	return nil
}

func (s *Shown) verify(c *Challenge, leaf uint64) error {
	first, err := s.Place.Member(c.Root)
	if err != nil {
		return err
	}
	if leaf < first || leaf-first >= s.Place.Item.leaves() || uint64(s.Leaf.Leaf) != leaf-first || s.Leaf.Size != s.Place.Item.Size {
		return fmt.Errorf("%w: leaf %d of the inventory was asked for", blockstore.ErrCorrupt, leaf)
	}
	return s.Leaf.Verify(s.Place.Item.ID)
}

// MaxAnswer bounds an encoded answer to a challenge of so many leaves, in bytes:
// a leaf of 1 KiB, its path in a shard of 4 MiB, and the shard's in an inventory of
// two to the power of 48, for each.
func MaxAnswer(leaves int) int { return 1<<10 + leaves*(LeafBytes+48*48) }

// LeafBytes is about what a leaf takes in an answer, with its path in the shard.
const LeafBytes = 1100 + 13*36

// Confidence returns with what probability a node that lost the part lost of its
// leaves fails a challenge of so many: 1−(1−lost)^leaves.
func Confidence(lost float64, leaves int) float64 {
	passes := 1.0
	for range leaves {
		passes *= 1 - lost
	}
	return 1 - passes
}
