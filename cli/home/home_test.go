package home

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func create(t *testing.T, s Settings) *Home {
	t.Helper()
	h, err := Create(filepath.Join(t.TempDir(), "h"), s, "")
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestCreateThenOpen(t *testing.T) {
	h := create(t, Settings{})
	got, err := Open(h.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Config.Stores) != 5 || got.Config.Ladder != "phi" || got.Config.CacheSize != 4<<30 {
		t.Errorf("defaults are %+v", got.Config)
	}
	for path, mode := range map[string]os.FileMode{".": 0o700, "keys": 0o700, "keys/keyring": 0o600, "keys/genesis": 0o600} {
		fi, err := os.Stat(h.Path(path))
		if err != nil {
			t.Fatal(err)
		}
		if fi.Mode().Perm() != mode {
			t.Errorf("%s has mode %o, want %o", path, fi.Mode().Perm(), mode)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	tests := []struct {
		name   string
		damage func(t *testing.T, h *Home)
		want   error
	}{
		{"missing", func(t *testing.T, h *Home) { must(t, os.RemoveAll(h.Dir)) }, ErrNone},
		{"open to others", func(t *testing.T, h *Home) { must(t, os.Chmod(h.Dir, 0o750)) }, ErrForeign},
		{"of another user", func(t *testing.T, h *Home) { must(t, os.Chown(h.Dir, 12345, -1)) }, ErrForeign},
		{"damaged configuration", func(t *testing.T, h *Home) { putBoth(t, h.Path("config.json"), "{") }, ErrDamaged},
		{"no stores", func(t *testing.T, h *Home) { putBoth(t, h.Path("config.json"), `{"version":1,"cacheSize":1}`) }, ErrDamaged},
		{"newer format", func(t *testing.T, h *Home) { putBoth(t, h.Path("config.json"), `{"version":99}`) }, ErrMismatch},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := create(t, Settings{})
			tt.damage(t, h)
			if _, err := Open(h.Dir); !errors.Is(err, tt.want) {
				t.Errorf("Open: %v, want %v", err, tt.want)
			}
		})
	}
}

func TestCreateRefusesForeignFolder(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "thesis.tex"), "…")
	if _, err := Create(dir, Settings{}, ""); !errors.Is(err, ErrMismatch) {
		t.Errorf("Create in a used folder: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "keys")); err == nil {
		t.Error("keys were made in a folder that was refused")
	}
}

func TestCreateRefusesStores(t *testing.T) {
	used, fresh := t.TempDir(), t.TempDir()
	put(t, filepath.Join(used, "file"), "x")
	for name, stores := range map[string][]string{"used": {fresh, used}, "twice": {fresh, fresh}} {
		if _, err := Create(filepath.Join(t.TempDir(), "h"), Settings{Stores: stores}, ""); !errors.Is(err, ErrMismatch) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAdapt(t *testing.T) {
	h := create(t, Settings{Ladder: "lean"})
	if err := h.Adapt(Settings{Ladder: "phi"}); !errors.Is(err, ErrMismatch) {
		t.Errorf("other ladder: %v", err)
	}
	if err := h.Adapt(Settings{Stores: []string{"/elsewhere"}}); !errors.Is(err, ErrMismatch) {
		t.Errorf("other stores: %v", err)
	}
	if err := h.Adapt(Settings{Ladder: "lean", CacheSize: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	again, err := Open(h.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if again.Config.CacheSize != 1<<20 {
		t.Errorf("cache size is %d after Adapt", again.Config.CacheSize)
	}
}

func TestLockIsExclusive(t *testing.T) {
	h := create(t, Settings{})
	first, err := Acquire(t.Context(), h.Dir)
	if err != nil {
		t.Fatal(err)
	}
	soon, cancel := context.WithTimeout(t.Context(), 60*time.Millisecond)
	defer cancel()
	if _, err := Acquire(soon, h.Dir); !errors.Is(err, ErrLocked) {
		t.Fatalf("second lock: %v", err)
	}
	if got := Holder(h.Dir); got != os.Getpid() {
		t.Errorf("holder is %d, not %d", got, os.Getpid())
	}
	must(t, first.Release())
	second, err := Acquire(t.Context(), h.Dir)
	if err != nil {
		t.Fatal(err)
	}
	must(t, second.Release())
}

func TestVolumeNames(t *testing.T) {
	for _, good := range []string{"default", "a", "2024.photos_x-1"} {
		if err := CheckVolumeName(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", ".", "..", "a/b", "-x", "a b", strings.Repeat("x", 65), "a\n"} {
		if CheckVolumeName(bad) == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestLogStaysBounded(t *testing.T) {
	h := create(t, Settings{})
	l, err := h.OpenLog(false)
	if err != nil {
		t.Fatal(err)
	}
	l.limit = 1000
	line := []byte(strings.Repeat("x", 99) + "\n")
	for range 50 {
		if _, err := l.Write(line); err != nil {
			t.Fatal(err)
		}
	}
	must(t, l.Close())
	for _, name := range []string{"log", "log.1"} {
		fi, err := os.Stat(h.Path(name))
		if err != nil {
			t.Fatal(err)
		}
		if fi.Size() == 0 || fi.Size() > 1000 {
			t.Errorf("%s has %d bytes", name, fi.Size())
		}
	}
}

// A log that cannot be rotated goes on in the old file, and rotates later.
func TestLogGoesOnWhenItCannotRotate(t *testing.T) {
	h := create(t, Settings{})
	l, err := h.OpenLog(false)
	if err != nil {
		t.Fatal(err)
	}
	l.limit = 10
	must(t, os.MkdirAll(h.Path("log.1", "in the way"), 0o700))
	for _, line := range []string{"first line\n", "second line\n"} {
		if _, err := l.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := os.ReadFile(h.Path("log")); err != nil || !strings.Contains(string(text), "second line") {
		t.Errorf("the log lost a line: %q, %v", text, err)
	}
	must(t, os.RemoveAll(h.Path("log.1")))
	must(t, os.Rename(h.Path("log"), h.Path("log.1"))) // as an attempt leaves it that could not open the new file
	if _, err := l.Write([]byte("third line\n")); err != nil {
		t.Fatal(err)
	}
	must(t, l.Close())
	if text, err := os.ReadFile(h.Path("log")); err != nil || string(text) != "third line\n" {
		t.Errorf("the new log reads %q, %v", text, err)
	}
}

func TestWriteFileReplacesWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	must(t, WriteFile(path, []byte("one")))
	must(t, WriteFile(path, []byte("two")))
	got, err := os.ReadFile(path)
	if err != nil || string(got) != "two" {
		t.Errorf("%q, %v", got, err)
	}
	err = WriteFile(filepath.Join(path, "below-a-file"), nil)
	if !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("write below a file: %v", err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), 0o600))
}

// putBoth writes a file and its copy.
func putBoth(t *testing.T, path, text string) {
	t.Helper()
	put(t, path, text)
	put(t, path+copySuffix, text)
}
