package home

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/zeebo/blake3"

	"pifs/blockstore"
)

const (
	keyringVersion = 1
	maxKeyring     = 16 << 20 // bytes of a keyring that we are ready to read
)

// Scopes of deduplication that a volume can be created with.
const (
	ScopeSwarm   = "swarm"   // the secret of the genesis: shared with its members
	ScopePrivate = "private" // a random secret of the volume's own
)

// VolumeKeys are the secrets of one volume.
type VolumeKeys struct {
	ID      [16]byte          `json:"id"`
	Seed    [32]byte          `json:"seed"` // of the Ed25519 key that signs heads
	Read    [32]byte          `json:"read"`
	Scope   string            `json:"scope"`
	Secret  blockstore.Secret `json:"secret"` // of the scope
	Created time.Time         `json:"created"`
}

// Sign returns the key that signs the volume's heads.
func (v *VolumeKeys) Sign() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(v.Seed[:]) }

// contents is the keyring as it is stored, in JSON.
type contents struct {
	Version int                    `json:"version"`
	Master  [32]byte               `json:"master"` // seals what never leaves this machine
	Genesis blockstore.Secret      `json:"genesis"`
	Volumes map[string]*VolumeKeys `json:"volumes"`
	Sum     string                 `json:"sum,omitempty"` // of the rest
}

// Keyring holds the secrets of a home. It is not safe for concurrent use.
type Keyring struct {
	home       *Home
	path       string
	passphrase []byte // nil: stored in the clear
	c          contents
}

// AskFunc obtains the passphrase of a protected keyring.
type AskFunc func() ([]byte, error)

// Keys opens the keyring. ask is called only when it is protected.
func (h *Home) Keys(ask AskFunc) (*Keyring, error) {
	k := &Keyring{home: h}
	var err error
	if k.path, err = h.keyringPath(); err != nil {
		return nil, err
	}
	parse := func(raw []byte) error { return k.parse(raw, ask) }
	if k.copied() {
		_, err = readEither(k.path, readKeyFile, parse)
	} else if raw, e := readKeyFile(k.path); e != nil {
		err = e
	} else {
		err = parse(raw)
	}
	if err != nil {
		return nil, err
	}
	return k, k.checkGenesis()
}

// copied reports whether the keyring has a second copy: not one that was moved
// out of the home, whose owner decides where it lies.
func (k *Keyring) copied() bool { return k.path == k.home.Path("keys", "keyring") }

// parse takes the keyring from the contents of its file.
func (k *Keyring) parse(raw []byte, ask AskFunc) (err error) {
	k.c = contents{}
	if isSealed(raw) {
		if k.passphrase == nil {
			if k.passphrase, err = ask(); err != nil {
				return err
			}
		}
		if raw, err = unseal(raw, k.passphrase); err != nil {
			return fmt.Errorf("open keyring %s: %w", k.path, err)
		}
	}
	if err := decode(raw, &k.c, keyringVersion); err != nil {
		return fmt.Errorf("parse keyring %s: %w: %w", k.path, ErrDamaged, err)
	}
	if err := checkSum(&k.c, &k.c.Sum); err != nil {
		return fmt.Errorf("parse keyring %s: %w", k.path, err)
	}
	if k.c.Version != keyringVersion {
		return fmt.Errorf("parse keyring %s: format version %d is not known to this program: %w", k.path, k.c.Version, ErrMismatch)
	}
	return nil
}

// readKeyFile reads a file that must be nobody else's.
func readKeyFile(path string) ([]byte, error) {
	fi, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("open keyring: %w", err)
	case fi.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("open keyring %s: mode %04o lets others in, run: chmod 600 %s: %w", path, fi.Mode().Perm(), path, ErrForeign)
	case fi.Size() > maxKeyring:
		return nil, fmt.Errorf("open keyring %s: %d bytes are too many: %w", path, fi.Size(), ErrDamaged)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("open keyring: %w", err)
	}
	return raw, nil
}

// createKeys makes a keyring unless an earlier creation did.
func (h *Home) createKeys(genesis string) error {
	if err := blockstore.MakeDir(h.Path("keys")); err != nil {
		return fmt.Errorf("create keys: %w", err)
	}
	secret, err := h.adoptGenesis(genesis)
	if keyring := h.Path("keys", "keyring"); err != nil || exists(keyring) || exists(keyring+copySuffix) {
		return err
	}
	k := &Keyring{home: h, path: h.Path("keys", "keyring")}
	k.c = contents{Version: keyringVersion, Genesis: secret, Volumes: map[string]*VolumeKeys{}}
	rand.Read(k.c.Master[:])
	return k.Save()
}

// Save writes the keyring as it was protected before, durable on return.
func (k *Keyring) Save() error {
	raw, err := summed(&k.c, &k.c.Sum, "")
	if err != nil {
		return fmt.Errorf("encode keyring: %w", err)
	}
	if k.passphrase != nil {
		if raw, err = seal(raw, k.passphrase); err != nil {
			return fmt.Errorf("seal keyring: %w", err)
		}
	}
	if k.copied() {
		return writeBoth(k.path, raw)
	}
	return WriteFile(k.path, raw)
}

// Volume returns the keys of a volume, or ErrNoVolume.
func (k *Keyring) Volume(name string) (*VolumeKeys, error) {
	v := k.c.Volumes[name]
	if v == nil {
		return nil, fmt.Errorf("volume %q: %w", name, ErrNoVolume)
	}
	return v, nil
}

// Volumes returns the names of all volumes, sorted.
func (k *Keyring) Volumes() []string { return slices.Sorted(maps.Keys(k.c.Volumes)) }

// AddVolume makes the keys of a new volume and saves the keyring.
func (k *Keyring) AddVolume(name, scope string) (*VolumeKeys, error) {
	if err := CheckVolumeName(name); err != nil {
		return nil, err
	}
	if k.c.Volumes[name] != nil {
		return nil, fmt.Errorf("volume %q exists: %w", name, ErrMismatch)
	}
	v := &VolumeKeys{Scope: scope, Created: time.Now().UTC().Truncate(time.Second)}
	rand.Read(v.ID[:])
	rand.Read(v.Seed[:])
	rand.Read(v.Read[:])
	switch scope {
	case ScopeSwarm:
		v.Secret = k.c.Genesis
	case ScopePrivate:
		rand.Read(v.Secret[:])
	default:
		return nil, fmt.Errorf("scope %q: %w", scope, errors.ErrUnsupported)
	}
	k.c.Volumes[name] = v
	return v, k.Save()
}

// RemoveVolume forgets the keys of a volume and saves the keyring: what the
// volume held cannot be read again.
func (k *Keyring) RemoveVolume(name string) error {
	if _, err := k.Volume(name); err != nil {
		return err
	}
	delete(k.c.Volumes, name)
	return k.Save()
}

// LocalKey derives the key that seals a volume's local files. The key of the
// block cache's index has the zero id.
func (k *Keyring) LocalKey(id [16]byte) [32]byte {
	var key [32]byte
	blake3.DeriveKey("pifs 2026-11 local volume key", append(k.c.Master[:], id[:]...), key[:])
	return key
}
