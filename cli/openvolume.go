package cli

import (
	"context"
	"errors"
	"fmt"

	"pifs/blockstore"
	"pifs/cli/home"
	"pifs/fsnode"
)

// openVolume is a volume that some call or mount needs.
type openVolume struct {
	name     string
	fs       *fsnode.Volume
	heads    *headLog
	changed  *invalidator
	readOnly bool
	uses     int           // calls and mounts; at 0 the volume is closed
	mount    *mountPoint   // nil when not mounted
	closed   chan struct{} // closed after the volume was
}

// use returns the volume, opening it if nobody else has, and what gives it
// back. A volume that is open for reading only cannot be used for more.
func (e *engine) use(ctx context.Context, name string, o volumeOptions) (*openVolume, func(context.Context) error, error) {
	for {
		v, wait, err := e.tryUse(ctx, name, o)
		if err != nil {
			return nil, nil, err
		}
		if v != nil {
			return v, func(ctx context.Context) error { return e.giveBack(ctx, v) }, nil
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}

// tryUse returns the volume, or what to wait for when it is being closed.
func (e *engine) tryUse(ctx context.Context, name string, o volumeOptions) (*openVolume, <-chan struct{}, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	v := e.volumes[name]
	switch {
	case v == nil:
	case v.uses == 0:
		return nil, v.closed, nil
	case v.readOnly && !o.ReadOnly:
		return nil, nil, fail(errBusy, fmt.Sprintf("volume %s is open for reading only%s", name, v.where()), nil)
	default:
		v.uses++
		return v, nil, nil
	}
	keys, err := e.volumeKeys(name)
	if err != nil {
		return nil, nil, err
	}
	v = &openVolume{name: name, readOnly: o.ReadOnly, uses: 1, changed: newInvalidator(), closed: make(chan struct{})}
	if err := e.stack.openVolume(ctx, v, keys, e.keys.LocalKey(keys.ID), o); err != nil {
		return nil, nil, needsRepair(name, err)
	}
	e.volumes[name] = v
	return v, nil, nil
}

func (v *openVolume) where() string {
	if v.mount == nil {
		return ""
	}
	return ", at " + v.mount.dir
}

func (e *engine) volumeKeys(name string) (*home.VolumeKeys, error) {
	keys, err := e.keys.Volume(name)
	if err != nil {
		return nil, fail(errNotFound, fmt.Sprintf("there is no volume %q; see: pifs volume list", name), err)
	}
	return keys, nil
}

func (e *engine) giveBack(ctx context.Context, v *openVolume) error {
	e.mu.Lock()
	v.uses--
	last := v.uses == 0
	e.mu.Unlock()
	if !last {
		return nil
	}
	err := errors.Join(v.fs.Close(context.WithoutCancel(ctx)), v.heads.Close())
	e.mu.Lock()
	delete(e.volumes, v.name)
	e.mu.Unlock()
	close(v.closed)
	if err != nil {
		return needsRepair(v.name, fmt.Errorf("close volume %s: %w", v.name, err))
	}
	return nil
}

// needsRepair says what to do about damage to what a volume is kept in.
func needsRepair(volume string, err error) error {
	switch {
	case errors.Is(err, fsnode.ErrDatabase):
		return fail(errDamaged, fmt.Sprintf("volume %s: %s; load it again from the newest head with: pifs check --repair", volume, oneLine(err)), err)
	case errors.Is(err, blockstore.ErrCorrupt), errors.Is(err, blockstore.ErrNotFound):
		return fail(errDamaged, fmt.Sprintf("volume %s: %s; repair it with: pifs check --repair", volume, oneLine(err)), err)
	}
	return err
}

// changing runs fn on a volume, mounted or not, for a call that changes files
// beside the kernel; the kernel knows of it when the call returns.
func (e *engine) changing(ctx context.Context, name string, fn func(*fsnode.Volume) error) error {
	v, back, err := e.use(ctx, name, volumeOptions{})
	if err != nil {
		return err
	}
	err = fn(v.fs)
	e.mu.Lock()
	m := v.mount
	e.mu.Unlock()
	if m != nil {
		err = errors.Join(err, v.changed.settle(ctx, m.done))
	}
	return errors.Join(err, back(ctx))
}

// reading is like changing for calls that change nothing: they may also use a
// volume that is mounted for reading only.
func (e *engine) reading(ctx context.Context, name string, fn func(*fsnode.Volume) error) error {
	e.mu.Lock()
	v := e.volumes[name]
	readOnly := v != nil && v.uses > 0 && v.readOnly
	e.mu.Unlock()
	v, back, err := e.use(ctx, name, volumeOptions{ReadOnly: readOnly})
	if err != nil {
		return err
	}
	return errors.Join(fn(v.fs), back(ctx))
}
