package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"pifs/cli/home"
	"pifs/fsnode"
)

// rotHomes are the states of one home that damage is done to. A home names
// its stores by absolute paths, so a state is copied to live for each use.
type rotHomes struct {
	live   string // where the home is when it is used
	old    string // closed, before the last changes
	clean  string // closed, everything committed
	killed string // as a process left it that was killed after fsyncs
	// The trees by volume, of all there is and of what heads had.
	final, killedFinal map[string]tree
}

// rotVolumes are the volumes of the home.
func rotVolumes() []string { return []string{"default", "second"} }

// makeRotHomes makes a home with all kinds of files, and keeps three states.
func makeRotHomes(t *testing.T) *rotHomes {
	t.Helper()
	base := t.TempDir()
	r := &rotHomes{live: base + "/home", old: base + "/old", clean: base + "/clean", killed: base + "/killed"}
	if _, err := home.Create(r.live, home.Settings{}, ""); err != nil {
		t.Fatal(err)
	}
	r.edit(t, func(v rotVolume) error { return v.first() })
	copyHome(t, r.live, r.old)
	r.final = r.edit(t, func(v rotVolume) error { return v.second() })
	copyHome(t, r.live, r.clean)

	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), rotHomeVariable+"="+r.live)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the child did not kill itself: %v\n%s", err, out)
	}
	copyHome(t, r.live, r.killed)
	r.killedFinal = r.edit(t, func(rotVolume) error { return nil })
	return r
}

// edit runs fn on every volume of the live home and returns the trees.
func (r *rotHomes) edit(t *testing.T, fn func(rotVolume) error) map[string]tree {
	t.Helper()
	e, release, err := openHomeEngine(t.Context(), r.live, false, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := release(); err != nil {
			t.Fatal(err)
		}
	}()
	trees := map[string]tree{}
	for _, name := range rotVolumes() {
		if _, err := e.keys.Volume(name); err != nil {
			if _, err := e.keys.AddVolume(name, home.ScopeSwarm); err != nil {
				t.Fatal(err)
			}
		}
		err := e.changing(t.Context(), name, func(v *fsnode.Volume) error {
			if err := fn(rotVolume{t.Context(), v}); err != nil {
				return err
			}
			trees[name] = readTree(t.Context(), v)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return trees
}

// openHomeEngine puts the home in dir in use, as a command does.
func openHomeEngine(ctx context.Context, dir string, repair bool, log *slog.Logger) (*engine, func() error, error) {
	h, err := home.Open(dir)
	if err != nil {
		return nil, nil, err
	}
	lock, err := home.Acquire(ctx, h.Dir)
	if err != nil {
		return nil, nil, err
	}
	keys, err := h.Keys(func() ([]byte, error) { return nil, errors.New("no passphrase") })
	if err != nil {
		return nil, nil, errors.Join(err, lock.Release())
	}
	e, err := openEngine(ctx, h, keys, log, repair)
	if err != nil {
		return nil, nil, errors.Join(err, lock.Release())
	}
	return e, func() error { return errors.Join(e.Close(ctx), lock.Release()) }, nil
}

// writeAndDie changes the home in dir, syncs the changes, and is killed before
// a head has them.
func writeAndDie(dir string) error {
	ctx := context.Background()
	e, _, err := openHomeEngine(ctx, dir, false, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	for _, name := range rotVolumes() {
		v, _, err := e.use(ctx, name, volumeOptions{})
		if err != nil {
			return err
		}
		if err := (rotVolume{ctx, v.fs}).third(); err != nil {
			return err
		}
	}
	return syscall.Kill(os.Getpid(), syscall.SIGKILL)
}

// rotVolume fills a volume.
type rotVolume struct {
	ctx context.Context
	*fsnode.Volume
}

// write makes or extends a file of random bytes from off and syncs it.
func (v rotVolume) write(parent fsnode.Ino, name string, seed uint64, off, n int) (fsnode.Ino, error) {
	a, err := v.Lookup(v.ctx, parent, name)
	if errors.Is(err, syscall.ENOENT) {
		a, err = v.Create(v.ctx, parent, name, 0o644, fsnode.Cred{})
	}
	if err != nil {
		return 0, err
	}
	var key [32]byte
	key[0] = byte(seed)
	p := make([]byte, n)
	rand.NewChaCha8(key).Read(p)
	for at := 0; at < n && err == nil; at += 128 << 10 {
		_, err = v.Write(v.ctx, a.Ino, int64(off+at), p[at:min(n, at+128<<10)], true)
	}
	return a.Ino, errors.Join(err, v.Fsync(v.ctx, a.Ino))
}

// first fills an empty volume and makes a snapshot.
func (v rotVolume) first() error {
	dir, err := v.Mkdir(v.ctx, fsnode.RootIno, "dir", 0o755, fsnode.Cred{})
	if err != nil {
		return err
	}
	for i := range 40 {
		if _, err := v.write(dir.Ino, fmt.Sprintf("small-%02d", i), uint64(i), 0, 50+i*150); err != nil {
			return err
		}
	}
	big, err := v.write(fsnode.RootIno, "big", 100, 0, 3<<20)
	if err != nil {
		return err
	}
	if _, err := v.write(fsnode.RootIno, "sparse", 101, 2<<20, 100_000); err != nil {
		return err
	}
	for _, x := range []string{"user.one", "user.two"} {
		if err := v.Setxattr(v.ctx, big, x, []byte(strings.Repeat(x, 20)), 0); err != nil {
			return err
		}
	}
	if _, err := v.Link(v.ctx, big, dir.Ino, "big-link"); err != nil {
		return err
	}
	if _, err := v.Symlink(v.ctx, dir.Ino, "symlink", "../big", fsnode.Cred{}); err != nil {
		return err
	}
	_, err = v.Commit(v.ctx, "first", nil)
	return err
}

// second changes what is there, in two heads.
func (v rotVolume) second() error {
	if _, err := v.write(fsnode.RootIno, "big", 102, 1<<20, 200_000); err != nil {
		return err
	}
	if _, err := v.Commit(v.ctx, "", nil); err != nil {
		return err
	}
	for i := range 10 {
		if _, err := v.write(fsnode.RootIno, fmt.Sprintf("medium-%d", i), uint64(110+i), 0, 9_000+i*9_000); err != nil {
			return err
		}
	}
	dir, err := v.Lookup(v.ctx, fsnode.RootIno, "dir")
	if err != nil {
		return err
	}
	return v.Unlink(v.ctx, dir.Ino, "small-00", fsnode.Cred{})
}

// third changes what is there and leaves it in the journal and in SQLite.
func (v rotVolume) third() error {
	for i, name := range []string{"big", "medium-3", "late-1", "late-2"} {
		if _, err := v.write(fsnode.RootIno, name, uint64(130+i), 5_000*i, 60_000); err != nil {
			return err
		}
	}
	return nil
}

// tree is what can be read of a volume: by path, what is there or why it
// cannot be read.
type tree map[string]leaf

type leaf struct {
	what string // type, attributes and a hash of the contents
	err  error
}

func readTree(ctx context.Context, v *fsnode.Volume) tree {
	t := tree{}
	readFolder(ctx, v, fsnode.RootIno, "", t)
	return t
}

func readFolder(ctx context.Context, v *fsnode.Volume, ino fsnode.Ino, path string, t tree) {
	var names []fsnode.DirEntry
	err := v.Readdir(ctx, ino, 0, func(e fsnode.DirEntry) bool {
		names = append(names, e)
		return true
	})
	t[path+"/"] = leaf{what: "folder", err: err}
	for _, e := range names {
		a, err := v.Lookup(ctx, ino, e.Name)
		if err == nil && a.Mode&syscall.S_IFMT == syscall.S_IFDIR {
			readFolder(ctx, v, a.Ino, path+"/"+e.Name, t)
			continue
		}
		l := leaf{err: err}
		if err == nil {
			l.what, l.err = describe(ctx, v, a)
		}
		t[path+"/"+e.Name] = l
	}
}

// copyHome makes to a copy of the folder from.
func copyHome(t *testing.T, from, to string) {
	t.Helper()
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		dst := to + strings.TrimPrefix(path, from)
		if e.IsDir() {
			return os.Mkdir(dst, info.Mode().Perm())
		}
		if !e.Type().IsRegular() {
			return nil
		}
		return copyFile(path, dst, info.Mode().Perm())
	})
	if err != nil {
		t.Fatal(err)
	}
}

func copyFile(from, to string, mode fs.FileMode) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	return errors.Join(err, dst.Close())
}
