package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
	"syscall"

	"pifs/cli/control"
	"pifs/cli/home"
	"pifs/fsnode"
)

// opened is a home that the daemon's own engine has open, with its volume.
type opened struct {
	dir    string
	engine *engine
	volume *openVolume
	back   func(context.Context) error
	held   []fsnode.Ino
}

// openHome opens the home in dir as the daemon does, making what an earlier
// attempt did not get to.
func openHome(ctx context.Context, dir string) (o *opened, err error) {
	h, err := home.Open(dir)
	if errors.Is(err, home.ErrNone) {
		h, err = home.Create(dir, home.Settings{}, "")
	}
	if err != nil {
		return nil, err
	}
	keys, err := h.Keys(func() ([]byte, error) { return nil, errors.ErrUnsupported })
	if err != nil {
		return nil, err
	}
	o = &opened{dir: dir}
	if o.engine, err = openEngine(ctx, h, keys, quietLog(), false); err != nil {
		return nil, err
	}
	if _, err = o.engine.chooseVolume(mountArgs{Volume: defaultVolume, MayCreate: true}); err == nil {
		o.volume, o.back, err = o.engine.use(ctx, defaultVolume, volumeOptions{})
	}
	if err != nil {
		return nil, errors.Join(err, o.engine.Close(ctx))
	}
	return o, nil
}

func (o *opened) close(ctx context.Context) error {
	for _, ino := range o.held {
		o.volume.fs.Release(ctx, ino, true)
	}
	return errors.Join(o.back(ctx), o.engine.Close(ctx))
}

// quiet takes what calls emit.
func quiet(control.Event) error { return nil }

// check is `pifs check`: nil when nothing is damaged.
func (o *opened) check(ctx context.Context) error {
	r, found, err := o.examine(ctx, checkArgs{})
	if err == nil {
		err = r.verdict()
	}
	if err != nil {
		return fmt.Errorf("%w: %s", err, found)
	}
	return nil
}

// repair is `pifs check --repair`: nil when nothing is lost.
func (o *opened) repair(ctx context.Context) error {
	r, found, err := o.examine(ctx, checkArgs{Repair: true})
	if err == nil {
		err = r.verdict()
	}
	if err != nil && !errors.Is(err, errRepaired) {
		return fmt.Errorf("%w: %s", err, found)
	}
	return nil
}

func (o *opened) examine(ctx context.Context, a checkArgs) (r checkResults, found string, err error) {
	r, err = o.engine.check(ctx, a, func(e control.Event) error {
		if e.Item != nil {
			found += string(e.Item) + " "
		}
		return nil
	})
	return r, found, err
}

func (o *opened) find(ctx context.Context, p string) (fsnode.Ino, error) {
	at := fsnode.RootIno
	for name := range strings.SplitSeq(path.Clean(p), "/") {
		if name == "." {
			continue
		}
		a, err := o.volume.fs.Lookup(ctx, at, name)
		if err != nil {
			return 0, err
		}
		o.volume.fs.Forget(a.Ino, 1)
		at = a.Ino
	}
	return at, nil
}

func credentials() fsnode.Cred {
	return fsnode.Cred{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}
}

// do does one step.
func (o *opened) do(ctx context.Context, s step) error {
	switch s.do {
	case "sync":
		_, err := o.engine.sync(ctx, syncArgs{}, quiet)
		return err
	case "snapshot":
		_, err := o.engine.snapshot(ctx, snapshotArgs{Volume: defaultVolume, Name: s.path}, quiet)
		return err
	case "prune":
		_, err := o.engine.prune(ctx, pruneArgs{Forget: true, Keep: 1}, quiet)
		return err
	case "drop":
		_, err := o.engine.cacheDrop(ctx, none{}, quiet)
		return err
	case "mkdir", "create", "symlink":
		return o.make(ctx, s)
	case "link", "unlink", "rmdir", "rename":
		return o.name(ctx, s)
	}
	ino, err := o.find(ctx, s.path)
	if err != nil {
		return err
	}
	return o.change(ctx, s, ino)
}

func (o *opened) make(ctx context.Context, s step) error {
	dir, err := o.find(ctx, path.Dir(s.path))
	if err != nil {
		return err
	}
	var a fsnode.Attr
	switch name := path.Base(s.path); s.do {
	case "mkdir":
		a, err = o.volume.fs.Mkdir(ctx, dir, name, 0o755, credentials())
	case "create":
		a, err = o.volume.fs.Create(ctx, dir, name, 0o644, credentials())
	default:
		a, err = o.volume.fs.Symlink(ctx, dir, name, s.to, credentials())
	}
	if err == nil {
		o.volume.fs.Forget(a.Ino, 1)
	}
	return err
}

func (o *opened) name(ctx context.Context, s step) error {
	dir, err := o.find(ctx, path.Dir(s.path))
	if err != nil {
		return err
	}
	switch name := path.Base(s.path); s.do {
	case "unlink":
		return o.volume.fs.Unlink(ctx, dir, name, credentials())
	case "rmdir":
		return o.volume.fs.Rmdir(ctx, dir, name, credentials())
	}
	to, err := o.find(ctx, path.Dir(s.to))
	if err != nil {
		return err
	}
	if s.do == "rename" {
		return o.volume.fs.Rename(ctx, dir, path.Base(s.path), to, path.Base(s.to), credentials())
	}
	ino, err := o.find(ctx, s.path)
	if err != nil {
		return err
	}
	a, err := o.volume.fs.Link(ctx, ino, to, path.Base(s.to))
	if err == nil {
		o.volume.fs.Forget(a.Ino, 1)
	}
	return err
}

func (o *opened) change(ctx context.Context, s step, ino fsnode.Ino) error {
	v := o.volume.fs
	switch s.do {
	case "fsync":
		return v.Fsync(ctx, ino)
	case "hold":
		err := v.Open(ctx, ino, true)
		if err == nil {
			o.held = append(o.held, ino)
		}
		return err
	case "read":
		_, err := o.read(ctx, ino)
		return err
	case "truncate":
		size := uint64(s.size)
		_, err := v.Setattr(ctx, ino, fsnode.SetAttr{Size: &size}, true)
		return err
	case "chmod":
		mode := uint32(s.size)
		_, err := v.Setattr(ctx, ino, fsnode.SetAttr{Mode: &mode}, true)
		return err
	case "punch":
		return v.Fallocate(ctx, ino, fsnode.FallocKeepSize|fsnode.FallocPunchHole, uint64(s.off), uint64(s.size))
	case "setxattr":
		return v.Setxattr(ctx, ino, s.to, s.bytes(), 0)
	case "removexattr":
		return v.Removexattr(ctx, ino, s.to)
	case "write":
		return o.write(ctx, s, ino)
	}
	return fmt.Errorf("step %s: %w", s, errors.ErrUnsupported)
}

func (o *opened) write(ctx context.Context, s step, ino fsnode.Ino) error {
	v := o.volume.fs
	if err := v.Open(ctx, ino, true); err != nil {
		return err
	}
	defer v.Release(ctx, ino, true)
	n, err := v.Write(ctx, ino, s.off, s.bytes(), true)
	if err == nil && int64(n) != s.size {
		err = fmt.Errorf("%d of %d bytes written: %w", n, s.size, syscall.EIO)
	}
	return err
}

func (o *opened) read(ctx context.Context, ino fsnode.Ino) ([]byte, error) {
	a, err := o.volume.fs.Getattr(ctx, ino)
	if err != nil {
		return nil, err
	}
	p := make([]byte, a.Size)
	n, err := o.volume.fs.Read(ctx, ino, 0, p, true)
	if err == nil && n != len(p) {
		err = fmt.Errorf("%d of %d bytes read: %w", n, len(p), syscall.EIO)
	}
	return p, err
}

// tree reads everything.
func (o *opened) tree(ctx context.Context) (listing, error) {
	t := listing{}
	return t, o.walk(ctx, t, fsnode.RootIno, "")
}

func (o *opened) walk(ctx context.Context, t listing, dir fsnode.Ino, prefix string) error {
	var entries []fsnode.DirEntry
	err := o.volume.fs.Readdir(ctx, dir, 0, func(e fsnode.DirEntry) bool {
		entries = append(entries, e)
		return true
	})
	if err != nil {
		return fmt.Errorf("list %q: %w", prefix, err)
	}
	for _, e := range entries {
		if e.Ino >= fsnode.VirtualIno {
			continue
		}
		n, links, err := o.look(ctx, e.Ino)
		if err != nil {
			return fmt.Errorf("read %s: %w", prefix+e.Name, err)
		}
		t[prefix+e.Name] = listed(n, links)
		if n.dir {
			if err := o.walk(ctx, t, e.Ino, prefix+e.Name+"/"); err != nil {
				return err
			}
		}
	}
	return nil
}

// look reads one inode into what the model has for it.
func (o *opened) look(ctx context.Context, ino fsnode.Ino) (*modelNode, int, error) {
	v := o.volume.fs
	a, err := v.Getattr(ctx, ino)
	if err != nil {
		return nil, 0, err
	}
	n := &modelNode{mode: a.Mode & 0o7777, xattrs: map[string]string{}}
	switch a.Mode & syscall.S_IFMT {
	case syscall.S_IFDIR:
		n.dir = true
		return n, 0, nil
	case syscall.S_IFLNK:
		n.target, err = v.Readlink(ctx, ino)
		return n, 0, err
	}
	names, err := v.Listxattr(ctx, ino)
	for _, name := range names {
		if strings.HasPrefix(name, "user.pifs.") {
			continue
		}
		value, e := v.Getxattr(ctx, ino, name)
		n.xattrs[name], err = string(value), errors.Join(err, e)
	}
	if err != nil {
		return nil, 0, err
	}
	n.data, err = o.read(ctx, ino)
	return n, int(a.Nlink), err
}
