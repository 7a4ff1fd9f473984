package swarm

import (
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"

	"pifs/blockstore"
)

// MemberID is the libp2p peer id of a member's Ed25519 identity, in its usual
// text form ("12D3KooW…").
type MemberID string

// IdentityFile is the name of the file in a store's folder that holds its
// identity.
const IdentityFile = "identity"

// identityCopy is its second copy: without an identity a store is away.
const identityCopy = IdentityFile + ".copy"

const identityType = "PIFS MEMBER IDENTITY"

// Identity is the key by which a member is known. A store's folder has one, so
// that it can become a node without being copied.
type Identity struct {
	Key ed25519.PrivateKey
	ID  MemberID
}

// CreateIdentity makes a new identity and writes it into dir, mode 0600,
// durably. There must be none yet (fs.ErrExist).
func CreateIdentity(dir string) (Identity, error) {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return Identity{}, fmt.Errorf("create identity: %w", err)
	}
	id, err := newIdentity(key)
	if err != nil {
		return Identity{}, err
	}
	text := formatIdentity(key)
	if err := writeNew(filepath.Join(dir, IdentityFile), text); err != nil {
		return Identity{}, fmt.Errorf("create identity: %w", err)
	}
	if err := ReplaceFile(filepath.Join(dir, identityCopy), text); err != nil {
		return Identity{}, fmt.Errorf("create identity: %w", err)
	}
	return id, nil
}

// LoadIdentity reads the identity in dir.
func LoadIdentity(dir string) (Identity, error) {
	id, _, err := loadIdentity(filepath.Join(dir, IdentityFile))
	return id, err
}

func loadIdentity(path string) (Identity, []byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Identity{}, nil, fmt.Errorf("load identity: %w", err)
	}
	key, err := parseIdentity(text)
	if err != nil {
		return Identity{}, nil, fmt.Errorf("load identity %s: %w", path, err)
	}
	id, err := newIdentity(key)
	return id, text, err
}

// confirmIdentity checks that the folder dir is that of member want. A damaged
// or lost identity is put right from its copy, and the other way round.
func confirmIdentity(dir string, want MemberID) error {
	first, second := filepath.Join(dir, IdentityFile), filepath.Join(dir, identityCopy)
	id, text, err := loadIdentity(first)
	if err == nil && id.ID != want {
		err = fmt.Errorf("the folder belongs to member %s, not %s", id.ID, want)
	}
	spare, spareText, spareErr := loadIdentity(second)
	spared := spareErr == nil && spare.ID == want
	switch {
	case err == nil && !spared:
		_ = ReplaceFile(second, text) // tried again when the store is opened next
	case err != nil && spared:
		_ = ReplaceFile(first, spareText)
		err = nil
	}
	return err
}

// EnsureIdentity loads the identity in dir and creates it if there is none.
func EnsureIdentity(dir string) (Identity, error) {
	id, err := LoadIdentity(dir)
	if errors.Is(err, os.ErrNotExist) {
		return CreateIdentity(dir)
	}
	return id, err
}

func formatIdentity(key ed25519.PrivateKey) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: identityType, Bytes: key.Seed()})
}

func parseIdentity(text []byte) (ed25519.PrivateKey, error) {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != identityType || len(rest) != 0 || len(block.Bytes) != ed25519.SeedSize {
		return nil, fmt.Errorf("%w: not a member identity", blockstore.ErrFormat)
	}
	return ed25519.NewKeyFromSeed(block.Bytes), nil
}

func newIdentity(key ed25519.PrivateKey) (Identity, error) {
	pub, err := crypto.UnmarshalEd25519PublicKey(key.Public().(ed25519.PublicKey))
	if err != nil {
		return Identity{}, fmt.Errorf("derive member id: %w", err)
	}
	id, err := peer.IDFromPublicKey(pub)
	if err != nil {
		return Identity{}, fmt.Errorf("derive member id: %w", err)
	}
	return Identity{Key: key, ID: MemberID(id.String())}, nil
}

// ParseMemberID checks that s is a peer id.
func ParseMemberID(s string) (MemberID, error) {
	id, err := peer.Decode(s)
	if err != nil {
		return "", fmt.Errorf("parse member id %q: %w", s, err)
	}
	return MemberID(id.String()), nil
}
