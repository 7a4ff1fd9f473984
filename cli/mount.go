package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	cli "github.com/urfave/cli/v2"

	"pifs/blockstore"
	"pifs/cli/control"
	"pifs/cli/home"
	"pifs/mount"
)

const defaultVolume = "default"

func mountCommand(env Env) *cli.Command {
	return &cli.Command{
		Name:      "mount",
		Usage:     "show a volume as a folder",
		ArgsUsage: "DIR",
		Description: `Shows a volume at DIR, an empty folder. The first use creates the home, its
keys, the volume "default" and five shard stores, any two of which may be lost.
The daemon stays in the background until the last mount of the home is gone.

EXAMPLES:
   pifs mount ~/drive
   pifs mount --store /disk1/pifs --store /disk2/pifs --store /disk3/pifs ~/drive
   pifs mount --volume photos --read-only ~/photos
   pifs mount --genesis other-home-genesis.txt --home ~/second ~/drive2`,
		Flags: []cli.Flag{
			volumeFlag(),
			&cli.StringSliceFlag{Name: "store", Usage: "folder `DIR` of a shard store, one per disk; fixed when the home is created"},
			&cli.StringFlag{Name: "scope", Usage: "whose equal data is stored once: swarm or private; fixed when the volume is created"},
			&cli.StringFlag{Name: "class", Usage: "erasure ladder: phi or lean; fixed when the home is created"},
			&cli.BoolFlag{Name: "read-only", Usage: "refuse all changes"},
			&cli.BoolFlag{Name: "allow-other", Usage: "let other users in, as far as file modes do"},
			&cli.StringFlag{Name: "fsync", Value: "local", Usage: "what fsync waits for: local (this machine's disk) or swarm (full stripes)"},
			&cli.StringFlag{Name: "cache-size", Usage: "`SIZE` of the block cache on disk, such as 500M or 8G"},
			&cli.StringFlag{Name: "deadline", Value: "2m", Usage: "after which `TIME` a request that waits for a disk fails with an I/O error: 4s to 24h"},
			&cli.StringFlag{Name: "genesis", Usage: "`FILE` with the scope secret to adopt when the home is created (pifs key genesis prints it)"},
			&cli.BoolFlag{Name: "holder", Usage: "have the mount outlive its daemon: callers wait while another takes over"},
			&cli.BoolFlag{Name: "foreground", Usage: "stay, and log to stderr too; without a holder"},
		},
		Action: func(c *cli.Context) error { return mountAction(env, c) },
	}
}

func mountAction(env Env, c *cli.Context) error {
	if err := wantArgs(c, 1, 1); err != nil {
		return err
	}
	args, settings, err := mountFlags(c)
	if err != nil {
		return err
	}
	if args.AllowOther {
		if err := checkAllowOther("/etc/fuse.conf", os.Geteuid()); err != nil {
			return err
		}
	}
	if _, err := recoverMountPoint(env, args.Dir); err != nil {
		return err
	}
	err = checkMountPoint(args.Dir)
	if errors.Is(err, mount.ErrDead) {
		// The daemon was ending when recoverMountPoint looked: now it is gone.
		if _, err = recoverMountPoint(env, args.Dir); err == nil {
			err = checkMountPoint(args.Dir)
		}
	}
	if err != nil {
		return err
	}
	h, err := openOrCreate(env, c, settings)
	if err != nil {
		return err
	}
	if c.Bool("foreground") {
		return mountForeground(env, c, h, args)
	}
	held := c.Bool("holder")
	if held && !mount.CanHandOver() {
		held = false
		note(env.Stderr, "this kernel is older than 6.9: the mount ends with its daemon")
	}
	s := &session{reopen: func(ctx context.Context) (control.Handler, error) {
		return ensureDaemon(ctx, env, h, passphrase(env, c), held)
	}}
	if s.Handler, err = s.reopen(c.Context); err != nil {
		return err
	}
	var r mountResult
	if err := s.do(c.Context, newMeter(env, ""), callMount, args, &r, nil); err != nil {
		return err
	}
	if held && !r.Held {
		note(env.Stderr, "a daemon without a holder serves this home already: the mount ends with it")
	}
	reportMount(env, r)
	return nil
}

// mountFlags turns the command line into the call's arguments and the
// settings of the home.
func mountFlags(c *cli.Context) (mountArgs, home.Settings, error) {
	a := mountArgs{
		Volume: c.String("volume"), Scope: c.String("scope"), ReadOnly: c.Bool("read-only"),
		AllowOther: c.Bool("allow-other"), FsyncSwarm: c.String("fsync") == "swarm",
		MayCreate: c.String("volume") == defaultVolume,
	}
	s := home.Settings{Ladder: c.String("class")}
	var err error
	if a.Dir, err = resolve(c.Args().First()); err != nil {
		return a, s, fail(errMountPoint, fmt.Sprintf("%s: the folder around it does not exist", c.Args().First()), err)
	}
	for _, dir := range c.StringSlice("store") {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return a, s, fmt.Errorf("resolve %s: %w", dir, err)
		}
		s.Stores = append(s.Stores, abs)
	}
	if text := c.String("cache-size"); text != "" {
		if s.CacheSize, err = parseSize(text); err != nil {
			return a, s, err
		}
	}
	if a.Deadline, err = parseDeadline(c.String("deadline")); err != nil {
		return a, s, err
	}
	if s.Ladder != "" {
		if _, err := blockstore.ParseLadder(s.Ladder); err != nil {
			return a, s, fail(errUsage, fmt.Sprintf("--class %s: it is phi or lean", s.Ladder), err)
		}
	}
	return a, s, errors.Join(
		oneOf("scope", a.Scope, "", home.ScopeSwarm, home.ScopePrivate),
		oneOf("fsync", c.String("fsync"), "local", "swarm"))
}

// checkAllowOther says beforehand what the kernel's helper would refuse with a
// line in the log only.
func checkAllowOther(conf string, uid int) error {
	if uid == 0 {
		return nil
	}
	raw, err := os.ReadFile(conf)
	for line := range strings.Lines(string(raw)) {
		if strings.TrimSpace(line) == "user_allow_other" {
			return nil
		}
	}
	return fail(fs.ErrPermission, "--allow-other: the administrator must put the line user_allow_other into "+conf, err)
}

// openOrCreate returns the home, making it on first use. Settings that differ
// from those of its creation are refused.
func openOrCreate(env Env, c *cli.Context, s home.Settings) (*home.Home, error) {
	dir, err := home.Locate(globalString(c, "home"), env.Getenv)
	if err != nil {
		return nil, err
	}
	h, err := home.Open(dir)
	if err == nil {
		if c.String("genesis") != "" {
			return nil, fail(home.ErrMismatch, fmt.Sprintf("--genesis: home %s exists already, and its scope is fixed", dir), nil)
		}
		return h, h.Adapt(s)
	}
	if !errors.Is(err, home.ErrNone) {
		return nil, err
	}
	if err := blockstore.MakeDir(dir); err != nil {
		return nil, fmt.Errorf("create home: %w", err)
	}
	ctx, cancel := context.WithTimeout(c.Context, patience)
	defer cancel()
	lock, err := home.Acquire(ctx, dir)
	if err != nil {
		return nil, err
	}
	h, err = home.Create(dir, s, c.String("genesis"))
	if err == nil {
		note(env.Stderr, "created home %s, %d stores; keep a copy of its folder keys", dir, len(h.Config.Stores))
	}
	return h, errors.Join(err, lock.Release())
}

// mountForeground is the daemon itself: it returns when everything is
// unmounted.
func mountForeground(env Env, c *cli.Context, h *home.Home, args mountArgs) error {
	d, err := newDaemon(c.Context, daemonOptions{dir: h.Dir, ask: passphrase(env, c), also: env.Stderr})
	if errors.Is(err, home.ErrLocked) {
		return fail(errBusy, "a daemon serves this home already: mount without --foreground, or umount first", err)
	}
	if err != nil {
		return err
	}
	raw, err := json.Marshal(args)
	if err != nil {
		return errors.Join(err, d.close(c.Context))
	}
	raw, err = d.Call(c.Context, callMount, raw, func(control.Event) error { return nil })
	if err != nil {
		return errors.Join(err, d.close(c.Context))
	}
	var r mountResult
	if err := json.Unmarshal(raw, &r); err != nil {
		return errors.Join(err, d.close(c.Context))
	}
	reportMount(env, r)
	return d.run(c.Context)
}

func reportMount(env Env, r mountResult) {
	if r.Created {
		note(env.Stderr, "created volume %s", r.Volume)
	}
	if r.Notice != "" {
		note(env.Stderr, "%s", r.Notice)
	}
}
