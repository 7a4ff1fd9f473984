package cli

import (
	"encoding/json"
	"fmt"

	cli "github.com/urfave/cli/v2"

	"pifs/cli/control"
)

func checkCommand(env Env) *cli.Command {
	return &cli.Command{
		Name:  "check",
		Usage: "verify every hash of a volume, and repair",
		Description: `Walks heads, trees, manifests and shards, and reads and verifies all of them.
Each damaged thing is reported by path. Exit status 0: clean; 9: damaged, and
all of it repaired; 7: damaged, but every stripe can be rebuilt (--repair);
10: something is lost.

EXAMPLES:
   pifs check
   pifs check --volume photos --repair
   pifs check --json | jq '.volumes[].damaged'`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "volume", Usage: "only the volume `NAME`; all if not given"},
			&cli.BoolFlag{Name: "repair", Usage: "rebuild missing and wrong shards from the rest"},
			jsonFlag(),
		},
		Action: func(c *cli.Context) error { return checkAction(env, c) },
	}
}

// checkReport is what `pifs check --json` prints.
type checkReport struct {
	Problems []checkLine   `json:"problems"`
	Volumes  []checkResult `json:"volumes"`
}

func checkAction(env Env, c *cli.Context) error {
	if err := wantArgs(c, 0, 0); err != nil {
		return err
	}
	report := checkReport{Problems: []checkLine{}}
	show := func(e control.Event) error {
		var l checkLine
		if err := json.Unmarshal(e.Item, &l); err != nil {
			return fmt.Errorf("decode problem: %w", err)
		}
		if c.Bool("json") {
			report.Problems = append(report.Problems, l)
			return nil
		}
		_, err := fmt.Fprintf(env.Stdout, "%s: %s: %s%s\n", l.Volume, l.Path, l.What, l.outcome())
		return err
	}
	var r checkResults
	err := withSession(env, c, func(s *session) error {
		args := checkArgs{Volume: c.String("volume"), Repair: c.Bool("repair")}
		return s.do(c.Context, newMeter(env, "checking"), callCheck, args, &r, show)
	})
	if err != nil {
		return err
	}
	report.Volumes = r.Volumes
	if err := printCheck(env, c, report); err != nil {
		return err
	}
	return r.verdict()
}

func (l checkLine) outcome() string {
	switch {
	case l.Fixed:
		return ": repaired"
	case l.Lost:
		return ": LOST"
	}
	return ""
}

func printCheck(env Env, c *cli.Context, report checkReport) error {
	if c.Bool("json") {
		return printJSON(env, report)
	}
	for _, v := range report.Volumes {
		state := "clean"
		if v.Damaged > 0 {
			state = fmt.Sprintf("%d damaged, %d repaired, %d lost", v.Damaged, v.Fixed, v.Lost)
		}
		fmt.Fprintf(env.Stdout, "%s: %d heads, %d files, %d folders, %d blocks, %d shards: %s\n",
			v.Volume, v.Heads, v.Files, v.Dirs, v.Blocks, v.Shards, state)
	}
	return nil
}

// verdict turns the sums of all volumes into the error that sets the exit
// status.
func (r checkResults) verdict() error {
	var damaged, fixed, lost int64
	for _, v := range r.Volumes {
		damaged, fixed, lost = damaged+v.Damaged, fixed+v.Fixed, lost+v.Lost
	}
	switch {
	case lost > 0:
		return fail(errLost, fmt.Sprintf("%d things are lost", lost), nil)
	case damaged == 0:
		return nil
	case damaged == fixed:
		return fail(errRepaired, fmt.Sprintf("%d damaged things were repaired", fixed), nil)
	}
	return fail(errDamaged, fmt.Sprintf("%d damaged things are left; repair them with: pifs check --repair", damaged-fixed), nil)
}
