package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"pifs/blockstore"
	"pifs/fsnode"
)

// prune forgets heads as asked for, and frees what nothing needs then.
func (e *engine) prune(ctx context.Context, a pruneArgs, emit emitter) (pruneResult, error) {
	names := []string{a.Volume}
	if a.Volume == "" {
		names = e.volumeNames()
	}
	r := pruneResult{DryRun: a.DryRun, Volumes: []prunedVolume{}}
	without := map[string]seqSet{}
	for _, name := range names {
		seqs, err := e.pruneVolume(ctx, name, a, emit)
		if err != nil {
			return r, err
		}
		r.Volumes = append(r.Volumes, prunedVolume{Volume: name, Forgotten: seqs})
		without[name] = seqSet{}
		for _, seq := range seqs {
			without[name][seq] = true
		}
	}
	g, err := e.collect(ctx, without, a.DryRun)
	r.Blocks, r.Bytes = g.Blocks, g.Bytes
	return r, err
}

// pruneVolume commits a volume, so that its newest head does not hold what was
// removed, and forgets the heads that a does not keep.
func (e *engine) pruneVolume(ctx context.Context, name string, a pruneArgs, emit emitter) ([]uint64, error) {
	v, back, err := e.use(ctx, name, volumeOptions{ReadOnly: e.openReadOnly(name)})
	if err != nil {
		return nil, err
	}
	seqs := []uint64{}
	if !a.DryRun {
		_, err = e.commit(ctx, v, "", emit)
	}
	var heads []fsnode.HeadInfo
	if err == nil {
		heads, err = v.fs.Heads()
	}
	if err == nil && a.Forget {
		seqs = forgettable(heads, a.Keep, a.Within, time.Now())
	}
	if err == nil && len(seqs) > 0 && !a.DryRun {
		err = v.fs.ForgetHeads(seqs)
	}
	if err := errors.Join(err, back(ctx)); err != nil {
		return nil, fmt.Errorf("prune volume %s: %w", name, err)
	}
	return seqs, nil
}

// forgettable returns the heads to forget if the newest keep without a name
// stay, and those made within that time. Snapshots and the newest head stay.
func forgettable(heads []fsnode.HeadInfo, keep int, within time.Duration, now time.Time) []uint64 {
	seqs := []uint64{}
	for i, h := range slices.Backward(heads) {
		if h.Forgotten || h.Label != "" {
			continue
		}
		if keep--; keep >= 0 || i == len(heads)-1 || within > 0 && now.Sub(h.Time) <= within {
			continue
		}
		seqs = append(seqs, h.Seq)
	}
	slices.Reverse(seqs)
	return seqs
}

// snapshotDelete takes the name from a snapshot.
func (e *engine) snapshotDelete(ctx context.Context, a snapshotArgs, _ emitter) (l headLine, err error) {
	err = e.changing(ctx, a.Volume, func(v *fsnode.Volume) error {
		h, err := v.UnnameHead(a.Name)
		if errors.Is(err, blockstore.ErrNotFound) {
			return fail(errNotFound, fmt.Sprintf("volume %s has no snapshot %q; see: pifs log --volume %s", a.Volume, a.Name, a.Volume), err)
		}
		l = line(a.Volume, h)
		return err
	})
	return l, err
}
