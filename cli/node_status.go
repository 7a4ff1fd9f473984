package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"text/tabwriter"

	cli "github.com/urfave/cli/v2"

	"pifs/cli/control"
	"pifs/cli/home"
	"pifs/swarm"
	"pifs/swarm/member"
	nodestore "pifs/swarm/node"
)

func nodeStatusCommand(env Env) *cli.Command {
	return &cli.Command{
		Name:        "status",
		Usage:       "show what this home is in its swarm",
		Description: "EXAMPLES:\n   pifs node status\n   pifs node status --json",
		Flags:       []cli.Flag{jsonFlag()},
		Action:      func(c *cli.Context) error { return nodeStatusAction(env, c) },
	}
}

// nodeStatusResult is what `pifs node status --json` prints.
type nodeStatusResult struct {
	Home         string   `json:"home"`
	ID           string   `json:"id"`
	PID          int      `json:"pid"` // of the process that serves it, 0 when none does
	Operator     string   `json:"operator,omitempty"`
	Jurisdiction string   `json:"jurisdiction,omitempty"`
	Region       string   `json:"region,omitempty"`
	Capacity     int64    `json:"capacity"` // bytes; 0: it stores nothing for others
	Addrs        []string `json:"addrs"`    // at which it can be reached
	Shards       uint64   `json:"shards"`   // it keeps; told while it runs, as the next two
	Stored       uint64   `json:"stored"`   // bytes of them
	Free         uint64   `json:"free"`     // bytes that it would still take

	Repair *repairLine `json:"repair,omitempty"` // told while it runs
	Proofs *proofsLine `json:"proofs,omitempty"` // told while it runs

	Swept    nodestore.Swept    `json:"swept"`    // since it started
	Scrubbed nodestore.Scrubbed `json:"scrubbed"` // since it started

	Swarm     string `json:"swarm,omitempty"` // name; empty: none was joined
	SwarmID   string `json:"swarmID,omitempty"`
	Epoch     uint64 `json:"epoch"`
	Members   int    `json:"members"`
	Connected int    `json:"connected"` // of them, now
	Member    bool   `json:"member"`    // false: it was removed
	Founder   bool   `json:"founder"`   // the founder's key is here
	Evidence  int    `json:"evidence"`  // that the founder signed two histories
}

func nodeStatusAction(env Env, c *cli.Context) error {
	if err := wantArgs(c, 0, 0); err != nil {
		return err
	}
	r, err := askNodeStatus(env, c)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return printJSON(env, r)
	}
	return printNodeStatus(env.Stdout, r)
}

// askNodeStatus asks whoever has the home open, or else looks at its files.
func askNodeStatus(env Env, c *cli.Context) (r nodeStatusResult, err error) {
	h, err := locatedHome(env, c)
	if err != nil {
		return r, err
	}
	client, err := control.Dial(c.Context, h.Socket())
	if err != nil {
		return nodeStatus(h)
	}
	s := &session{Handler: client}
	return r, s.do(c.Context, newMeter(env, ""), callNodeStatus, none{}, &r, nil)
}

func printNodeStatus(out io.Writer, r nodeStatusResult) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	state := "not running"
	if r.PID != 0 {
		state = fmt.Sprintf("process %d", r.PID)
	}
	fmt.Fprintf(w, "node\t%s\t%s\n", r.ID, state)
	if r.Capacity > 0 {
		fmt.Fprintf(w, "operator\t%s\t%s, %s\n", r.Operator, r.Jurisdiction, r.Region)
		fmt.Fprintf(w, "capacity\t%s\n", size(r.Capacity))
		if r.PID != 0 {
			fmt.Fprintf(w, "stored\t%s\t%d shards, %s free\n", size(int64(r.Stored)), r.Shards, size(int64(r.Free)))
			r.Proofs.print(w)
			r.Repair.print(w)
		}
	} else {
		fmt.Fprintf(w, "capacity\tnone: it stores nothing for others\n")
	}
	if len(r.Addrs) > 0 {
		fmt.Fprintf(w, "addresses\t%s\n", strings.Join(r.Addrs, " "))
	}
	if r.Swarm == "" {
		fmt.Fprintf(w, "swarm\tnone\n")
		return w.Flush()
	}
	fmt.Fprintf(w, "swarm\t%s\t%s\n", r.Swarm, r.SwarmID)
	fmt.Fprintf(w, "record\tepoch %d\t%d members, %d connected\n", r.Epoch, r.Members, r.Connected)
	if r.Founder {
		fmt.Fprintf(w, "founder\tthe founder's key is in this home\n")
	}
	if !r.Member {
		fmt.Fprintf(w, "\tNOT A MEMBER: it left, or the founder removed it\n")
	}
	if r.Evidence > 0 {
		fmt.Fprintf(w, "\tTWO HISTORIES: the founder signed records that contradict each other, %d times\n", r.Evidence)
	}
	return w.Flush()
}

// nodeStatus tells what is known of a home's place in a swarm.
func nodeStatus(h *home.Home) (r nodeStatusResult, err error) {
	r = nodeStatusResult{Home: h.Dir, Addrs: []string{}}
	id, err := swarm.LoadIdentity(h.NodeDir())
	if errors.Is(err, fs.ErrNotExist) {
		return r, fail(errNotFound, "this home is no node and in no swarm: pifs node init makes it one, pifs swarm join INVITATION joins", err)
	}
	if err != nil {
		return r, err
	}
	r.ID = string(id.ID)
	config, err := h.Node()
	if err != nil {
		return r, err
	}
	if config != nil {
		r.Operator, r.Jurisdiction, r.Region, r.Capacity = config.Operator, config.Jurisdiction, config.Region, config.Capacity
	}
	book, err := member.ReadBook(h.SwarmDir())
	if errors.Is(err, member.ErrNoSwarm) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	r.describe(book, id.ID)
	return r, nil
}

func (r *nodeStatusResult) describe(b *member.Book, id swarm.MemberID) {
	rec := b.Current()
	r.Swarm, r.SwarmID, r.Epoch, r.Members = b.Genesis().Name, b.ID().String(), rec.Header.Epoch, len(rec.Entries)
	r.Founder, r.Evidence = b.Founder() != nil, len(b.Evidence())
	if e, ok := rec.Find(id); ok {
		r.Member = true
		r.Addrs = append(r.Addrs, e.Addrs...)
	}
}

// status is nodeStatus of a node that is in use.
func (n *node) status(ctx context.Context, _ none, _ emitter) (nodeStatusResult, error) {
	r, err := nodeStatus(n.home)
	if err != nil {
		return r, err
	}
	r.PID, r.Connected = os.Getpid(), n.meeting.Connected()
	if n.shards == nil {
		return r, nil
	}
	used, err := n.shards.Usage(ctx, n.identity.ID)
	if err != nil {
		return r, err
	}
	r.Shards, r.Stored, r.Free = used.Shards, used.Bytes, used.Free
	r.Repair, r.Proofs = n.surveyed(ctx), n.proofs()
	n.did.Lock()
	defer n.did.Unlock()
	r.Swept, r.Scrubbed = n.swept, n.scrubbed
	return r, nil
}
