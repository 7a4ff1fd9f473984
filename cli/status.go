package cli

import (
	"fmt"
	"io"
	"math"
	"text/tabwriter"
	"time"

	cli "github.com/urfave/cli/v2"
)

func statusCommand(env Env) *cli.Command {
	return &cli.Command{
		Name:  "status",
		Usage: "show volumes, stores, ratios and what is not stored yet",
		Description: `EXAMPLES:
   pifs status
   pifs status --json | jq .overhead`,
		Flags:  []cli.Flag{jsonFlag()},
		Action: func(c *cli.Context) error { return statusAction(env, c) },
	}
}

func statusAction(env Env, c *cli.Context) error {
	if err := wantArgs(c, 0, 0); err != nil {
		return err
	}
	return withSession(env, c, func(s *session) error {
		var r statusResult
		if err := s.do(c.Context, newMeter(env, ""), callStatus, none{}, &r, nil); err != nil {
			return err
		}
		if c.Bool("json") {
			return printJSON(env, r)
		}
		return printStatus(env.Stdout, r)
	})
}

func printStatus(out io.Writer, r statusResult) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "home\t%s\t%s\n", r.Home, daemonText(r))
	fmt.Fprintf(w, "class\t%s %s\t%d of %d stores may still die\n", r.Ladder, r.Class, r.MayDie, len(r.Stores))
	for _, s := range r.Stores {
		fmt.Fprintf(w, "store\t%s\t%s\t%d shards\t%s\n", s.Path, size(s.Bytes), s.Shards, s.State)
	}
	r.Swarm.print(w)
	for _, v := range r.Volumes {
		printVolume(w, v)
	}
	fmt.Fprintf(w, "logical\t%s\n", size(int64(min(r.Logical, math.MaxInt64))))
	fmt.Fprintf(w, "unique\t%s\tdedup %.2f×\n", size(r.Unique), r.DedupRatio)
	fmt.Fprintf(w, "compressed\t%s\tcompression %.2f×\t%d blocks\n", size(r.Compressed), r.CompressionRatio, r.Blocks)
	fmt.Fprintf(w, "stored\t%s\toverhead %.3f×\t%d shards\n", size(r.Stored), r.Overhead, r.Shards)
	fmt.Fprintf(w, "cache\tmemory %s of %s\tdisk %s of %s\n",
		size(r.Cache.Memory), size(r.Cache.MemoryLimit), size(r.Cache.Disk), size(r.Cache.DiskLimit))
	fmt.Fprintf(w, "dirty\t%s\n", size(r.Dirty))
	fmt.Fprintf(w, "outbox\t%d blocks\t%d lack shards\n", r.Outbox, r.Owed)
	r.Move.print(w)
	return w.Flush()
}

func daemonText(r statusResult) string {
	if r.Daemon == 0 {
		return "no daemon"
	}
	text := fmt.Sprintf("daemon %d, version %s", r.Daemon, r.Version)
	switch h := r.Holder; {
	case h == nil:
		return text
	case h.Gone:
		return fmt.Sprintf("%s\tits holder %d is gone: mounts end with it", text, h.PID)
	default:
		return fmt.Sprintf("%s\tholder %d, %d takeovers", text, h.PID, h.Takeovers)
	}
}

func printVolume(w io.Writer, v volumeStatus) {
	where := "not mounted"
	if v.Mount != "" {
		where = "at " + v.Mount
	}
	if v.ReadOnly {
		where += ", read-only"
	}
	fmt.Fprintf(w, "volume\t%s (%s)\t%s\t%s in %d inodes\n", v.Name, v.Scope, where, size(int64(min(v.Logical, math.MaxInt64))), v.Inodes)
	if v.Error != "" {
		fmt.Fprintf(w, "\tDAMAGED: %s\n", v.Error)
	}
	if v.Head != nil {
		fmt.Fprintf(w, "\thead %d\t%s\t%s\n", v.Head.Seq, v.Head.Time.Local().Format(time.DateTime), v.Head.Root)
	}
	if o := v.Oldest; o != nil && o.Seconds >= 1 {
		fmt.Fprintf(w, "\t%d requests wait\tthe oldest for %.0f s: %s %s, pid %d\n", v.Waiting, o.Seconds, o.Op, o.Path, o.PID)
	}
	checked := "never"
	if l := v.LastCheck; l != nil {
		checked = fmt.Sprintf("%s: %d damaged, %d repaired, %d lost", l.Time.Local().Format(time.DateTime), l.Damaged, l.Fixed, l.Lost)
	}
	fmt.Fprintf(w, "\tlast check\t%s\n", checked)
}
