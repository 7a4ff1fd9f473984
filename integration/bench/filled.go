package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"pifs/integration/bench/job"
	"pifs/integration/bench/target"
)

// fillers is how many processes fill a volume.
const fillers = 2

// openFilled makes a volume with at least so many files. The first of them, up
// to the size of the large volume, are made one by one, with contents of their
// own; the others are clones of these: files like any other, in a fraction of
// the time.
func (b *bench) openFilled(ctx context.Context, name string) (target.Target, error) {
	v, err := target.OpenVolume(ctx, b.base, b.program, name)
	if err != nil {
		return nil, err
	}
	if err := b.fill(ctx, v, b.sizes.files(name)); err != nil {
		return nil, errors.Join(fmt.Errorf("fill volume %s: %w", name, err), v.Close(ctx))
	}
	return v, nil
}

func (b *bench) fill(ctx context.Context, v *target.Volume, files int64) error {
	part := min(files, b.sizes.large)
	if files == 0 {
		return nil
	}
	b.log("volume %s: %d files", v.Name(), files)
	specs := make([]job.Spec, fillers)
	for i := range specs {
		first := int64(i) * part / fillers
		specs[i] = job.Spec{Do: "fill", Path: filled(v), First: first, Count: int64(i+1)*part/fillers - first}
	}
	if _, err := job.Run(ctx, specs...); err != nil {
		return err
	}
	if err := v.Settle(ctx); err != nil {
		return err
	}
	for i := int64(1); i*part < files; i++ {
		b.log("volume %s: clone %d", v.Name(), i)
		if err := v.Clone(ctx, filled(v), filepath.Join(v.Dir(), fmt.Sprintf("part-%d", i))); err != nil {
			return err
		}
	}
	return v.Settle(ctx)
}
