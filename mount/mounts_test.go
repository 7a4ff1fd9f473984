package mount

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"pifs/fsnode"
)

func mountChildren() map[string]childFunc {
	return map[string]childFunc{
		"serve": childServe,
		"hold":  childHold,
		"stat":  childStat,
		"write": childWrite,
	}
}

// childServe serves a mount until it is killed or unmounted.
func childServe(args []string) error {
	s, err := Mount(context.Background(), args[0], newMemFS(), Options{})
	if err != nil {
		return err
	}
	fmt.Println("mounted")
	return s.Serve()
}

// childHold keeps a file open until its input ends.
func childHold(args []string) error {
	f, err := os.Create(filepath.Join(args[0], "held"))
	if err != nil {
		return err
	}
	fmt.Println("held")
	_, _ = io.Copy(io.Discard, os.Stdin)
	return f.Close()
}

func childStat(args []string) error {
	_, err := os.Stat(args[0])
	return err
}

func childWrite(args []string) error {
	return os.WriteFile(filepath.Join(args[0], "w"), []byte("w"), 0o644)
}

// startSaying starts a child and waits for its first line.
func startSaying(t *testing.T, want, name string, args ...string) *running {
	t.Helper()
	r, w := io.Pipe()
	c := startTo(t, w, name, args...)
	line, err := bufio.NewReader(r).ReadString('\n')
	if strings.TrimSpace(line) != want {
		t.Fatalf("child %s said %q: %v", name, line, err)
	}
	go func() { _, _ = io.Copy(io.Discard, r) }()
	return c
}

func TestMountTable(t *testing.T) {
	m := mountMem(t, Options{})
	b, err := os.ReadFile("/proc/mounts")
	if err != nil {
		t.Fatal(err)
	}
	want := "pifs " + m.Dir() + " fuse.pifs rw,"
	if !strings.Contains(string(b), want) {
		t.Errorf("/proc/mounts has no line %q:\n%s", want, b)
	}
}

func TestReadOnly(t *testing.T) {
	m := mountMem(t, Options{ReadOnly: true})
	out, err := start(t, "write", m.Dir()).wait()
	if err == nil || !strings.Contains(out, "read-only file system") {
		t.Errorf("write to a read-only mount: %v: %s", err, out)
	}
}

func TestUnmountBusy(t *testing.T) {
	m := mountMem(t, Options{})
	h := startSaying(t, "held", "hold", m.Dir())
	if err := m.Unmount(false); !errors.Is(err, syscall.EBUSY) || !strings.Contains(err.Error(), m.Dir()) {
		t.Errorf("unmount: %v", err)
	}
	users := Busy(m.Dir())
	if len(users) != 1 || users[0].PID != h.cmd.Process.Pid || users[0].Path != filepath.Join(m.Dir(), "held") ||
		!strings.HasPrefix(users[0].Name, "mount.test") {
		t.Errorf("busy: %+v, want process %d", users, h.cmd.Process.Pid)
	}
	if err := h.in.Close(); err != nil {
		t.Fatal(err)
	}
	if out, err := h.wait(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if users := Busy(m.Dir()); len(users) != 0 {
		t.Errorf("busy: %+v", users)
	}
}

// TestUnmountLazy: the name goes at once, the mount when its last user leaves.
func TestUnmountLazy(t *testing.T) {
	dir := mountDir(t)
	srv := startSaying(t, "mounted", "serve", dir)
	h := startSaying(t, "held", "hold", dir)
	if err := Unmount(dir, true); err != nil {
		t.Fatal(err)
	}
	if err := Preflight(dir); err != nil {
		t.Errorf("preflight: %v", err)
	}
	select {
	case err := <-srv.end:
		t.Fatalf("the server ended before its last user: %v", err)
	default:
	}
	if err := h.in.Close(); err != nil {
		t.Fatal(err)
	}
	if out, err := h.wait(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := srv.wait(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func mountDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", mountPrefix()[1:])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Remove(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestPreflight(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(dir, "with space")
	if err := os.Mkdir(empty, 0o700); err != nil {
		t.Fatal(err)
	}
	m := mountMem(t, Options{})
	for _, c := range []struct {
		path string
		want error
	}{
		{empty, nil},
		{empty + "/.", nil},
		{filepath.Join(dir, "none"), ErrMissing},
		{filepath.Join(dir, "none", "none"), ErrMissing},
		{file, ErrNotDirectory},
		{filepath.Join(file, "below"), ErrNotDirectory},
		{dir, ErrNotEmpty},
		{m.Dir(), ErrMounted},
	} {
		err := Preflight(c.path)
		if !errors.Is(err, c.want) || c.want != nil && !strings.Contains(err.Error(), c.path) {
			t.Errorf("%s: %v, want %v", c.path, err, c.want)
		}
	}
	if removed, err := Recover(m.Dir()); removed || err != nil {
		t.Errorf("recover of a live mount: %v, %v", removed, err)
	}
}

// TestRecover: what a killed daemon leaves is found, named and cleared away,
// also when two of them lie upon each other.
func TestRecover(t *testing.T) {
	dir := mountDir(t)
	for range 2 {
		srv := startSaying(t, "mounted", "serve", dir)
		if err := srv.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_, _ = srv.wait()
		if out, err := start(t, "stat", dir).wait(); err == nil || !strings.Contains(out, "not connected") {
			t.Errorf("stat of a dead mount: %v: %s", err, out)
		}
		if err := Preflight(dir); !errors.Is(err, ErrDead) {
			t.Errorf("preflight: %v", err)
		}
		if removed, err := Recover(dir); !removed || err != nil {
			t.Errorf("recover: %v, %v", removed, err)
		}
		if err := Preflight(dir); err != nil {
			t.Errorf("preflight after recovery: %v", err)
		}
	}
}

func TestMountErrors(t *testing.T) {
	_, err := Mount(context.Background(), filepath.Join(t.TempDir(), "none"), newMemFS(), Options{})
	if err == nil || !strings.Contains(err.Error(), "none") {
		t.Errorf("mount on nothing: %v", err)
	}
}

func TestInvalidate(t *testing.T) {
	m := mountMem(t, Options{})
	m.write(t, "a", "first")
	if out, err := start(t, "read", m.Dir(), "a", "read").wait(); err != nil || out != "first: <nil>" {
		t.Fatalf("%v: %s", err, out)
	}
	ctx := context.Background()
	a, err := m.fs.Lookup(ctx, 1, "a")
	if err != nil {
		t.Fatal(err)
	}
	m.fs.Forget(a.Ino, 1)
	if _, err := m.fs.Write(ctx, a.Ino, 0, []byte("other"), true); err != nil {
		t.Fatal(err)
	}
	if err := m.InvalidateInode(a.Ino); err != nil {
		t.Fatal(err)
	}
	if out, err := start(t, "read", m.Dir(), "a", "read").wait(); err != nil || out != "other: <nil>" {
		t.Errorf("after invalidation: %v: %s", err, out)
	}
	if err := m.fs.Unlink(ctx, 1, "a", fsnode.Cred{}); err != nil {
		t.Fatal(err)
	}
	if err := m.InvalidateEntry(1, "a"); err != nil {
		t.Fatal(err)
	}
	if out, err := start(t, "stat", filepath.Join(m.Dir(), "a")).wait(); err == nil || !strings.Contains(out, "no such file") {
		t.Errorf("after removal: %v: %s", err, out)
	}
	if err := m.InvalidateEntry(1, "never seen"); err != nil {
		t.Errorf("what the kernel does not know: %v", err)
	}
}

// TestStaleName: a file that appeared where the kernel remembers none is opened
// by whoever would create it, if its mode lets them.
func TestStaleName(t *testing.T) {
	m := mountMem(t, Options{})
	w := filepath.Join(m.Dir(), "w")
	if out, err := start(t, "stat", w).wait(); err == nil || !strings.Contains(out, "no such file") {
		t.Fatalf("%v: %s", err, out)
	}
	m.write(t, "w", "longer than what comes")
	do(t, "write", m.Dir())
	if out, err := start(t, "read", m.Dir(), "w", "read").wait(); err != nil || out != "w: <nil>" {
		t.Errorf("%v: %s", err, out)
	}
}
