package member

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"slices"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"pifs/blockstore"
	"pifs/swarm"
)

const (
	entryVersion = 1

	MaxAddrs    = 8       // addresses of a member
	MaxAddr     = 256     // bytes of one, as text
	MaxCapacity = 1 << 60 // bytes that a node may offer
)

// Entry is what a member says of itself.
type Entry struct {
	_struct      bool           `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Version      uint8          // of this record
	ID           swarm.MemberID // of Key
	Key          [32]byte       // Ed25519 public key
	Seq          uint64         // of two entries of a member the one with the greater holds; nanoseconds since 1970 serve
	Operator     string         // who answers for it
	Jurisdiction string         // ISO 3166-1 alpha-2, upper case
	Region       string
	Capacity     uint64   // bytes it offers; zero for a principal
	Addrs        []string // multiaddrs without the member's id, nil for none
	Joined       uint64   // epoch, filled in by the founder and not covered by Sig
	Sig          [64]byte // by Key, over the rest
}

// Check reports what is wrong with e in form, as blockstore.ErrFormat: bounds,
// an id that is not the key's, addresses that are none. A node must say who
// operates it and where; a principal need not.
func (e *Entry) Check() error {
	switch {
	case e.Version != entryVersion:
		return fmt.Errorf("entry version %d: %w", e.Version, blockstore.ErrFormat)
	case e.Seq == 0:
		return fmt.Errorf("entry without seq: %w", blockstore.ErrFormat)
	case !IsName(e.Operator) || !IsName(e.Region):
		return fmt.Errorf("entry: operator and region are at most %d bytes of text: %w", MaxName, blockstore.ErrFormat)
	case e.Capacity > MaxCapacity:
		return fmt.Errorf("entry: capacity %d: %w", e.Capacity, blockstore.ErrFormat)
	case !IsCountry(e.Jurisdiction) && (e.Capacity > 0 || e.Jurisdiction != ""):
		return fmt.Errorf("entry: jurisdiction %q is no code of ISO 3166-1: %w", e.Jurisdiction, blockstore.ErrFormat)
	case e.Capacity > 0 && e.Operator == "":
		return fmt.Errorf("entry: a node has an operator: %w", blockstore.ErrFormat)
	}
	if id, err := idOf(e.Key); err != nil || id != e.ID {
		return fmt.Errorf("entry: %q is not the id of its key: %w", string(e.ID), blockstore.ErrFormat)
	}
	return CheckAddrs(e.Addrs)
}

// CheckAddrs reports, as blockstore.ErrFormat, what cannot stand as the
// addresses of a member.
func CheckAddrs(addrs []string) error {
	if len(addrs) > MaxAddrs || addrs != nil && len(addrs) == 0 {
		return fmt.Errorf("%d addresses: %w", len(addrs), blockstore.ErrFormat)
	}
	for _, text := range addrs {
		if len(text) > MaxAddr {
			return fmt.Errorf("address of %d bytes: %w", len(text), blockstore.ErrFormat)
		}
		a, err := ma.NewMultiaddr(text)
		if err != nil {
			return fmt.Errorf("address %q: %w: %w", text, blockstore.ErrFormat, err)
		}
		if a.String() != text {
			return fmt.Errorf("address %q is written %q: %w", text, a, blockstore.ErrFormat)
		}
	}
	return nil
}

// unsigned returns e without what its signature does not cover.
func (e Entry) unsigned() *Entry {
	e.Joined, e.Sig = 0, [64]byte{}
	return &e
}

// Sign makes id the member that e speaks of, and signs it for a swarm.
func (e *Entry) Sign(id swarm.Identity, in SwarmID) (err error) {
	e.Version, e.ID = entryVersion, id.ID
	copy(e.Key[:], id.Key.Public().(ed25519.PublicKey))
	if err := e.Check(); err != nil {
		return err
	}
	if e.Sig, err = sign(id.Key, entryDomain, in, e.unsigned()); err != nil {
		return fmt.Errorf("sign entry: %w", err)
	}
	return nil
}

// Verify checks form and signature.
func (e *Entry) Verify(in SwarmID) error {
	if err := e.Check(); err != nil {
		return err
	}
	if err := verify(e.Key[:], e.Sig[:], entryDomain, in, e.unsigned()); err != nil {
		return fmt.Errorf("verify entry of %s: %w", e.ID, err)
	}
	return nil
}

// equal reports whether both say the same, in every byte.
func (e *Entry) equal(o *Entry) bool {
	return e.Version == o.Version && e.ID == o.ID && e.Key == o.Key && e.Seq == o.Seq && e.Operator == o.Operator &&
		e.Jurisdiction == o.Jurisdiction && e.Region == o.Region && e.Capacity == o.Capacity &&
		slices.Equal(e.Addrs, o.Addrs) && e.Joined == o.Joined && bytes.Equal(e.Sig[:], o.Sig[:])
}

// idOf returns the member id of an Ed25519 public key.
func idOf(key [32]byte) (swarm.MemberID, error) {
	pub, err := crypto.UnmarshalEd25519PublicKey(key[:])
	if err != nil {
		return "", fmt.Errorf("derive member id: %w", err)
	}
	id, err := peer.IDFromPublicKey(pub)
	if err != nil {
		return "", fmt.Errorf("derive member id: %w", err)
	}
	return swarm.MemberID(id.String()), nil
}
