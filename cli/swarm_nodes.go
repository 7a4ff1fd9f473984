package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"text/tabwriter"

	cli "github.com/urfave/cli/v2"

	"pifs/swarm"
	"pifs/swarm/member"
)

func swarmNodesCommand(env Env) *cli.Command {
	return &cli.Command{
		Name:        "nodes",
		Usage:       "list the members of the swarm, as this home knows them",
		Description: "EXAMPLES:\n   pifs swarm nodes\n   pifs swarm nodes --json",
		Flags:       []cli.Flag{jsonFlag()},
		Action:      func(c *cli.Context) error { return swarmNodesAction(env, c) },
	}
}

// swarmNodesResult is what `pifs swarm nodes --json` prints.
type swarmNodesResult struct {
	Swarm   string       `json:"swarm"`
	SwarmID string       `json:"swarmID"`
	Epoch   uint64       `json:"epoch"`
	Nodes   []memberLine `json:"nodes"`
}

type memberLine struct {
	ID           string   `json:"id"`
	Operator     string   `json:"operator,omitempty"`
	Jurisdiction string   `json:"jurisdiction,omitempty"`
	Region       string   `json:"region,omitempty"`
	Capacity     uint64   `json:"capacity"` // bytes; 0: it only uses the swarm
	Addrs        []string `json:"addrs"`
	Joined       uint64   `json:"joined"` // epoch
	Founder      bool     `json:"founder"`
	Self         bool     `json:"self"`
}

func swarmNodesAction(env Env, c *cli.Context) error {
	if err := wantArgs(c, 0, 0); err != nil {
		return err
	}
	h, err := locatedHome(env, c)
	if err != nil {
		return err
	}
	book, err := readBook(h)
	if err != nil {
		return err
	}
	id, err := swarm.LoadIdentity(h.NodeDir())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	r := listNodes(book, id.ID)
	if n := len(book.Evidence()); n > 0 {
		note(env.Stderr, "the founder signed records that contradict each other, %d times: see %s", n, h.SwarmDir())
	}
	if c.Bool("json") {
		return printJSON(env, r)
	}
	return printNodes(env.Stdout, r)
}

func listNodes(b *member.Book, self swarm.MemberID) swarmNodesResult {
	rec := b.Current()
	r := swarmNodesResult{Swarm: b.Genesis().Name, SwarmID: b.ID().String(), Epoch: rec.Header.Epoch, Nodes: []memberLine{}}
	for _, e := range rec.Entries {
		r.Nodes = append(r.Nodes, memberLine{
			ID: string(e.ID), Operator: e.Operator, Jurisdiction: e.Jurisdiction, Region: e.Region, Capacity: e.Capacity,
			Addrs: append([]string{}, e.Addrs...), Joined: e.Joined, Founder: e.ID == rec.Header.Founder, Self: e.ID == self,
		})
	}
	return r
}

func printNodes(out io.Writer, r swarmNodesResult) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, n := range r.Nodes {
		capacity, what := "-", ""
		if n.Capacity > 0 {
			capacity = size(int64(n.Capacity))
		}
		switch {
		case n.Founder && n.Self:
			what = "founder, this home"
		case n.Founder:
			what = "founder"
		case n.Self:
			what = "this home"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", n.ID, orDash(n.Operator), orDash(n.Jurisdiction), orDash(n.Region), capacity, what)
	}
	return w.Flush()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
