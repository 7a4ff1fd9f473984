package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// The swarm of the demo: with class (5,8) no jurisdiction holds more than three
// shards of a stripe, so any of them may go.
var jurisdictions = []string{"CH", "CH", "CH", "FR", "FR", "FR", "DE", "DE", "DE", "DE"}

// round is the time between two looks of a node at its stripes. What a dead node
// held counts as lost three and a half of them after its last proof.
const round = "16s"

// swarmStatus is what the demo looks at of pifs swarm status --json.
type swarmStatus struct {
	Nodes     int `json:"nodes"`
	Answering int `json:"answering"`
	Repair    struct {
		Told          int    `json:"told"`
		Stripes       uint64 `json:"stripes"`
		Endangered    uint64 `json:"endangered"`
		Queue         uint64 `json:"queue"`
		Repaired      uint64 `json:"repaired"`
		Rebuilt       uint64 `json:"rebuilt"`
		Bytes         uint64 `json:"bytes"`
		Nodes         int    `json:"survives_nodes"`
		Jurisdictions int    `json:"survives_jurisdictions"`
	} `json:"repair"`
	Members []struct {
		Shards uint64 `json:"shards"`
	} `json:"members"`
}

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
		{"the nodes by themselves rebuild what the four had", c.heal},
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

// heal waits until the nodes, which nobody tells anything, have as many shards
// again as before the four were killed, and find nothing more to repair. The fresh
// nodes take what the dead ones held.
func (c *cluster) heal() error {
	return c.eventually("all shards to be rebuilt", func() error {
		var err error
		if c.healed, err = c.swarmStatus(); err != nil {
			return err
		}
		r, have := c.healed.Repair, uint64(0)
		for _, m := range c.healed.Members {
			have += m.Shards
		}
		if want := uint64(c.once.Shards); have < want || r.Endangered > 0 || r.Queue > 0 || r.Stripes < uint64(c.once.Blocks) {
			return fmt.Errorf("%d of %d shards, %d of %d stripes, %d endangered, %d wait", have, want, r.Stripes, c.once.Blocks, r.Endangered, r.Queue)
		}
		return nil
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
	r := c.healed.Repair
	mib("moved by the nodes to repair", int64(r.Bytes))
	fmt.Fprintf(w, "shards rebuilt\t%d\t\n", r.Rebuilt)
	p, err := c.proofs()
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "proofs passed\t%d of %d, over %d leaves of 1 KiB\t\n", p.Passed, p.Challenges, p.Leaves)
	fmt.Fprintf(w, "survived after the repair, as the nodes say\tany %d nodes, any %d of 3 jurisdictions\t\n", r.Nodes, r.Jurisdictions)
	return w.Flush()
}
