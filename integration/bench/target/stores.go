package target

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// lost are the stores that LoseStores takes away, of five.
var lost = [...]int{1, 3}

func (v *Volume) store(i int) string { return filepath.Join(v.home, "stores", strconv.Itoa(i)) }

func (v *Volume) away(i int) string { return v.home + ".away-" + strconv.Itoa(i) }

// LoseStores mounts the volume anew with two of its five stores missing, and
// empty caches.
func (v *Volume) LoseStores(ctx context.Context) error {
	return v.moveStores(ctx, v.store, v.away)
}

// ReturnStores brings them back.
func (v *Volume) ReturnStores(ctx context.Context) error {
	return v.moveStores(ctx, v.away, v.store)
}

func (v *Volume) moveStores(ctx context.Context, from, to func(int) string) error {
	if err := v.Unmount(ctx); err != nil {
		return err
	}
	for _, i := range lost {
		if err := os.Rename(from(i), to(i)); err != nil {
			return err
		}
	}
	if err := v.Mount(ctx); err != nil {
		return err
	}
	return v.Forget(ctx, true)
}

// EmptyStore takes all shards of one store away, which stays in use, and
// returns their bytes.
func (v *Volume) EmptyStore(ctx context.Context) (bytes int64, err error) {
	if err := errors.Join(v.Settle(ctx), v.Unmount(ctx)); err != nil {
		return 0, err
	}
	for _, pattern := range []string{"pack-*", "index.db*"} {
		names, err := filepath.Glob(filepath.Join(v.store(lost[0]), pattern))
		if err != nil {
			return 0, err
		}
		for _, name := range names {
			st, err := os.Stat(name)
			if err != nil {
				return 0, err
			}
			if pattern == "pack-*" {
				bytes += st.Size()
			}
			if err := os.Remove(name); err != nil {
				return 0, err
			}
		}
	}
	return bytes, v.Mount(ctx)
}

// Stored returns the bytes of all shards.
func (v *Volume) Stored(ctx context.Context) (int64, error) {
	s, err := v.status(ctx)
	return s.Stored, err
}

// repaired is the exit status of a check that found damage and repaired it.
const repaired = 9

// Check reads and verifies everything; with repair it must find damage, and
// repair all of it.
func (v *Volume) Check(ctx context.Context, repair bool) error {
	if !repair {
		_, err := v.run(ctx, "check", "--json")
		return err
	}
	_, err := v.run(ctx, "check", "--json", "--repair")
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == repaired {
		return nil
	}
	return errors.Join(fmt.Errorf("check found nothing to repair"), err)
}
