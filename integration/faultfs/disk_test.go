package faultfs

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"pifs/fsnode"
)

// build applies ops to a new disk.
func build(ops ...Op) *Disk {
	d := NewDisk()
	for i := range ops {
		d.Apply(&ops[i])
	}
	return d
}

func text(ino uint64, off int64, s string) Op {
	return Op{Kind: Write, Ino: ino, Off: off, Data: []byte(s)}
}

func create(name string) Op {
	return Op{Kind: Create, Dir: rootIno, Name: name, Mode: syscall.S_IFREG | 0o600}
}

func synced(ino uint64) Op { return Op{Kind: Sync, Ino: ino} }

// left returns what a crash leaves: contents by name.
func left(t *testing.T, d *Disk, crash Crash, seed uint64) map[string]string {
	t.Helper()
	dir := t.TempDir()
	if err := d.Materialise(dir, crash, seed); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		raw, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out[e.Name()] = string(raw)
	}
	return out
}

// TestDropped shows what it takes for a file to survive a loss of power.
func TestDropped(t *testing.T) {
	const a = 2 // the first inode after the root
	tests := []struct {
		name string
		ops  []Op
		want map[string]string
	}{
		{"nothing synced", []Op{create("a"), text(a, 0, "x")}, map[string]string{}},
		{"bytes without a name", []Op{create("a"), text(a, 0, "x"), synced(a)}, map[string]string{}},
		{"a name without bytes", []Op{create("a"), text(a, 0, "x"), synced(rootIno)}, map[string]string{"a": ""}},
		{"both", []Op{create("a"), text(a, 0, "x"), synced(a), synced(rootIno)}, map[string]string{"a": "x"}},
		{"written after", []Op{create("a"), text(a, 0, "x"), synced(a), synced(rootIno), text(a, 0, "y")}, map[string]string{"a": "x"}},
		{"renamed after", []Op{create("a"), synced(rootIno), {Kind: Rename, Dir: rootIno, Name: "a", NewDir: rootIno, NewName: "b"}},
			map[string]string{"a": ""}},
		{"removed after", []Op{create("a"), synced(rootIno), {Kind: Unlink, Dir: rootIno, Name: "a"}}, map[string]string{"a": ""}},
		{"cut after", []Op{create("a"), text(a, 0, "long"), synced(a), synced(rootIno), {Kind: Truncate, Ino: a, Size: 1}},
			map[string]string{"a": "long"}},
		{"after a sync that failed", []Op{create("a"), synced(rootIno), text(a, 0, "x"), {Kind: LostSync, Ino: a}, synced(a)},
			map[string]string{"a": "\x00"}},
		{"written again after a sync that failed", []Op{create("a"), synced(rootIno), text(a, 0, "xy"), {Kind: LostSync, Ino: a}, text(a, 0, "x"), synced(a)},
			map[string]string{"a": "xy"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			have := left(t, build(tt.ops...), Dropped, 1)
			if len(have) != len(tt.want) || len(have) > 0 && have["a"] != tt.want["a"] {
				t.Errorf("%q, want %q", have, tt.want)
			}
		})
	}
}

// TestOtherCrashes shows the other ways to stop.
func TestOtherCrashes(t *testing.T) {
	old, fresh := bytes.Repeat([]byte("o"), 2*pageSize), bytes.Repeat([]byte("n"), 2*pageSize)
	d := build(create("a"), text(2, 0, string(old)), synced(2), synced(rootIno), create("b"), text(2, 0, string(fresh)))
	if have := left(t, d, Killed, 1); have["a"] != string(fresh) || len(have) != 2 {
		t.Error("kill -9 loses what was written")
	}
	if have := left(t, d, Sizes, 1); have["a"] != string(old) || len(have) != 2 {
		t.Error("bytes survive that were not synced")
	}
	if have := left(t, d, TornLast, 1); have["a"] != string(append(fresh[:pageSize:pageSize], old[pageSize:]...)) {
		t.Error("the last write is not torn in the middle")
	}
	states, both := map[string]bool{}, 0
	for seed := range uint64(200) {
		have := left(t, d, Mixed, seed)
		states[have["a"]] = true
		both += len(have) - 1
		for i := 0; i < len(have["a"]); i += sectorSize {
			if s := have["a"][i : i+sectorSize]; bytes.Count([]byte(s), []byte("o"))%sectorSize != 0 {
				t.Fatalf("seed %d: sector at %d is neither old nor new", seed, i)
			}
		}
	}
	if len(states) < 8 || both < 50 || both > 150 {
		t.Errorf("%d states of a file, b there %d times of 200", len(states), both)
	}
	again := left(t, d, Mixed, 7)
	if have := left(t, d, Mixed, 7); have["a"] != again["a"] || len(have) != len(again) {
		t.Error("a seed does not replay")
	}
}

// TestFaults shows what a call that fails leaves.
func TestFaults(t *testing.T) {
	fs := New()
	attempt := func() (uint64, error) {
		a, err := fs.Create(t.Context(), rootIno, "a", 0o600, fsnode.Cred{})
		return a.Ino, err
	}
	fs.Arm(Fault{N: 1, Errno: syscall.EIO})
	if _, err := attempt(); err != syscall.EIO {
		t.Fatalf("first create: %v", err)
	}
	ino, err := attempt()
	if err != nil {
		t.Fatalf("second create: %v", err)
	}
	fs.Arm(Fault{N: 2, Errno: syscall.ENOSPC, Short: true, On: true})
	for i, want := range []struct {
		n   int
		err error
	}{{8, nil}, {4, nil}} {
		if n, err := fs.Write(t.Context(), ino, 0, []byte("12345678"), true); n != want.n || err != want.err {
			t.Errorf("write %d: %d, %v", i, n, err)
		}
	}
	if err := fs.Unlink(t.Context(), rootIno, "a", fsnode.Cred{}); err != nil {
		t.Errorf("a full disk refuses to remove: %v", err)
	}
	if hits := fs.Heal(); hits != 1 {
		t.Errorf("%d faults, want 1", hits)
	}
	fs.Arm(Fault{N: 1, Errno: syscall.EIO, Applied: true})
	if _, err := attempt(); err != syscall.EIO {
		t.Errorf("create: %v", err)
	}
	if _, err := fs.Lookup(t.Context(), rootIno, "a"); err != nil {
		t.Errorf("applied, and not there: %v", err)
	}
}
