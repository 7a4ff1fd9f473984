package cli

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	cli "github.com/urfave/cli/v2"
)

func pruneCommand(env Env) *cli.Command {
	return &cli.Command{
		Name:  "prune",
		Usage: "forget old heads and free what nothing needs any more",
		Description: `Frees the blocks that neither the files nor a head that is kept need. Heads are
forgotten when --keep or --keep-within is given: all that neither of the two
keeps, save snapshots and the newest head. A head that is forgotten stays in
pifs log, and can no longer be read, compared or restored. Without the two
options every head is kept.

Where a disk becomes full this happens by itself, oldest heads first.

EXAMPLES:
   pifs prune --dry-run --keep 10
   pifs prune --keep-within 30d`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "volume", Usage: "only heads of `VOLUME` (else of all volumes)"},
			&cli.IntFlag{Name: "keep", Usage: "keep the `N` newest heads of a volume"},
			&cli.StringFlag{Name: "keep-within", Usage: "keep the heads of the last `DURATION`, such as 12h or 30d"},
			&cli.BoolFlag{Name: "dry-run", Usage: "change nothing, say what would be forgotten and freed"},
			jsonFlag(),
		},
		Action: func(c *cli.Context) error { return pruneAction(env, c) },
	}
}

func pruneAction(env Env, c *cli.Context) error {
	if err := wantArgs(c, 0, 0); err != nil {
		return err
	}
	a := pruneArgs{Volume: c.String("volume"), Keep: c.Int("keep"), DryRun: c.Bool("dry-run")}
	a.Forget = c.IsSet("keep") || c.IsSet("keep-within")
	if a.Keep < 0 {
		return fail(errUsage, fmt.Sprintf("--keep %d: it is a number of heads", a.Keep), nil)
	}
	if text := c.String("keep-within"); text != "" {
		var err error
		if a.Within, err = parseAge("keep-within", text); err != nil {
			return err
		}
	}
	return withSession(env, c, func(s *session) error {
		var r pruneResult
		if err := s.do(c.Context, newMeter(env, "storing"), callPrune, a, &r, nil); err != nil {
			return err
		}
		if c.Bool("json") {
			return printJSON(env, r)
		}
		return printPruned(env.Stdout, r)
	})
}

// parseAge reads the duration of a flag; besides Go's units it knows d and w.
func parseAge(flag, text string) (time.Duration, error) {
	for unit, day := range map[string]float64{"d": 1, "w": 7} {
		digits, ok := strings.CutSuffix(text, unit)
		if n, err := strconv.ParseFloat(digits, 64); ok && err == nil && n > 0 && n*day < 36500 {
			return time.Duration(n * day * 24 * float64(time.Hour)), nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, fail(errUsage, fmt.Sprintf("--%s %q: it is a time such as 90m, 12h, 30d or 8w", flag, text), err)
	}
	return d, nil
}

func printPruned(out io.Writer, r pruneResult) error {
	forgotten, freed := "forgotten", "freed"
	if r.DryRun {
		forgotten, freed = "would be forgotten", "would be freed"
	}
	for _, v := range r.Volumes {
		if _, err := fmt.Fprintf(out, "%s: %d heads %s\n", v.Volume, len(v.Forgotten), forgotten); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(out, "%s in %d blocks %s\n", size(r.Bytes), r.Blocks, freed)
	return err
}
