package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"pifs/blockstore"
	"pifs/cli/home"
	"pifs/fsnode"
)

func line(volume string, h fsnode.HeadInfo) headLine {
	return headLine{Volume: volume, Seq: h.Seq, Root: h.Root.String(), Time: h.Time.UTC().Truncate(time.Millisecond), Name: h.Label, Forgotten: h.Forgotten}
}

// commit makes a head of what was written to v, and reports how far it is.
func (e *engine) commit(ctx context.Context, v *openVolume, label string, emit emitter) (*headLine, error) {
	if v.readOnly {
		return nil, nil
	}
	h, err := v.fs.Commit(ctx, label, func(done, total int64) { emit.progress(done, total, "files") })
	if err != nil {
		return nil, fmt.Errorf("commit volume %s: %w", v.name, err)
	}
	l := line(v.name, h)
	return &l, nil
}

// sync commits one volume, or all, and fills up their stripes.
func (e *engine) sync(ctx context.Context, a syncArgs, emit emitter) (syncResult, error) {
	names := []string{a.Volume}
	if a.Volume == "" {
		names = e.volumeNames()
	}
	r := syncResult{Heads: []headLine{}}
	for _, name := range names {
		v, back, err := e.use(ctx, name, volumeOptions{ReadOnly: e.openReadOnly(name)})
		if err != nil {
			return r, err
		}
		head, err := e.commit(ctx, v, "", emit)
		if err := errors.Join(err, back(ctx)); err != nil {
			return r, err
		}
		if head != nil {
			r.Heads = append(r.Heads, *head)
		}
	}
	return r, e.drain(ctx, emit)
}

// drain offers to the stores what they could not take before. The error is a
// *cache.Undelivered when they still cannot.
func (e *engine) drain(ctx context.Context, emit emitter) error {
	s := e.stack.blocks.Stats()
	total := s.Outbox + s.Owed
	if total == 0 {
		return nil
	}
	if err := e.stack.swarm.Reopen(ctx); err != nil {
		e.log.Warn("stores are away", "err", err)
	}
	return e.stack.blocks.Drain(ctx, func(left int) {
		emit.progress(max(0, total-int64(left)), total, "stripes")
	})
}

func (e *engine) history(ctx context.Context, a volumeArgs, emit emitter) (none, error) {
	return none{}, e.reading(ctx, a.Volume, func(v *fsnode.Volume) error {
		heads, err := v.Heads()
		if err != nil {
			return fmt.Errorf("read heads of volume %s: %w", a.Volume, err)
		}
		for _, h := range slices.Backward(heads) {
			if err := emit.item(line(a.Volume, h)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (e *engine) snapshot(ctx context.Context, a snapshotArgs, emit emitter) (headLine, error) {
	v, back, err := e.use(ctx, a.Volume, volumeOptions{})
	if err != nil {
		return headLine{}, err
	}
	head, err := e.snapshotOf(ctx, v, a.Name, emit)
	if err := errors.Join(err, back(ctx)); err != nil {
		return headLine{}, err
	}
	return *head, nil
}

// snapshotOf names the present state, unless an older head has the name.
func (e *engine) snapshotOf(ctx context.Context, v *openVolume, name string, emit emitter) (*headLine, error) {
	heads, err := v.fs.Heads()
	if err != nil {
		return nil, fmt.Errorf("read heads of volume %s: %w", v.name, err)
	}
	for _, h := range heads {
		if h.Label == name {
			return nil, fail(home.ErrMismatch, fmt.Sprintf("volume %s has a snapshot %q already: head %d", v.name, name, h.Seq), nil)
		}
	}
	return e.commit(ctx, v, name, emit)
}

func (e *engine) diff(ctx context.Context, a diffArgs, emit emitter) (none, error) {
	return none{}, e.reading(ctx, a.Volume, func(v *fsnode.Volume) error {
		from, err := findHead(v, a.Volume, a.A)
		if err != nil {
			return err
		}
		to, err := findHead(v, a.Volume, a.B)
		if err != nil {
			return err
		}
		return v.Diff(ctx, from, to, func(c fsnode.Change) error {
			return emit.item(diffLine{Kind: c.Kind, Path: c.Path, What: c.What})
		})
	})
}

func (e *engine) restore(ctx context.Context, a restoreArgs, _ emitter) (r restoreResult, err error) {
	err = e.changing(ctx, a.Volume, func(v *fsnode.Volume) error {
		head, err := findHead(v, a.Volume, a.Head)
		if err != nil {
			return err
		}
		r.Restored, err = v.Restore(ctx, head, a.Path, a.To)
		return err
	})
	return r, err
}

func (e *engine) clone(ctx context.Context, a cloneArgs, emit emitter) (r cloneResult, err error) {
	err = e.changing(ctx, a.Volume, func(v *fsnode.Volume) error {
		var err error
		r.Path, r.Cloned, err = v.Clone(ctx, a.Src, a.Dst, func(done, total int64) { emit.progress(done, total, "names") })
		switch {
		case errors.Is(err, syscall.EEXIST):
			return fail(syscall.EEXIST, fmt.Sprintf("%s exists already: clone to a name that does not, or into a folder", r.Path), err)
		case errors.Is(err, syscall.EROFS):
			return fail(errUsage, "snapshots are read-only: clone to a path outside .pifs", err)
		}
		return err
	})
	return r, err
}

// findHead resolves what people call a head: its number, or a snapshot's name.
func findHead(v *fsnode.Volume, volume, name string) (fsnode.HeadInfo, error) {
	h, err := v.FindHead(name)
	if errors.Is(err, blockstore.ErrNotFound) {
		return h, fail(errNotFound, fmt.Sprintf("volume %s has no head %q; see: pifs log --volume %s", volume, name, volume), err)
	}
	if errors.Is(err, fsnode.ErrForgotten) {
		return h, fail(errNotFound, fmt.Sprintf("head %d of volume %s was forgotten to make room, and cannot be read any more", h.Seq, volume), err)
	}
	return h, err
}
