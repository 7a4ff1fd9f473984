package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"text/tabwriter"
	"time"

	cli "github.com/urfave/cli/v2"

	"pifs/swarm"
	"pifs/swarm/audit"
	"pifs/swarm/decide"
	"pifs/swarm/member"
	"pifs/swarm/wire"
)

const (
	pingLimit = 5 * time.Second // for a member's answer
	pingMost  = 32              // members that are asked at a time
)

func swarmStatusCommand(env Env) *cli.Command {
	return &cli.Command{
		Name:  "status",
		Usage: "ask every member of the swarm how it is",
		Description: `Compares records with each member that can be reached, now, and shows who
answers, how fast, and over which jurisdictions and operators the room is spread.

Each stripe is the task of one node, the first live one that holds a shard of it.
What they all say of theirs is added up: how many are endangered, how many wait
for repair, and what failure would be survived as it stands: the least that
any of them says. What was the task of a node that does not answer, others take over
with their next looks, one in each round. All that nodes say is their word.

EXAMPLES:
   pifs swarm status
   pifs swarm status --json`,
		Flags:  []cli.Flag{jsonFlag()},
		Action: func(c *cli.Context) error { return swarmStatusAction(env, c) },
	}
}

// swarmStatusResult is what `pifs swarm status --json` prints.
type swarmStatusResult struct {
	Swarm         string       `json:"swarm"`
	SwarmID       string       `json:"swarmID"`
	Epoch         uint64       `json:"epoch"`
	Evidence      int          `json:"evidence"` // that the founder signed two histories
	Nodes         int          `json:"nodes"`    // members that offer room
	Answering     int          `json:"answering"`
	Capacity      uint64       `json:"capacity"` // bytes that all nodes offer
	Stored        uint64       `json:"stored"`   // bytes that those which answer keep
	Free          uint64       `json:"free"`     // bytes that they would still take
	Repair        overall      `json:"repair"`
	Proofs        *proofsLine  `json:"proofs,omitempty"` // as this home's node saw them, if it runs one
	Jurisdictions []domainLine `json:"jurisdictions"`
	Operators     []domainLine `json:"operators"`
	Members       []healthLine `json:"members"`
	Move          *moveLine    `json:"move,omitempty"` // what does not lie there; nil if the home is not open
}

// domainLine is what would fail together, and the nodes in it.
type domainLine struct {
	Name      string `json:"name"`
	Nodes     int    `json:"nodes"`
	Answering int    `json:"answering"`
	Capacity  uint64 `json:"capacity"`
	Free      uint64 `json:"free"` // at those that answer
}

// healthLine is a member and what it answered.
type healthLine struct {
	memberLine
	Answers      bool   `json:"answers"`
	Microseconds int64  `json:"microseconds"` // that its answer took
	Epoch        uint64 `json:"epoch"`        // of its record
	Shards       uint64 `json:"shards"`
	Stored       uint64 `json:"stored"`         // bytes
	Free         uint64 `json:"free"`           // bytes
	Away         string `json:"away,omitempty"` // why it does not answer

	Repair *repairLine `json:"repair,omitempty"` // what it says of the stripes that it looks after
	Proved int64       `json:"proved,omitempty"` // Unix seconds: of the last round that it passed, as this home's node saw it
	Liar   bool        `json:"liar,omitempty"`   // it signed what is false
}

func swarmStatusAction(env Env, c *cli.Context) error {
	if err := wantArgs(c, 0, 0); err != nil {
		return err
	}
	return withNode(env, c, func(s *session) error {
		var r swarmStatusResult
		if err := s.do(c.Context, newMeter(env, "asking"), callSwarmStatus, none{}, &r, nil); err != nil {
			return err
		}
		if c.Bool("json") {
			return printJSON(env, r)
		}
		return printSwarmStatus(env.Stdout, r)
	})
}

// swarmStatus asks all members.
func (n *node) swarmStatus(ctx context.Context, _ none, emit emitter) (swarmStatusResult, error) {
	list := listNodes(n.book, n.identity.ID)
	r := swarmStatusResult{
		Swarm: list.Swarm, SwarmID: list.SwarmID, Epoch: list.Epoch, Evidence: len(n.book.Evidence()),
		Members: make([]healthLine, len(list.Nodes)),
	}
	var asking sync.WaitGroup
	var done sync.Mutex
	answered, places := int64(0), make(chan struct{}, pingMost)
	for i, m := range list.Nodes {
		places <- struct{}{}
		asking.Go(func() {
			r.Members[i] = n.ask(ctx, m)
			<-places
			done.Lock()
			defer done.Unlock()
			answered++
			emit.progress(answered, int64(len(list.Nodes)), "members")
		})
	}
	asking.Wait()
	n.addProofs(&r)
	r.sum()
	return r, ctx.Err()
}

// ask asks one member how it is.
func (n *node) ask(ctx context.Context, m memberLine) healthLine {
	l := healthLine{memberLine: m}
	limited, cancel := context.WithTimeout(ctx, pingLimit)
	defer cancel()
	if m.Self {
		l.Answers, l.Epoch = true, n.book.Current().Header.Epoch
		if n.shards != nil {
			l.note(n.shards.Usage(limited, n.identity.ID))
			l.Repair = n.surveyed(limited)
		}
		return l
	}
	begun := time.Now()
	have, err := n.meeting.Compare(limited, swarm.MemberID(m.ID))
	if err != nil {
		l.Away = oneLine(err)
		return l
	}
	l.Answers, l.Microseconds, l.Epoch = true, time.Since(begun).Microseconds(), have.Epoch
	if m.Capacity > 0 {
		l.note(n.host.Store(swarm.MemberID(m.ID), nil).Used(limited))
		l.Repair = n.surveyOf(limited, swarm.MemberID(m.ID))
	}
	return l
}

// addProofs adds what this home's node, if it runs one, saw of the rounds of proofs.
func (n *node) addProofs(r *swarmStatusResult) {
	if n.auditor == nil {
		return
	}
	r.Proofs = n.proofs()
	at := map[string]audit.NodeStatus{}
	for _, s := range n.auditor.Status().Nodes {
		at[string(s.ID)] = s
	}
	for i := range r.Members {
		m := &r.Members[i]
		if s := at[m.ID]; s.Ever {
			m.Proved = n.rounds().Begins(s.Passed, decide.Commit)
		}
		m.Liar = at[m.ID].Wrong
	}
}

// note notes what a node keeps, or that it would not say.
func (l *healthLine) note(used *wire.Used, err error) {
	if err != nil {
		l.Away = oneLine(err)
		return
	}
	l.Shards, l.Stored, l.Free = used.Shards, used.Bytes, used.Free
}

// sum adds up what the members offer.
func (r *swarmStatusResult) sum() {
	places, operators := map[string]*domainLine{}, map[string]*domainLine{}
	for _, m := range r.Members {
		if m.Capacity == 0 {
			continue
		}
		r.Nodes++
		r.Capacity += m.Capacity
		if m.Answers {
			r.Answering++
			r.Stored += m.Stored
			r.Free += m.Free
			r.Repair.add(m.Repair)
		}
		for _, d := range []*domainLine{domain(places, m.Jurisdiction), domain(operators, m.Operator)} {
			d.Nodes++
			d.Capacity += m.Capacity
			if m.Answers {
				d.Answering++
				d.Free += m.Free
			}
		}
	}
	r.Jurisdictions, r.Operators = largestFirst(places), largestFirst(operators)
}

func domain(all map[string]*domainLine, name string) *domainLine {
	if all[name] == nil {
		all[name] = &domainLine{Name: name}
	}
	return all[name]
}

func largestFirst(all map[string]*domainLine) []domainLine {
	lines := []domainLine{}
	for _, d := range all {
		lines = append(lines, *d)
	}
	slices.SortFunc(lines, func(a, b domainLine) int { return cmp.Or(cmp.Compare(b.Nodes, a.Nodes), cmp.Compare(a.Name, b.Name)) })
	return lines
}

func printSwarmStatus(out io.Writer, r swarmStatusResult) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "swarm\t%s\t%s\tepoch %d\n", r.Swarm, r.SwarmID, r.Epoch)
	fmt.Fprintf(w, "nodes\t%d of %d answer\t%s, %s stored, %s free\n", r.Answering, r.Nodes, claimed(r.Capacity), claimed(r.Stored), claimed(r.Free))
	if r.Evidence > 0 {
		fmt.Fprintf(w, "\tTWO HISTORIES: the founder signed records that contradict each other, %d times\n", r.Evidence)
	}
	r.Move.print(w)
	r.Repair.print(w, r.Nodes)
	r.Proofs.print(w)
	for _, d := range r.Jurisdictions {
		fmt.Fprintf(w, "jurisdiction\t%s\t%d of %d nodes answer\t%s, %s free\n", d.Name, d.Answering, d.Nodes, claimed(d.Capacity), claimed(d.Free))
	}
	for _, d := range r.Operators {
		fmt.Fprintf(w, "operator\t%s\t%d of %d nodes answer\t%s, %s free\n", d.Name, d.Answering, d.Nodes, claimed(d.Capacity), claimed(d.Free))
	}
	for _, m := range r.Members {
		fmt.Fprintf(w, "member\t%s\t%s\t%s\t%s\n", m.ID, orDash(m.Operator), orDash(m.Jurisdiction), m.state(r.Epoch))
	}
	return w.Flush()
}

// claimed formats bytes that others say they have.
func claimed(n uint64) string { return size(int64(min(n, member.MaxCapacity))) }

// state says in words how a member is. epoch is that of our record.
func (m healthLine) state(epoch uint64) string {
	switch {
	case m.Self:
		return "this home"
	case !m.Answers && len(m.Addrs) == 0:
		return "cannot be reached from outside"
	case !m.Answers:
		return "away: " + m.Away + m.proved()
	}
	text := fmt.Sprintf("answers in %.1f ms", float64(m.Microseconds)/1000)
	if m.Capacity > 0 {
		text += fmt.Sprintf(", stores %s of %s", claimed(m.Stored), claimed(m.Capacity))
	}
	text += m.proved()
	if m.Epoch != epoch {
		text += fmt.Sprintf(", has record %d", m.Epoch)
	}
	return text
}

// proved says when the member last proved what it holds, if that is known.
func (m healthLine) proved() string {
	switch {
	case m.Liar:
		return ", SIGNED WHAT IS FALSE"
	case m.Proved == 0:
		return ""
	}
	return ", proved in the round of " + time.Unix(m.Proved, 0).Local().Format(time.DateTime)
}
