package home

import (
	"errors"
	"os"
	"testing"
)

// TestCopies damages each byte of the configuration and of the keyring, and
// loses each file: the copy answers, and both are right again.
func TestCopies(t *testing.T) {
	h := create(t, Settings{})
	_, err := keysOf(t, h, noPassphrase).AddVolume("photos", ScopePrivate)
	must(t, err)
	use := func() error {
		again, err := Open(h.Dir)
		if err != nil {
			return err
		}
		k, err := again.Keys(noPassphrase)
		if err == nil && (len(again.Config.Stores) != 5 || len(k.Volumes()) != 1) {
			err = errors.New("something is missing")
		}
		return err
	}
	for _, name := range []string{"config.json", "keys/keyring"} {
		for _, path := range []string{h.Path(name), h.Path(name) + copySuffix} {
			raw, err := os.ReadFile(path)
			must(t, err)
			for at := 0; at <= len(raw); at += 1 + len(raw)/50 {
				if at < len(raw) {
					raw[at] ^= 4
					must(t, os.WriteFile(path, raw, 0o600))
					raw[at] ^= 4
				} else {
					must(t, os.Remove(path))
				}
				if err := use(); err != nil {
					t.Fatalf("%s damaged at %d: %v", path, at, err)
				}
				if now, err := os.ReadFile(path); err != nil || string(now) != string(raw) {
					t.Fatalf("%s damaged at %d is not put right: %v", path, at, err)
				}
			}
		}
	}
}

func TestConfigurationEditedByHand(t *testing.T) {
	h := create(t, Settings{})
	put(t, h.Path("config.json"), `{"version":1,"ladder":"phi","cacheSize":77,"stores":[{"path":"/elsewhere"}]}`)
	again, err := Open(h.Dir)
	if err != nil || again.Config.CacheSize != 77 || again.Config.Stores[0].Path != "/elsewhere" {
		t.Errorf("%+v, %v", again, err)
	}
}
