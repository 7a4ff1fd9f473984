package cli

import (
	"fmt"
	"text/tabwriter"

	cli "github.com/urfave/cli/v2"

	"pifs/swarm/proof"
)

func auditCommand(env Env) *cli.Command {
	return &cli.Command{
		Name:      "audit",
		Usage:     "have nodes prove that they hold what they should, now",
		ArgsUsage: "[PATH]",
		Description: `Without PATH every node of the swarm, or the one that --node names, is
challenged: it shows leaves of 1 KiB of all that it stated to hold in its last
round, drawn from a number that nobody knew when it signed that. What it answers
is checked here, and a false answer is kept as evidence. With PATH, leaves are
drawn from the shards of the files at or below it, and read where they lie.

What is lost shows by chance: of a node that lost the part A of its bytes, q
leaves show it with the probability 1-(1-A)^q. Exit status 0: everything was
right; 7: something was wrong or missing; 13: a node did not answer.

EXAMPLES:
   pifs audit
   pifs audit --node 12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5 --leaves 1024
   pifs audit ~/drive/genomes
   pifs audit --volume photos 2024 --json`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "node", Usage: "only the node with this `ID`, or the end of one"},
			&cli.IntFlag{Name: "leaves", Usage: fmt.Sprintf("draw `Q` leaves, 1 to %d", proof.MaxLeaves), Value: 256},
			&cli.StringFlag{Name: "volume", Usage: "PATH is inside the volume `NAME`"}, jsonFlag(),
		},
		Action: func(c *cli.Context) error { return auditAction(env, c) },
	}
}

func auditAction(env Env, c *cli.Context) error {
	if err := wantArgs(c, 0, 1); err != nil {
		return err
	}
	leaves := c.Int("leaves")
	if leaves < 1 || leaves > proof.MaxLeaves {
		return fail(errUsage, fmt.Sprintf("--leaves is 1 to %d", proof.MaxLeaves), nil)
	}
	if c.NArg() == 0 && c.String("volume") == "" {
		return withNode(env, c, func(s *session) error {
			var r nodeAuditResult
			if err := s.do(c.Context, newMeter(env, "auditing"), callNodeAudit, nodeAuditArgs{Node: c.String("node"), Leaves: leaves}, &r, nil); err != nil {
				return err
			}
			return printNodeAudit(env, c, r)
		})
	}
	if c.String("node") != "" {
		return fail(errUsage, "either a PATH is audited or a --node, not both", nil)
	}
	run := func(a auditArgs) func(*session) error {
		return func(s *session) error {
			var r auditResult
			if err := s.do(c.Context, newMeter(env, "auditing"), callAudit, a, &r, nil); err != nil {
				return err
			}
			return printAudit(env, c, r)
		}
	}
	if volume := c.String("volume"); volume != "" {
		return withSession(env, c, run(auditArgs{Volume: volume, Path: c.Args().First(), Leaves: leaves}))
	}
	m, inner, err := mountOf(c.Args().First())
	if err != nil {
		return err
	}
	return withSessionOn(env, c, m.Home, run(auditArgs{Volume: m.Volume, Path: inner, Leaves: leaves}))
}

func printNodeAudit(env Env, c *cli.Context, r nodeAuditResult) error {
	if c.Bool("json") {
		if err := printJSON(env, r); err != nil {
			return err
		}
		return r.verdict()
	}
	w := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
	for _, n := range r.Nodes {
		fmt.Fprintf(w, "%s\t%s\t%s\n", n.ID, n.Operator, n.Outcome)
		if n.Why != "" {
			fmt.Fprintf(w, "\twhy\t%s\n", n.Why)
		}
		if n.Root != "" && n.Held == 0 {
			fmt.Fprintf(w, "\tstated\tthat it holds nothing, in round %d\n", n.Round)
			continue
		}
		if n.Root != "" {
			fmt.Fprintf(w, "\tstated\t%s in %d leaves, in round %d; root %s\n", claimed(n.Held*1024), n.Held, n.Round, n.Root)
			fmt.Fprintf(w, "\tasked\t%d leaves, drawn from %s\n", n.Asked, n.Beacon)
		}
		if n.Outcome == proof.Passed.String() {
			fmt.Fprintf(w, "\tanswered\t%d leaves, all right, in %.1f ms; %s\n", n.Right, float64(n.Microseconds)/1000, confidence(n.Right))
		}
		if n.Evidence != "" {
			fmt.Fprintf(w, "\tevidence\t%s\n", n.Evidence)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return r.verdict()
}

func printAudit(env Env, c *cli.Context, r auditResult) error {
	if c.Bool("json") {
		if err := printJSON(env, r); err != nil {
			return err
		}
		return r.verdict()
	}
	fmt.Fprintf(env.Stdout, "/%s: %d files with %d stripes; %d leaves in %d shards\n", r.Path, r.Files, r.Stripes, r.Leaves, r.Shards)
	for _, b := range r.Bad {
		fmt.Fprintf(env.Stdout, "%s: leaf %d of shard %s at %s: %s\n", b.File, b.Leaf, b.Shard, b.Store, b.State)
	}
	for _, s := range r.Stores {
		fmt.Fprintf(env.Stdout, "asked %4d, right %4d  %s\n", s.Asked, s.Right, s.Store)
	}
	if len(r.Bad) == 0 && r.Asked > 0 {
		fmt.Fprintf(env.Stdout, "%d leaves were asked for, all of them right: %s\n", r.Asked, confidence(r.Asked))
	}
	return r.verdict()
}

// confidence says what follows when so many leaves were right.
func confidence(leaves int) string {
	return fmt.Sprintf("a loss of 1 %% would have shown with %.2f %%, of 5 %% with %.2f %%", 100*proof.Confidence(0.01, leaves), 100*proof.Confidence(0.05, leaves))
}
