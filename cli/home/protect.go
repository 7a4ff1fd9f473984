package home

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"
)

const ageMagic = "age-encryption.org/"

func isSealed(raw []byte) bool { return bytes.HasPrefix(raw, []byte(ageMagic)) }

// seal encrypts raw under a passphrase stretched with scrypt, as age does.
func seal(raw, passphrase []byte) ([]byte, error) {
	to, err := age.NewScryptRecipient(string(passphrase))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w, err := age.Encrypt(&out, to)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(raw)
	if err := errors.Join(err, w.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func unseal(raw, passphrase []byte) ([]byte, error) {
	as, err := age.NewScryptIdentity(string(passphrase))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPassphrase, err)
	}
	r, err := age.Decrypt(bytes.NewReader(raw), as)
	if err != nil {
		var none *age.NoIdentityMatchError
		if errors.As(err, &none) {
			return nil, ErrPassphrase
		}
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	plain, err := io.ReadAll(io.LimitReader(r, maxKeyring+1))
	if err != nil || len(plain) > maxKeyring {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, errors.Join(err))
	}
	return plain, nil
}

// Protected reports whether the keyring is under a passphrase.
func (h *Home) Protected() (bool, error) {
	path, err := h.keyringPath()
	if err != nil {
		return false, err
	}
	raw, err := readKeyFile(path)
	if err != nil || !isSealed(raw) && !json.Valid(raw) {
		// A keyring that is damaged is read from its copy.
		if second, copyErr := readKeyFile(path + copySuffix); copyErr == nil {
			raw, err = second, nil
		}
	}
	return isSealed(raw), err
}

// Protect puts the keyring under a passphrase and folds the genesis into it.
func (k *Keyring) Protect(passphrase []byte) error {
	if len(passphrase) == 0 {
		return fmt.Errorf("protect keyring: empty passphrase: %w", ErrPassphrase)
	}
	k.passphrase = passphrase
	if err := k.Save(); err != nil {
		return err
	}
	if err := os.Remove(k.home.genesisPath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("protect genesis: %w", err)
	}
	return nil
}

// Unprotect stores the keyring in the clear again, mode 0600.
func (k *Keyring) Unprotect() error {
	k.passphrase = nil
	if err := k.Save(); err != nil {
		return err
	}
	return k.home.writeGenesis(k.c.Genesis)
}

// Move puts the keyring into the file at path, which must not exist, and
// leaves a pointer in the home. The old file is overwritten and removed.
func (k *Keyring) Move(path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("move keyring: %w", err)
	}
	if exists(path) {
		return fmt.Errorf("move keyring: %s exists: %w", path, ErrMismatch)
	}
	old := k.path
	k.path = path
	if err := k.Save(); err != nil {
		k.path = old
		return err
	}
	if err := WriteFile(k.home.pointer(), []byte(path+"\n")); err != nil {
		return err
	}
	for _, left := range []string{old, old + copySuffix} {
		if err := os.Remove(left); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("move keyring: %w", err)
		}
	}
	return syncDir(filepath.Dir(old))
}

func (h *Home) pointer() string { return h.Path("keys", "moved") }

// keyringPath follows the pointer that Move leaves.
func (h *Home) keyringPath() (string, error) {
	raw, err := os.ReadFile(h.pointer())
	if errors.Is(err, fs.ErrNotExist) {
		return h.Path("keys", "keyring"), nil
	}
	if err != nil {
		return "", fmt.Errorf("find keyring: %w", err)
	}
	path := strings.TrimSpace(string(raw))
	if !filepath.IsAbs(path) {
		return "", fmt.Errorf("find keyring: %s does not hold a path: %w", h.pointer(), ErrDamaged)
	}
	return path, nil
}

// Protected reports whether the keyring is under a passphrase.
func (k *Keyring) Protected() bool { return k.passphrase != nil }

// Path returns the file that holds the keyring.
func (k *Keyring) Path() string { return k.path }
