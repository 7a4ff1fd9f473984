package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// The swarm of the demo: with class (5,8) no jurisdiction holds more than three
// shards of a stripe, so any of them may go.
var jurisdictions = []string{"CH", "CH", "CH", "FR", "FR", "FR", "DE", "DE", "DE", "DE"}

func (c *cluster) steps() []step {
	tree := c.dir + "/src"
	same := func() error { return c.quiet("diff", "-r", "--no-dereference", c.src, tree) }
	return []step{
		{"ten nodes in three jurisdictions form a swarm", c.form},
		{"an eleventh machine joins and mounts", c.join},
		{"cp -a " + c.src, func() error { return c.quiet("cp", "-a", c.src, tree) }},
		{"pifs sync: every stripe has all its shards on nodes", c.syncOnce},
		{"kill -9 the four nodes of one jurisdiction", func() error { return c.killAll(6, 7, 8, 9) }},
		{"mount again with an empty cache", c.remount},
		{"diff -r finds no difference with six of ten nodes", same},
		{"two fresh nodes join", c.refresh},
		{"pifs check --repair rebuilds what the four had", c.mend},
		{"kill -9 two more nodes", func() error { return c.killAll(1, 4) }},
		{"mount again with an empty cache", c.remount},
		{"diff -r finds no difference with six of twelve nodes", same},
		{"unmount", func() error { return c.pifs(ok, "umount", c.dir) }},
	}
}

func (c *cluster) form() error {
	for _, j := range jurisdictions {
		if err := c.add(j); err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) join() error {
	if err := c.pifs(ok, "swarm", "join", c.invitation); err != nil {
		return err
	}
	if err := c.pifs(ok, "mount", c.dir); err != nil {
		return err
	}
	return c.knows(len(c.nodes))
}

func (c *cluster) killAll(nodes ...int) error {
	for _, i := range nodes {
		if err := c.nodes[i].kill(); err != nil {
			return err
		}
	}
	return nil
}

// remount forgets everything that was read before.
func (c *cluster) remount() error {
	for _, args := range [][]string{{"umount", c.dir}, {"mount", c.dir}, {"cache", "drop"}} {
		if err := c.pifs(ok, args...); err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) refresh() error {
	for range 2 {
		if err := c.add("DE"); err != nil {
			return err
		}
	}
	return c.knows(len(c.nodes))
}

// mend repairs until nothing is left to repair. The fresh nodes take what the
// dead ones held.
func (c *cluster) mend() error {
	return c.eventually("all shards to be rebuilt", func() error {
		if text, status, err := c.command(c.bin, "check", "--repair"); err != nil || status != ok && status != repaired {
			return fmt.Errorf("check --repair: exit status %d: %w: %.500s", status, err, text)
		}
		if err := c.pifs(ok, "check"); err != nil {
			return err
		}
		return c.status(&c.twice)
	})
}

// tell prints what it cost, and what would be survived now.
func (c *cluster) tell(out io.Writer) error {
	stored, err := c.stored()
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	mib := func(title string, n int64) { fmt.Fprintf(w, "%s\t%.1f MiB\t\n", title, float64(n)/(1<<20)) }
	mib("the tree", c.once.Logical)
	mib("compressed and deduplicated", c.once.Compressed)
	mib("shards, class "+c.once.Class, c.once.Stored)
	mib("packs on twelve nodes, the dead ones' too", stored)
	fmt.Fprintf(w, "overhead\t%.2f×\t\n", c.once.Overhead)
	fmt.Fprintf(w, "stripes\t%d\t\n", c.once.Blocks)
	var k, n int
	if _, err := fmt.Sscanf(c.twice.Class, "(%d,%d)", &k, &n); err != nil {
		return fmt.Errorf("class %q: %w", c.twice.Class, err)
	}
	fmt.Fprintf(w, "survived after the repair, when every shard was in place\tany %d nodes\t\n", n-k)
	return w.Flush()
}
