package member

import (
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/zeebo/blake3"

	"pifs/blockstore"
)

const (
	genesisVersion = 1
	genesisContext = "pifs 2026-11 swarm id v1"
	scopeContext   = "pifs 2026-11 scope commitment v1"

	// MaxName is the longest name of a swarm, an operator or a region, in bytes.
	MaxName = 64

	maxGenesis = 1 << 10 // bytes of an encoded genesis
)

// SwarmID is the hash of a swarm's genesis.
type SwarmID [32]byte

// String returns the id in hexadecimal.
func (id SwarmID) String() string { return hex.EncodeToString(id[:]) }

// Genesis is what a swarm is. It is public, and never changes.
type Genesis struct {
	_struct bool     `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Version uint8    // of this record
	Name    string   // for people; the id is what counts
	Founder [32]byte // Ed25519 public key
	Created int64    // Unix seconds
	Ladder  string   // of classes: phi or lean
	Scope   [32]byte // commitment to the scope secret
	Params  Params
}

// Params are the periods that all members go by, in seconds, and the leaves
// that a round asks of a node.
type Params struct {
	_struct bool `codec:",toarray"` //lint:ignore U1000 read by the codec through reflection
	Round   uint32
	Leaves  uint32 // that a challenge asks for: q
	Lease   uint32
	Grace   uint32
	Trash   uint32
}

// DefaultParams returns the periods of an ordinary swarm: daily rounds.
func DefaultParams() Params {
	const day = uint32(24 * time.Hour / time.Second)
	return Params{Round: day, Leaves: 256, Lease: 31 * day, Grace: 7 * day, Trash: 14 * day}
}

// NewGenesis describes a new swarm. The scope secret itself is not part of it.
func NewGenesis(name string, founder ed25519.PublicKey, scope blockstore.Secret, ladder string, p Params, now int64) (Genesis, error) {
	g := Genesis{Version: genesisVersion, Name: name, Created: now, Ladder: ladder, Scope: CommitScope(scope), Params: p}
	copy(g.Founder[:], founder)
	return g, g.Check()
}

// CommitScope returns what a genesis says of its scope secret.
func CommitScope(s blockstore.Secret) (c [32]byte) {
	blake3.DeriveKey(scopeContext, s[:], c[:])
	return c
}

// Check reports what is wrong with g: blockstore.ErrFormat.
func (g Genesis) Check() error {
	_, ladder := blockstore.ParseLadder(g.Ladder)
	switch {
	case g.Version != genesisVersion:
		return fmt.Errorf("genesis version %d: %w", g.Version, blockstore.ErrFormat)
	case !IsName(g.Name) || g.Name == "":
		return fmt.Errorf("genesis: name of the swarm: %w", blockstore.ErrFormat)
	case ladder != nil:
		return fmt.Errorf("genesis: %w: %w", blockstore.ErrFormat, ladder)
	case g.Params.Round == 0 || g.Params.Leaves == 0:
		return fmt.Errorf("genesis: rounds without length or leaves: %w", blockstore.ErrFormat)
	}
	return nil
}

// ID returns the swarm's id.
func (g Genesis) ID() (id SwarmID, err error) {
	b, err := blockstore.Marshal(&g)
	if err != nil {
		return id, fmt.Errorf("encode genesis: %w", err)
	}
	blake3.DeriveKey(genesisContext, b, id[:])
	return id, nil
}

// UnmarshalGenesis decodes and checks a genesis.
func UnmarshalGenesis(b []byte) (Genesis, error) {
	var g Genesis
	if len(b) > maxGenesis {
		return g, fmt.Errorf("decode genesis of %d bytes: %w", len(b), blockstore.ErrTooLarge)
	}
	if err := blockstore.Unmarshal(b, &g); err != nil {
		return Genesis{}, fmt.Errorf("decode genesis: %w", err)
	}
	return g, g.Check()
}

// IsName reports whether s may name something: bounded, and printable.
func IsName(s string) bool { return len(s) <= MaxName && printable(s) }

// printable reports whether s may be shown to people: there is nothing in it
// that a terminal would obey.
func printable(s string) bool {
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return utf8.ValidString(s)
}
