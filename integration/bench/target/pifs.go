package target

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"pifs/mount"
)

// Volume is a volume of a home of its own, mounted by the real command, with
// everything as a user has it who sets nothing.
type Volume struct {
	name            string
	bin, home, path string
	daemon          int // 0: not mounted
}

var _ Target = (*Volume)(nil)

// OpenVolume mounts the volume of that name below base, which it makes if it is
// not there. bin is the program.
func OpenVolume(ctx context.Context, base, bin, name string) (*Volume, error) {
	v := &Volume{name: name, bin: bin, home: filepath.Join(base, name+".home"), path: filepath.Join(base, name)}
	if err := os.Mkdir(v.path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return v, v.Mount(ctx)
}

// run runs one of the program's commands on the home.
func (v *Volume) run(ctx context.Context, args ...string) ([]byte, error) {
	return run(ctx, v.bin, append(args, "--home", v.home)...)
}

// Mount mounts the volume if it is not mounted.
func (v *Volume) Mount(ctx context.Context) error {
	if v.daemon != 0 {
		return nil
	}
	if err := v.MountOnly(ctx); err != nil {
		return err
	}
	return v.FindDaemon(ctx)
}

// MountOnly runs the command. FindDaemon must follow.
func (v *Volume) MountOnly(ctx context.Context) error {
	_, err := v.run(ctx, "mount", v.path)
	return err
}

// FindDaemon asks who serves the mount.
func (v *Volume) FindDaemon(ctx context.Context) error {
	s, err := v.status(ctx)
	if err == nil && s.Daemon == 0 {
		err = errors.New("it says that there is none")
	}
	if err != nil {
		return errors.Join(fmt.Errorf("find the daemon: %w", err), mount.Unmount(v.path, true))
	}
	v.daemon = s.Daemon
	return nil
}

// Unmount unmounts it and waits for the daemon to end.
func (v *Volume) Unmount(ctx context.Context) error {
	if v.daemon == 0 {
		return nil
	}
	if _, err := run(ctx, v.bin, "umount", v.path); err != nil {
		return err
	}
	v.daemon = 0
	return nil
}

// Clone clones one folder of the volume to another.
func (v *Volume) Clone(ctx context.Context, from, to string) error {
	_, err := run(ctx, v.bin, "clone", from, to)
	return err
}

// status is what is used of pifs status --json.
type status struct {
	Daemon   int
	Stored   int64
	Activity activity
	Volumes  []struct{ Activity activity }
}

type activity struct {
	Requests     map[string]uint64
	Transactions uint64
	ShardReads   uint64
}

func (v *Volume) status(ctx context.Context) (s status, err error) {
	out, err := v.run(ctx, "status", "--json")
	if err == nil {
		err = json.Unmarshal(out, &s)
	}
	return s, err
}

func (v *Volume) Name() string { return v.name }
func (v *Volume) Dir() string  { return v.path }
func (v *Volume) PID() int     { return v.daemon }

func (v *Volume) Settle(ctx context.Context) error {
	if v.daemon == 0 {
		return nil
	}
	_, err := run(ctx, v.bin, "sync", v.path)
	return err
}

func (v *Volume) Forget(ctx context.Context, deep bool) error {
	if deep {
		if _, err := v.run(ctx, "cache", "drop"); err != nil {
			return err
		}
	}
	if v.daemon == 0 {
		return dropCaches(ctx, v.home)
	}
	return dropCaches(ctx, v.path)
}

func (v *Volume) Remount(ctx context.Context) error {
	if err := errors.Join(v.Settle(ctx), v.Unmount(ctx), dropCaches(ctx, v.home)); err != nil {
		return err
	}
	return v.Mount(ctx)
}

func (v *Volume) Work(ctx context.Context) (w Work, err error) {
	if v.daemon == 0 {
		return w, nil
	}
	s, err := v.status(ctx)
	w.Transactions, w.ShardReads = s.Activity.Transactions, s.Activity.ShardReads
	for _, one := range s.Volumes {
		w.Transactions += one.Activity.Transactions
		for _, n := range one.Activity.Requests {
			w.Requests += n
		}
	}
	return w, err
}

func (v *Volume) Close(ctx context.Context) error {
	if err := v.Unmount(ctx); err != nil {
		return errors.Join(err, mount.Unmount(v.path, true))
	}
	return nil
}
