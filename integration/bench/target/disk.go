package target

import (
	"context"
	"os"
	"path/filepath"
)

// diskTarget is a folder on the disk that all targets lie on.
type diskTarget struct{ path string }

var _ Target = (*diskTarget)(nil)

func openDisk(_ context.Context, base string) (Target, error) {
	d := &diskTarget{filepath.Join(base, Disk)}
	return d, os.Mkdir(d.path, 0o700)
}

func (d *diskTarget) Name() string { return Disk }
func (d *diskTarget) Dir() string  { return d.path }
func (d *diskTarget) PID() int     { return 0 }

func (d *diskTarget) Settle(ctx context.Context) error { return writeBack(ctx, d.path) }

func (d *diskTarget) Forget(ctx context.Context, _ bool) error { return dropCaches(ctx, d.path) }

func (d *diskTarget) Remount(ctx context.Context) error {
	if err := d.Settle(ctx); err != nil {
		return err
	}
	return dropCaches(ctx, d.path)
}

func (d *diskTarget) Work(context.Context) (Work, error) { return Work{}, nil }
func (d *diskTarget) Close(context.Context) error        { return nil }
