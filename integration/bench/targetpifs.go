package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"pifs/mount"
)

// pifsTarget is a volume of a fresh home, mounted by the real command.
type pifsTarget struct {
	bin, home, path string
	daemon          int
}

var _ target = (*pifsTarget)(nil)

func openPifs(ctx context.Context, base, bin string) (target, error) {
	p := &pifsTarget{bin: bin, home: filepath.Join(base, "home"), path: filepath.Join(base, "pifs")}
	if err := os.Mkdir(p.path, 0o700); err != nil {
		return nil, err
	}
	return p, p.mount(ctx)
}

func (p *pifsTarget) mount(ctx context.Context) error {
	if _, err := p.run(ctx, "mount", "--home", p.home, p.path); err != nil {
		return err
	}
	out, err := p.run(ctx, "status", "--home", p.home, "--json")
	if err != nil {
		return errors.Join(err, p.close(ctx))
	}
	var status struct{ Daemon int }
	if err := json.Unmarshal(out, &status); err != nil || status.Daemon == 0 {
		return errors.Join(fmt.Errorf("find the daemon in %s: %w", out, err), p.close(ctx))
	}
	p.daemon = status.Daemon
	return nil
}

// remount also brings back stores that were gone.
func (p *pifsTarget) remount(ctx context.Context, gone int) error {
	if err := p.close(ctx); err != nil {
		return err
	}
	for i := range 5 {
		here := filepath.Join(p.home, "stores", fmt.Sprint(i))
		from, to := here+".gone", here
		if i < gone {
			from, to = to, from
		}
		if err := os.Rename(from, to); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return p.mount(ctx)
}

func (p *pifsTarget) run(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, p.bin, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("pifs %s: %w", args[0], err)
	}
	return out, nil
}

func (p *pifsTarget) name() string { return "pifs" }
func (p *pifsTarget) dir() string  { return p.path }
func (p *pifsTarget) pid() int     { return p.daemon }

func (p *pifsTarget) settle(ctx context.Context) error {
	_, err := p.run(ctx, "sync", p.path)
	return err
}

func (p *pifsTarget) forget(ctx context.Context) error {
	if _, err := p.run(ctx, "cache", "drop", "--home", p.home); err != nil {
		return err
	}
	return dropPageCache(p.path)
}

func (p *pifsTarget) close(ctx context.Context) error {
	if _, err := p.run(ctx, "umount", p.path); err != nil {
		return errors.Join(err, mount.Unmount(p.path, true))
	}
	return nil
}
