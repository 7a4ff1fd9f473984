package cli

import (
	"context"
	"fmt"
	"os"

	"pifs/cli/home"
)

// volumeNames returns the volumes of the home, sorted.
func (e *engine) volumeNames() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.keys.Volumes()
}

// openReadOnly reports whether the volume is open, for reading only.
func (e *engine) openReadOnly(name string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	v := e.volumes[name]
	return v != nil && v.uses > 0 && v.readOnly
}

func (e *engine) volumeCreate(_ context.Context, a volumeCreateArgs, _ emitter) (volumeLine, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if keys, err := e.keys.Volume(a.Name); err == nil {
		return volumeLine{}, fail(home.ErrMismatch,
			fmt.Sprintf("volume %s exists already, with --scope %s", a.Name, keys.Scope), nil)
	}
	keys, err := e.keys.AddVolume(a.Name, a.Scope)
	if err != nil {
		return volumeLine{}, err
	}
	return volumeLine{Name: a.Name, Scope: keys.Scope, Created: keys.Created}, nil
}

func (e *engine) volumeList(_ context.Context, _ none, _ emitter) (volumeListResult, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	r := volumeListResult{Volumes: []volumeLine{}}
	for _, name := range e.keys.Volumes() {
		keys, err := e.keys.Volume(name)
		if err != nil {
			return r, err
		}
		l := volumeLine{Name: name, Scope: keys.Scope, Created: keys.Created}
		if v := e.volumes[name]; v != nil && v.mount != nil {
			l.Mount = v.mount.dir
		}
		r.Volumes = append(r.Volumes, l)
	}
	return r, nil
}

// volumeRemove deletes a volume's metadata and, for good, its keys, and frees
// what no other volume needs.
func (e *engine) volumeRemove(ctx context.Context, a volumeArgs, _ emitter) (r volumeRemoveResult, err error) {
	if err := e.forgetVolume(a.Volume); err != nil {
		return r, err
	}
	g, err := e.collect(ctx, nil, false)
	r.Bytes = g.Bytes
	if err != nil {
		r.Kept = oneLine(err) // the volume is gone all the same
	}
	return r, nil
}

func (e *engine) forgetVolume(name string) error {
	e.collecting.Lock()
	defer e.collecting.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, err := e.volumeKeys(name); err != nil {
		return err
	}
	if v := e.volumes[name]; v != nil {
		return fail(errBusy, fmt.Sprintf("volume %s is in use%s", name, v.where()), nil)
	}
	// Without its keys a volume is gone whatever else is left of it: so the
	// folder goes first, and a crash in between leaves an empty volume.
	if err := os.RemoveAll(e.home.VolumeDir(name)); err != nil {
		return fmt.Errorf("remove volume %s: %w", name, err)
	}
	return e.keys.RemoveVolume(name)
}
