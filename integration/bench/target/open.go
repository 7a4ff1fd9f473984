package target

import (
	"context"
	"errors"
	"fmt"
)

// Open makes a target that every workload can run on below base. bin is the
// program. One whose program is missing is ErrAbsent.
func Open(ctx context.Context, base, bin, name string) (Target, error) {
	switch name {
	case Pifs:
		return OpenVolume(ctx, base, bin, Pifs)
	case Null:
		return openNull(ctx, base)
	case Gocryptfs:
		return openGocryptfs(ctx, base)
	case Disk:
		return openDisk(ctx, base)
	}
	return nil, fmt.Errorf("there is no target %q", name)
}

// CloseAll closes every target of list.
func CloseAll(ctx context.Context, list []Target) error {
	var errs []error
	for _, t := range list {
		errs = append(errs, t.Close(ctx))
	}
	return errors.Join(errs...)
}
