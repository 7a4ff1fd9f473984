package home

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func noPassphrase() ([]byte, error) { return nil, errors.New("asked for a passphrase") }

func keysOf(t *testing.T, h *Home, ask AskFunc) *Keyring {
	t.Helper()
	k, err := h.Keys(ask)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestVolumeKeysSurvive(t *testing.T) {
	h := create(t, Settings{})
	made, err := keysOf(t, h, noPassphrase).AddVolume("photos", ScopePrivate)
	if err != nil {
		t.Fatal(err)
	}
	k := keysOf(t, h, noPassphrase)
	got, err := k.Volume("photos")
	if err != nil {
		t.Fatal(err)
	}
	if *got != *made {
		t.Error("the keys changed on the way through the file")
	}
	if _, err := k.Volume("films"); !errors.Is(err, ErrNoVolume) {
		t.Errorf("unknown volume: %v", err)
	}
	if _, err := k.AddVolume("photos", ScopePrivate); !errors.Is(err, ErrMismatch) {
		t.Errorf("second volume of the name: %v", err)
	}
	must(t, k.RemoveVolume("photos"))
	if _, err := keysOf(t, h, noPassphrase).Volume("photos"); !errors.Is(err, ErrNoVolume) {
		t.Errorf("removed volume: %v", err)
	}
}

func TestScopes(t *testing.T) {
	h := create(t, Settings{})
	k := keysOf(t, h, noPassphrase)
	shared, err := k.AddVolume("a", ScopeSwarm)
	must(t, err)
	same, err := k.AddVolume("b", ScopeSwarm)
	must(t, err)
	own, err := k.AddVolume("c", ScopePrivate)
	must(t, err)
	if shared.Secret != same.Secret || shared.Secret == own.Secret {
		t.Error("swarm volumes share a secret, private ones do not")
	}
	if k.LocalKey(shared.ID) == k.LocalKey(same.ID) {
		t.Error("two volumes have one local key")
	}
}

func TestGenesisMakesHomesAlike(t *testing.T) {
	first := keysOf(t, create(t, Settings{}), noPassphrase)
	file := filepath.Join(t.TempDir(), "genesis")
	put(t, file, first.Genesis()+"\n")
	h, err := Create(filepath.Join(t.TempDir(), "h"), Settings{}, file)
	must(t, err)
	second := keysOf(t, h, noPassphrase)
	if first.Genesis() != second.Genesis() || first.c.Master == second.c.Master {
		t.Error("homes with one genesis share its secret and nothing else")
	}
	put(t, h.genesisPath(), keysOf(t, create(t, Settings{}), noPassphrase).Genesis())
	if _, err := h.Keys(noPassphrase); !errors.Is(err, ErrMismatch) {
		t.Errorf("exchanged genesis: %v", err)
	}
}

func TestParseGenesisRefuses(t *testing.T) {
	good := keysOf(t, create(t, Settings{}), noPassphrase).Genesis()
	flipped := []byte(good)
	flipped[len(flipped)-10] ^= 1
	broken := good[:20] + "\n" + good[20:]
	for _, bad := range []string{"", "pifs:g1:", good[:len(good)-1], "x" + good, string(flipped), broken} {
		if _, err := ParseGenesis(bad); !errors.Is(err, ErrDamaged) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := ParseGenesis(" " + good + "\n"); err != nil {
		t.Errorf("blanks around it: %v", err)
	}
}

func TestProtect(t *testing.T) {
	h := create(t, Settings{})
	k := keysOf(t, h, noPassphrase)
	genesis := k.Genesis()
	must(t, k.Protect([]byte("correct horse")))
	raw, err := os.ReadFile(h.Path("keys", "keyring"))
	must(t, err)
	if bytes.Contains(raw, []byte("master")) || exists(h.genesisPath()) {
		t.Error("secrets lie open after Protect")
	}
	if _, err := h.Keys(func() ([]byte, error) { return []byte("wrong"), nil }); !errors.Is(err, ErrPassphrase) {
		t.Errorf("wrong passphrase: %v", err)
	}
	open := keysOf(t, h, func() ([]byte, error) { return []byte("correct horse"), nil })
	_, err = open.AddVolume("added", ScopeSwarm)
	must(t, err)
	if p, err := h.Protected(); !p || err != nil {
		t.Errorf("protected: %v, %v after a change", p, err)
	}
	must(t, open.Unprotect())
	plain := keysOf(t, h, noPassphrase)
	if plain.Genesis() != genesis || !exists(h.genesisPath()) || len(plain.Volumes()) != 1 {
		t.Error("Unprotect lost something")
	}
}

func TestMove(t *testing.T) {
	h := create(t, Settings{})
	k := keysOf(t, h, noPassphrase)
	master := k.c.Master
	to := filepath.Join(t.TempDir(), "stick")
	must(t, k.Move(to))
	if exists(h.Path("keys", "keyring")) {
		t.Error("the keyring is still in the home")
	}
	if keysOf(t, h, noPassphrase).c.Master != master {
		t.Error("other keys after Move")
	}
	must(t, os.Remove(to))
	if _, err := h.Keys(noPassphrase); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("keyring away: %v", err)
	}
}

func TestKeysRefusesOpenFile(t *testing.T) {
	h := create(t, Settings{})
	must(t, os.Chmod(h.Path("keys", "keyring"), 0o644))
	if _, err := h.Keys(noPassphrase); !errors.Is(err, ErrForeign) {
		t.Errorf("keyring open to others: %v", err)
	}
	must(t, os.Chmod(h.Path("keys", "keyring"), 0o600))
	putBoth(t, h.Path("keys", "keyring"), "not json")
	if _, err := h.Keys(noPassphrase); !errors.Is(err, ErrDamaged) {
		t.Errorf("damaged keyring: %v", err)
	}
}

func FuzzParseGenesis(f *testing.F) {
	f.Add(FormatGenesis([32]byte{1, 2, 3}))
	f.Add("pifs:g1:aaaa")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseGenesis(text)
		if err == nil && FormatGenesis(s) != strings.TrimSpace(text) {
			t.Errorf("%q is read as %q", text, FormatGenesis(s))
		}
	})
}
