package proof

import (
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/zeebo/blake3"

	"pifs/blockstore"
	"pifs/swarm"
	"pifs/swarm/wire"
)

const (
	statementDomain = "pifs inventory statement signature v1\x00"
	commitContext   = "pifs 2026-11 beacon commitment v1"
	beaconContext   = "pifs 2026-11 beacon v1"
)

// Statement is what a node says in the first phase of a round: what it holds,
// and, as a hash, its part of the round's beacon.
type Statement struct {
	_struct bool           `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Swarm   [32]byte       // id of the swarm
	Node    swarm.MemberID // who signs
	Round   uint64
	Root    Root
	Commit  [32]byte // to a Reveal of the same round
	Time    int64    // Unix seconds, by the node's clock
	Sig     [64]byte // by Node
}

// Sign signs s as Node, whose key it is.
func (s *Statement) Sign(key ed25519.PrivateKey) error {
	b, err := s.signed()
	if err == nil {
		copy(s.Sig[:], ed25519.Sign(key, b))
	}
	return err
}

// Verify reports, as blockstore.ErrCorrupt, a statement that its node did not
// sign.
func (s *Statement) Verify() error {
	b, err := s.signed()
	if err != nil {
		return err
	}
	if err := wire.VerifySignature(s.Node, b, s.Sig[:]); err != nil {
		return fmt.Errorf("verify statement of %s: %w", s.Node, err)
	}
	return nil
}

func (s *Statement) signed() ([]byte, error) {
	bare := *s
	bare.Sig = [64]byte{}
	return blockstore.AppendMarshal([]byte(statementDomain), &bare)
}

// Reveal is a node's part of a beacon: nobody else can make one that a commitment
// of the node stands for, so it needs no signature.
type Reveal struct {
	_struct bool     `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Swarm   [32]byte // id of the swarm
	Node    swarm.MemberID
	Round   uint64
	Secret  [32]byte // random
}

// Commit returns what stands in the node's statement.
func (r *Reveal) Commit() (c [32]byte) {
	var b []byte
	b = append(b, r.Swarm[:]...)
	b = binary.BigEndian.AppendUint64(b, r.Round)
	b = append(append(b, r.Secret[:]...), r.Node...)
	blake3.DeriveKey(commitContext, b, c[:])
	return c
}

// Beacon returns the value that reveals of one round make together. Nobody who
// did not know one of the secrets knew it before. It sorts reveals.
func Beacon(reveals []Reveal) (beacon [32]byte) {
	slices.SortFunc(reveals, func(a, b Reveal) int { return slices.Compare([]byte(a.Node), []byte(b.Node)) })
	h := blake3.NewDeriveKey(beaconContext)
	for i := range reveals {
		r := &reveals[i]
		h.Write(r.Swarm[:])
		h.Write(binary.BigEndian.AppendUint64(nil, r.Round))
		h.Write([]byte{byte(len(r.Node))})
		h.Write([]byte(r.Node))
		h.Write(r.Secret[:])
	}
	h.Sum(beacon[:0])
	return beacon
}
