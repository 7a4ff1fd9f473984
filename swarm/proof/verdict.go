package proof

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/zeebo/blake3"

	"pifs/blockstore"
	"pifs/swarm"
	"pifs/swarm/wire"
)

// Outcome of a challenge.
type Outcome uint8

// The numbers are part of the protocol.
const (
	Passed Outcome = 1
	Silent Outcome = 2 // no answer came, in time or at all, or the node said that it cannot give one
	Wrong  Outcome = 3 // the node signed what is false: there is evidence
)

func (o Outcome) String() string {
	if o < Passed || o > Wrong {
		return "unknown"
	}
	return [...]string{"passed", "silent", "wrong"}[o-1]
}

const (
	verdictDomain    = "pifs proof verdict signature v1\x00"
	committeeContext = "pifs 2026-11 proof committee v1"
	evidenceContext  = "pifs 2026-11 evidence v1"
)

// Verdict is what a verifier concluded about a node in a round.
type Verdict struct {
	_struct  bool     `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Swarm    [32]byte // id of the swarm
	Round    uint64
	Node     swarm.MemberID // about whom
	Verifier swarm.MemberID // who signs
	Outcome  Outcome
	Leaves   uint16   // that were asked for
	Root     Root     // of the inventory; zero if none was stated
	Beacon   [32]byte // from which the challenge was made
	Parts    uint16   // members of whose reveals the beacon is made
	Time     int64    // Unix seconds
	Evidence [32]byte // id of it, if Wrong
	Sig      [64]byte // by Verifier
}

// Sign signs v as Verifier, whose key it is.
func (v *Verdict) Sign(key ed25519.PrivateKey) error {
	b, err := v.signed()
	if err == nil {
		copy(v.Sig[:], ed25519.Sign(key, b))
	}
	return err
}

// Verify reports, as blockstore.ErrCorrupt, a verdict that its verifier did not
// sign, or that nobody could have come to.
func (v *Verdict) Verify() error {
	if v.Outcome < Passed || v.Outcome > Wrong || v.Node == v.Verifier {
		return fmt.Errorf("verify verdict about %s: %w", v.Node, blockstore.ErrCorrupt)
	}
	b, err := v.signed()
	if err != nil {
		return err
	}
	if err := wire.VerifySignature(v.Verifier, b, v.Sig[:]); err != nil {
		return fmt.Errorf("verify verdict by %s: %w", v.Verifier, err)
	}
	return nil
}

func (v *Verdict) signed() ([]byte, error) {
	bare := *v
	bare.Sig = [64]byte{}
	return blockstore.AppendMarshal([]byte(verdictDomain), &bare)
}

// Evidence convicts a node, whoever shows it: either it signed two statements
// of one round, or an answer that is false.
type Evidence struct {
	_struct    bool        `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Statements []Statement // two, or none
	Challenge  *Challenge
	Answer     *Answer
}

// ID returns the hash by which a verdict names e.
func (e *Evidence) ID() (id [32]byte, err error) {
	b, err := blockstore.Marshal(e)
	if err != nil {
		return id, fmt.Errorf("encode evidence: %w", err)
	}
	blake3.DeriveKey(evidenceContext, b, id[:])
	return id, nil
}

// Convicts reports as nil that e shows a lie of a node of a swarm. No honest node's signatures
// do: it states one inventory in a round, and checks its answers itself before it
// signs them.
func (e *Evidence) Convicts(in [32]byte, node swarm.MemberID) error {
	no := func(why string) error {
		return fmt.Errorf("convict %s: %w: %s", node, blockstore.ErrCorrupt, why)
	}
	switch {
	case len(e.Statements) == 2 && e.Challenge == nil && e.Answer == nil:
		a, b := &e.Statements[0], &e.Statements[1]
		if a.Swarm != in || b.Swarm != in || a.Node != node || b.Node != node || a.Round != b.Round || a.Root == b.Root && a.Commit == b.Commit {
			return no("the statements do not contradict each other")
		}
		return errors.Join(a.Verify(), b.Verify())
	case len(e.Statements) == 0 && e.Challenge != nil && e.Answer != nil:
		if e.Challenge.Swarm != in || e.Challenge.Node != node {
			return no("somebody else was asked")
		}
		if err := e.Answer.Authentic(e.Challenge); err != nil {
			return err
		}
		if err := e.Answer.Verify(e.Challenge); err == nil {
			return no("the answer is right")
		}
		return nil
	}
	return no("it is no evidence")
}

// Candidate is a member that may be a verifier.
type Candidate struct {
	ID       swarm.MemberID
	Operator string
}

// Committee returns who verifies a node in a round, size members at most, best
// first: of others than the node's operator and of different ones, as far as
// there are some. Who it is is computed as placement is (Thaler & Ravishankar 1998), and changes
// with each round.
func Committee(round uint64, node swarm.MemberID, all []Candidate, size int) []swarm.MemberID {
	type ranked struct {
		Candidate
		rank [32]byte
	}
	var order []ranked
	operator := ""
	for _, c := range all {
		if c.ID == node {
			operator = c.Operator
			continue
		}
		b := append(binary.BigEndian.AppendUint64(nil, round), byte(len(node)))
		r := ranked{Candidate: c}
		blake3.DeriveKey(committeeContext, append(append(b, node...), c.ID...), r.rank[:])
		order = append(order, r)
	}
	slices.SortFunc(order, func(a, b ranked) int {
		return cmp.Or(bytes.Compare(b.rank[:], a.rank[:]), cmp.Compare(a.ID, b.ID))
	})
	used := map[string]bool{operator: true}
	var first, rest []swarm.MemberID
	for _, r := range order {
		if used[r.Operator] {
			rest = append(rest, r.ID)
			continue
		}
		used[r.Operator] = true
		first = append(first, r.ID)
	}
	out := append(first, rest...)
	return out[:min(size, len(out))]
}
