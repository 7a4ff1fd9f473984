package cli

import (
	"fmt"
	"os"
	"path/filepath"

	cli "github.com/urfave/cli/v2"
)

func cloneCommand(env Env) *cli.Command {
	return &cli.Command{
		Name:      "clone",
		Usage:     "copy files and whole folders at once, without moving data",
		ArgsUsage: "SRC DST",
		Description: `SRC and DST lie in one mount; SRC may be in a snapshot, under
.pifs/snapshots. If DST is a folder the clone goes into it, else DST must not
exist. The clone has the same blocks under names of its own, so it takes no room
but for its names, and either can be changed without the other. Modes, owners,
times, xattrs, holes, symbolic links and hard links inside SRC are kept. It
appears all at once, or not at all if it is interrupted.

Only the owner of the home may clone; as with everything that is done by who
holds the keys, file permissions are not asked.

EXAMPLES:
   pifs clone ~/drive/genomes ~/drive/genomes-cleaned
   pifs clone ~/drive/.pifs/snapshots/monday/report.odt ~/drive/
   pifs clone --volume photos 2024 backup-of-2024`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "volume", Usage: "SRC and DST are inside the volume `NAME`, mounted or not"}, jsonFlag(),
		},
		Action: func(c *cli.Context) error { return cloneAction(env, c) },
	}
}

func cloneAction(env Env, c *cli.Context) error {
	if err := wantArgs(c, 2, 2); err != nil {
		return err
	}
	args := cloneArgs{Volume: c.String("volume"), Src: c.Args().Get(0), Dst: c.Args().Get(1)}
	run := func(s *session) error {
		var r cloneResult
		if err := s.do(c.Context, newMeter(env, "cloning"), callClone, args, &r, nil); err != nil {
			return err
		}
		if c.Bool("json") {
			return printJSON(env, r)
		}
		_, err := fmt.Fprintf(env.Stdout, "%d files and folders cloned to /%s\n", r.Cloned, r.Path)
		return err
	}
	if args.Volume != "" {
		return withSession(env, c, run)
	}
	src, inner, err := mountOf(args.Src)
	if err != nil {
		return err
	}
	args.Src = inner
	dst, inner, err := mountOf(followed(args.Dst))
	if err != nil {
		return err
	}
	args.Dst = inner
	if src.Home != dst.Home || src.Volume != dst.Volume {
		return fail(errUsage, fmt.Sprintf("SRC is in the mount at %s and DST in the one at %s: a clone stays in one volume", src.Dir, dst.Dir), nil)
	}
	args.Volume = src.Volume
	return withSessionOn(env, c, src.Home, run)
}

// followed returns the folder that path leads to if it is a symbolic link to
// one, as cp does; else path.
func followed(path string) string {
	i, err := os.Stat(path)
	if err != nil || !i.IsDir() {
		return path
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return path
	}
	return real
}
