package swarm

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"pifs/blockstore"
	"pifs/blockstore/blocktest"
)

func newTestLocal(t testing.TB, dir string) *Local {
	t.Helper()
	id, err := CreateLocal(dir)
	if err != nil {
		t.Fatal(err)
	}
	l := OpenLocal(dir, id, nil)
	t.Cleanup(func() { l.Close() })
	return l
}

func TestLocalIsAStore(t *testing.T) {
	blocktest.Run(t, func(t *testing.T) blockstore.Store { return newTestLocal(t, t.TempDir()) })
}

func TestLocalComesAndGoes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	l := newTestLocal(t, dir)
	id, shard := blocktest.Shard(1, 500)
	if err := errors.Join(l.Probe(t.Context()), l.Put(t.Context(), id, shard), l.Sync(t.Context())); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir, dir+"-away"); err != nil {
		t.Fatal(err)
	}
	if err := l.Probe(t.Context()); !errors.Is(err, ErrUnreachable) {
		t.Errorf("probe of a folder that was moved: %v", err)
	}
	if err := l.Sync(t.Context()); !errors.Is(err, ErrUnreachable) {
		t.Errorf("sync of a folder that was moved: %v", err)
	}
	if err := l.Reopen(t.Context()); !errors.Is(err, ErrUnreachable) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("reopen: %v", err)
	}
	for name, call := range map[string]func() error{
		"put":    func() error { return l.Put(t.Context(), id, shard) },
		"get":    func() error { _, err := l.Get(t.Context(), id, nil); return err },
		"has":    func() error { _, err := l.Has(t.Context(), id); return err },
		"delete": func() error { return l.Delete(t.Context(), id) },
		"sync":   func() error { return l.Sync(t.Context()) },
		"list":   func() error { return l.List(t.Context(), nil) },
		"usage":  func() error { _, err := l.Usage(t.Context()); return err },
		"probe":  func() error { return l.Probe(t.Context()) },
	} {
		if err := call(); !errors.Is(err, ErrUnreachable) {
			t.Errorf("%s while away: %v", name, err)
		}
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a store that is away was made anew")
	}
	if err := os.Rename(dir+"-away", dir); err != nil {
		t.Fatal(err)
	}
	if err := l.Reopen(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := l.Get(t.Context(), id, nil); err != nil || string(got) != string(shard) {
		t.Errorf("after it came back: %v", err)
	}
}

func TestLocalKnowsItsOwnFolder(t *testing.T) {
	root := t.TempDir()
	mine, other := filepath.Join(root, "mine"), filepath.Join(root, "other")
	l := newTestLocal(t, mine)
	if _, err := CreateLocal(other); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Rename(mine, mine+"-away"), os.Rename(other, mine)); err != nil {
		t.Fatal(err)
	}
	if err := l.Probe(t.Context()); !errors.Is(err, ErrUnreachable) {
		t.Errorf("probe of a replaced folder: %v", err)
	}
	if err := l.Reopen(t.Context()); !errors.Is(err, ErrUnreachable) {
		t.Errorf("another member's folder was opened: %v", err)
	}
	if id, err := CreateLocal(mine + "-away"); err != nil || id != l.id {
		t.Errorf("creating a store again: %v, %v", id, err)
	}
}

// Five folders: two moved away while in use, put back, one of them damaged.
func TestSwarmOfFolders(t *testing.T) {
	root := t.TempDir()
	var members []Member
	for _, name := range []string{"0", "1", "2", "3", "4"} {
		l := newTestLocal(t, filepath.Join(root, name))
		members = append(members, Member{ID: l.id, Name: l.dir, Store: l})
	}
	s, err := New(members, blockstore.Phi, nil)
	if err != nil {
		t.Fatal(err)
	}
	addr, block := blockOf(1, 400_000) // large enough for parallel members
	d, placed, err := s.Put(t.Context(), addr, block)
	if err != nil || placed != 5 {
		t.Fatal(placed, err)
	}
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	away := []string{filepath.Join(root, "1"), filepath.Join(root, "3")}
	for _, dir := range away {
		if err := os.Rename(dir, dir+"-away"); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.MayDie(t.Context()); got != 0 {
		t.Errorf("%d stores may die", got)
	}
	if err := s.Reopen(t.Context()); !errors.Is(err, ErrUnreachable) {
		t.Errorf("reopen: %v", err)
	}
	if got, degraded, err := s.Get(t.Context(), d, nil); err != nil || string(got) != string(block) {
		t.Errorf("two stores away: degraded %v, %v", degraded, err)
	}
	for _, dir := range away {
		if err := os.Rename(dir+"-away", dir); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Reopen(t.Context()); err != nil {
		t.Fatal(err)
	}
	order := s.order(addr)
	damagePack(t, members[order[0]].Store, members[order[0]].Name, d.Shards[0])
	if fixed, err := s.Repair(t.Context(), d); fixed != 1 || err != nil {
		t.Errorf("%d fixed, %v", fixed, err)
	}
	if _, degraded, err := s.Get(t.Context(), d, nil); degraded || err != nil {
		t.Errorf("after repair: degraded %v, %v", degraded, err)
	}
	if u := s.Usage(t.Context()); u.Shards != 5 || u.Bytes < 600_000 {
		t.Errorf("usage: %+v", u)
	}
}

func TestIdentity(t *testing.T) {
	dir := t.TempDir()
	if _, err := LoadIdentity(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no identity: %v", err)
	}
	id, err := EnsureIdentity(dir)
	if err != nil {
		t.Fatal(err)
	}
	again, err := EnsureIdentity(dir)
	if err != nil || again.ID != id.ID || !again.Key.Equal(id.Key) {
		t.Errorf("loaded %v, %v", again.ID, err)
	}
	if _, err := CreateIdentity(dir); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second identity: %v", err)
	}
	path := filepath.Join(dir, IdentityFile)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if parsed, err := ParseMemberID(string(id.ID)); err != nil || parsed != id.ID {
		t.Errorf("parsed %v, %v", parsed, err)
	}
	if _, err := ParseMemberID("nobody"); err == nil {
		t.Error("nobody is a member id")
	}
	if err := os.WriteFile(path, []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadIdentity(dir); !errors.Is(err, blockstore.ErrFormat) {
		t.Errorf("garbage: %v", err)
	}
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func FuzzParseIdentity(f *testing.F) {
	f.Add([]byte("-----BEGIN PIFS MEMBER IDENTITY-----\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n-----END PIFS MEMBER IDENTITY-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		key, err := parseIdentity(text)
		if err != nil {
			return
		}
		if again, err := parseIdentity(formatIdentity(key)); err != nil || !again.Equal(key) {
			t.Fatalf("parsed %q, not the same again: %v", text, err)
		}
	})
}

func TestUnreachableStoreAtOpen(t *testing.T) {
	l := OpenLocal(filepath.Join(t.TempDir(), "nowhere"), "12D3KooW", nil)
	if err := l.Probe(context.Background()); !errors.Is(err, ErrUnreachable) {
		t.Errorf("probe: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}
