package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"pifs/cli/hold"
	memory "pifs/fsnode/session"
	"pifs/mount"
)

// logSize bounds the session log of a mount, in bytes of memory. Half of it is
// about what a fast writer writes between two saves.
const logSize = 128 << 20

// heldMount is the note of a mount's item.
type heldMount struct {
	Args     mountArgs
	Handover mount.Handover
}

// keep has the holder keep what the next daemon needs to go on with a mount.
func (e *engine) keep(m *mountPoint, a mountArgs) error {
	dev, h, err := m.server.Handover()
	if err != nil {
		return fmt.Errorf("keep mount %s: %w", a.Dir, err)
	}
	defer dev.Close()
	return e.link.Keep(mountItems+a.Volume, heldMount{a, h}, dev, m.session.File())
}

// beginSession makes a session for a mount that is to outlive the daemon; nil
// if there is nobody to keep it.
func (e *engine) beginSession(ctx context.Context, v *openVolume) (*memory.Memory, error) {
	if e.link == nil {
		return nil, nil
	}
	mem, err := memory.New(logSize)
	if err != nil {
		return nil, err
	}
	if err := v.fs.BeginSession(ctx, mem); err != nil {
		return nil, errors.Join(err, v.fs.EndSession(), mem.Close())
	}
	return mem, nil
}

// endSession ends the session of a mount that is gone.
func (e *engine) endSession(v *openVolume, m *mountPoint) error {
	if m.session == nil {
		return nil
	}
	return errors.Join(v.fs.EndSession(), m.session.Close(), e.link.Drop(mountItems+m.volume))
}

// resume goes on with the mounts that the last daemon left.
func (e *engine) resume(ctx context.Context, items []hold.Item) error {
	var all error
	for _, it := range items {
		if !strings.HasPrefix(it.Name, mountItems) {
			continue
		}
		if err := e.resumeMount(ctx, it); err != nil {
			all = errors.Join(all, fmt.Errorf("go on with %s: %w", it.Name, err))
			if err := e.link.Drop(it.Name); err != nil {
				all = errors.Join(all, err)
			}
		}
	}
	return all
}

func (e *engine) resumeMount(ctx context.Context, it hold.Item) error {
	var note heldMount
	err := json.Unmarshal(it.Note, &note)
	if err == nil && len(it.Files) != 2 {
		err = fmt.Errorf("%d descriptors, want 2", len(it.Files))
	}
	if err != nil {
		for _, f := range it.Files {
			f.Close()
		}
		return fmt.Errorf("read note: %w", err)
	}
	dev, a := it.Files[0], note.Args
	mem, err := memory.Open(it.Files[1])
	if err != nil {
		dev.Close()
		return err
	}
	v, back, err := e.use(ctx, a.Volume, volumeOptions{ReadOnly: a.ReadOnly, FsyncSwarm: a.FsyncSwarm, Session: mem})
	if err != nil {
		dev.Close()
		return errors.Join(err, mem.Close())
	}
	m := newMountPoint(a)
	m.session = mem
	m.server, err = mount.Resume(e.ctx, a.Dir, dev, note.Handover, v.fs, e.mountOptions(a, mem))
	if err != nil {
		return errors.Join(err, v.fs.EndSession(), mem.Close(), back(ctx))
	}
	e.mu.Lock()
	v.mount = m
	e.mu.Unlock()
	e.log.Info("went on with a mount", "volume", a.Volume, "dir", a.Dir)
	e.serve(v, m, back)
	return nil
}

func (e *engine) mountOptions(a mountArgs, mem *memory.Memory) mount.Options {
	return mount.Options{
		FSName: source(e.home.Dir, a.Volume), ReadOnly: a.ReadOnly, AllowOther: a.AllowOther,
		Deadline: cmp.Or(a.Deadline, defaultDeadline), Logger: e.log, Session: mem,
	}
}

// findLock returns the lock among what the last daemon left; nil if it left none.
func findLock(items []hold.Item) *os.File {
	for _, it := range items {
		if it.Name == lockItem && len(it.Files) == 1 {
			return it.Files[0]
		}
	}
	return nil
}
