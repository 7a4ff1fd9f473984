package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

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
	files := b.sizes.files(name)
	there, err := b.isFilled(name, files)
	if err != nil {
		return nil, err
	}
	v, err := target.OpenVolume(ctx, b.kept, b.program, name)
	if err != nil {
		return nil, err
	}
	if there {
		return v, nil
	}
	if err = b.fill(ctx, v, files); err == nil {
		err = os.WriteFile(b.filledNote(name), []byte(strconv.FormatInt(files, 10)), 0o600)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("fill volume %s: %w", name, err), v.Close(ctx))
	}
	return v, nil
}

// filledNote is the path of a file that says how many files a volume has been
// filled with.
func (b *bench) filledNote(name string) string { return filepath.Join(b.kept, name+".filled") }

// isFilled reports whether an earlier measurement left the volume. One that it
// left half full, or with another number of files, is an error.
func (b *bench) isFilled(name string, files int64) (bool, error) {
	if _, err := os.Stat(filepath.Join(b.kept, name+".home")); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	text, err := os.ReadFile(b.filledNote(name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	if string(text) != strconv.FormatInt(files, 10) {
		return false, fmt.Errorf("volume %s in %s was not filled with %d files: remove it", name, b.kept, files)
	}
	return true, nil
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
