package cli

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"pifs/swarm"
)

// overall is what all nodes tell of their stripes together. Whoever does not
// answer is not in it: others take over what was its task with their next looks.
type overall struct {
	Told int `json:"told"` // nodes that have looked at their stripes, and say so
	repairLine
}

// add adds what one node tells. It takes the least of what failures would be
// survived, so that no node makes things look better than another says.
func (o *overall) add(l *repairLine) {
	if !l.looked() {
		return
	}
	if o.Told++; o.Told == 1 {
		o.repairLine = *l
		return
	}
	if was := o.repairLine; l.Stripes > 0 && was.Stripes > 0 {
		o.Nodes, o.Operators, o.Jurisdictions = min(was.Nodes, l.Nodes), min(was.Operators, l.Operators), min(was.Jurisdictions, l.Jurisdictions)
	} else if l.Stripes > 0 {
		o.Nodes, o.Operators, o.Jurisdictions = l.Nodes, l.Operators, l.Jurisdictions
	}
	o.Ended, o.Passes = min(o.Ended, l.Ended), min(o.Passes, l.Passes)
	o.Stripes += l.Stripes
	o.Endangered += l.Endangered
	o.Queue += l.Queue
	o.Repaired += l.Repaired
	o.Rebuilt += l.Rebuilt
	o.Bytes += l.Bytes
	o.Failed += l.Failed
	o.Malformed += l.Malformed
}

// print prints it of a swarm of so many nodes.
func (o *overall) print(w io.Writer, nodes int) {
	fmt.Fprintf(w, "stripes\t%d\t%d endangered, %d wait for repair\tas %d of %d nodes say\n", o.Stripes, o.Endangered, o.Queue, o.Told, nodes)
	fmt.Fprintf(w, "repaired\t%d\t%d tries failed\t%s moved since they started\n", o.Repaired, o.Failed, claimed(o.Bytes))
	if o.Malformed > 0 {
		fmt.Fprintf(w, "malformed\t%d\tput so that nobody can repair them\n", o.Malformed)
	}
	if o.Stripes > 0 {
		fmt.Fprintf(w, "survives\t%s\n", o.survives())
	}
}

// survives says what failure would cost nothing today.
func (l *repairLine) survives() string {
	if l.Nodes < 0 {
		return "NOTHING: fewer shards of some stripes are proved than it takes to read them"
	}
	return fmt.Sprintf("%s, %s, %s", anyOf(l.Nodes, "node"), anyOf(l.Operators, "operator"), anyOf(l.Jurisdictions, "jurisdiction"))
}

// anyOf says that any so many of something may fail.
func anyOf(count int16, what string) string {
	switch {
	case count <= 0:
		return "no " + what
	case count > 1:
		what += "s"
	}
	return fmt.Sprintf("any %d %s", count, what)
}

// swarmLine is a home's swarm at a glance.
type swarmLine struct {
	Name   string  `json:"name"`
	Nodes  int     `json:"nodes"`
	Repair overall `json:"repair"`
}

// glanceLimit is how long all nodes together have for it.
const glanceLimit = 2 * time.Second

// glance asks all nodes how the stripes are that they look after. Who was not to
// be reached a moment ago is not tried.
func (n *node) glance(ctx context.Context) *swarmLine {
	ctx, cancel := context.WithTimeout(ctx, glanceLimit)
	defer cancel()
	l := &swarmLine{Name: n.book.Genesis().Name}
	var mu sync.Mutex
	var asking sync.WaitGroup
	places := make(chan struct{}, pingMost)
	for _, e := range n.book.Current().Entries {
		if e.Capacity == 0 {
			continue
		}
		l.Nodes++
		places <- struct{}{}
		asking.Go(func() {
			says := n.surveyOf(ctx, e.ID)
			<-places
			mu.Lock()
			defer mu.Unlock()
			l.Repair.add(says)
		})
	}
	asking.Wait()
	return l
}

// surveyOf asks a node for its survey; nil if it does not say, or does not know how.
func (n *node) surveyOf(ctx context.Context, id swarm.MemberID) *repairLine {
	if id == n.identity.ID {
		return n.surveyed(ctx)
	}
	v, err := n.host.Store(id, nil).Survey(ctx)
	if err != nil {
		return nil
	}
	return newRepairLine(v)
}

func (l *swarmLine) print(w io.Writer) {
	if l == nil {
		return
	}
	fmt.Fprintf(w, "swarm\t%s\t%d of %d nodes say: %d stripes, %d endangered, %d wait", l.Name, l.Repair.Told, l.Nodes, l.Repair.Stripes, l.Repair.Endangered, l.Repair.Queue)
	if l.Repair.Stripes > 0 {
		fmt.Fprintf(w, "; survives %s", l.Repair.survives())
	}
	fmt.Fprintln(w)
}
