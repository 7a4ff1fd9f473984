package home

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base32"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/zeebo/blake3"

	"pifs/blockstore"
)

const (
	genesisPrefix = "pifs:g1:"
	genesisCheck  = 4 // bytes of BLAKE3 after the secret, against typing errors
)

func genesisEncoding() *base32.Encoding {
	return base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)
}

// FormatGenesis returns the one-line text of a scope secret.
func FormatGenesis(s blockstore.Secret) string {
	sum := blake3.Sum256(s[:])
	return genesisPrefix + genesisEncoding().EncodeToString(append(s[:], sum[:genesisCheck]...))
}

// ParseGenesis reads what FormatGenesis returned, blanks around it aside.
func ParseGenesis(text string) (blockstore.Secret, error) {
	var s blockstore.Secret
	body, ok := strings.CutPrefix(strings.TrimSpace(text), genesisPrefix)
	if !ok {
		return s, fmt.Errorf("parse genesis: it does not start with %s: %w", genesisPrefix, ErrDamaged)
	}
	raw, err := genesisEncoding().DecodeString(body)
	if err != nil || len(raw) != len(s)+genesisCheck {
		return s, fmt.Errorf("parse genesis: it is not complete: %w", ErrDamaged)
	}
	copy(s[:], raw)
	if sum := blake3.Sum256(s[:]); string(raw[len(s):]) != string(sum[:genesisCheck]) {
		return blockstore.Secret{}, fmt.Errorf("parse genesis: the check digits do not match: %w", ErrDamaged)
	}
	// The decoder takes line breaks inside and ignores the last bits.
	if FormatGenesis(s) != strings.TrimSpace(text) {
		return blockstore.Secret{}, fmt.Errorf("parse genesis: not in its only form: %w", ErrDamaged)
	}
	return s, nil
}

// Genesis returns the secret of the swarm scope as text, to start another
// home in the same scope.
func (k *Keyring) Genesis() string { return FormatGenesis(k.c.Genesis) }

// Scope returns the secret of the swarm scope.
func (k *Keyring) Scope() blockstore.Secret { return k.c.Genesis }

// Adopt makes s the secret of the swarm scope, durably. Volumes that exist
// keep the one that they were made with.
func (k *Keyring) Adopt(s blockstore.Secret) error {
	if s == k.c.Genesis {
		return nil
	}
	// Without the file the keyring counts, whenever a crash comes.
	if err := os.Remove(k.home.genesisPath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("adopt scope: %w", err)
	}
	if err := syncDir(k.home.Path("keys")); err != nil {
		return fmt.Errorf("adopt scope: %w", err)
	}
	k.c.Genesis = s
	if err := k.Save(); err != nil || k.passphrase != nil {
		return err
	}
	return k.home.writeGenesis(s)
}

func (h *Home) genesisPath() string { return h.Path("keys", "genesis") }

func (h *Home) writeGenesis(s blockstore.Secret) error {
	return WriteFile(h.genesisPath(), []byte(FormatGenesis(s)+"\n"))
}

// adoptGenesis returns the secret in the given file, else the one that lies in
// the home, else a new one. On return it lies in the home.
func (h *Home) adoptGenesis(file string) (blockstore.Secret, error) {
	if file == "" && exists(h.genesisPath()) {
		file = h.genesisPath()
	}
	if file == "" {
		var s blockstore.Secret
		rand.Read(s[:])
		return s, h.writeGenesis(s)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return blockstore.Secret{}, fmt.Errorf("read genesis: %w", err)
	}
	s, err := ParseGenesis(string(raw))
	if err != nil {
		return s, err
	}
	return s, h.writeGenesis(s)
}

// checkGenesis refuses a home whose genesis file was exchanged: its volumes
// would go on in the old scope while everyone believes in the new one.
func (k *Keyring) checkGenesis() error {
	raw, err := os.ReadFile(k.home.genesisPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read genesis: %w", err)
	}
	s, err := ParseGenesis(string(raw))
	if errors.Is(err, ErrDamaged) && len(k.passphrase) == 0 {
		return k.home.writeGenesis(k.c.Genesis) // the keyring has it too
	}
	if err != nil {
		return fmt.Errorf("%s: %w", k.home.genesisPath(), err)
	}
	if subtle.ConstantTimeCompare(s[:], k.c.Genesis[:]) != 1 {
		return fmt.Errorf("%s is not the genesis that this home was created with: %w", k.home.genesisPath(), ErrMismatch)
	}
	return nil
}
