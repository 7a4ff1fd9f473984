package cli

import (
	"fmt"
	"io"
	"path/filepath"

	"pifs/blockstore"
	"pifs/blockstore/failpoint"
	"pifs/swarm"
	"pifs/swarm/decide"
	"pifs/swarm/proof"
	"pifs/swarm/repair"
)

// repairRate bounds what a node reads and writes to repair, in bytes a second.
const repairRate = 64 << 20

// newRepairer makes what has the node look after the stripes that it knows.
func (n *node) newRepairer() (*repair.Repairer, error) {
	rounds := n.rounds()
	return repair.New(repair.Options{
		Self: n.identity.ID, View: repair.NewNetwork(n.book, n.host, n.shards, nodeWeight, n.auditor, failpoint.Now), Stripes: n.shards,
		Rounds: rounds, Policy: decide.PolicyFor(rounds.Length),
		Rate: repairRate, Expose: n.expose, Now: failpoint.Now, Log: n.log,
	})
}

// expose keeps what shows that a stripe was put malformed.
func (n *node) expose(m *proof.Malformed) error {
	raw, err := blockstore.Marshal(m)
	if err != nil {
		return err
	}
	return swarm.ReplaceFile(filepath.Join(n.home.NodeDir(), "proofs", fmt.Sprintf("malformed.%v", m.Stripe.Address)), raw)
}

// rounds are those of the swarm.
func (n *node) rounds() decide.Rounds {
	g := n.book.Genesis()
	return decide.Rounds{Start: g.Created, Length: max(int64(g.Params.Round), decide.MinRound)}
}

// repairLine is what a node tells of the stripes that it looks after: those of
// which it is the first live holder.
type repairLine struct {
	Passes     uint64 `json:"passes"`     // looks at everything since it started
	Stripes    int    `json:"stripes"`    // in the last of them
	Endangered int    `json:"endangered"` // of those, that are to be repaired
	Queue      int    `json:"queue"`      // that wait for that
	Repaired   int64  `json:"repaired"`   // stripes, since it started
	Rebuilt    int64  `json:"rebuilt"`    // shards of them
	Bytes      int64  `json:"bytes"`      // read and written for that
	Failed     int64  `json:"failed"`     // tries without success
	Malformed  int    `json:"malformed"`  // stripes that their writers made so that nobody can repair them

	// Any so many may fail at once and cost no stripe, as it stands; -1 if one is
	// too few as it is.
	Nodes         int `json:"survives_nodes"`
	Operators     int `json:"survives_operators"`
	Jurisdictions int `json:"survives_jurisdictions"`
}

func newRepairLine(s repair.Status) *repairLine {
	l := &repairLine{
		Passes: s.Passes, Stripes: s.Survey.Stripes, Queue: s.Queue, Repaired: s.Counts.Stripes, Rebuilt: s.Shards, Bytes: s.Bytes,
		Failed: s.Failed, Malformed: s.Malformed, Nodes: s.Survey.Nodes, Operators: s.Survey.Operators, Jurisdictions: s.Survey.Places,
	}
	for u, count := range s.Survey.ByUrgency {
		if decide.Urgency(u).Due() {
			l.Endangered += count
		}
	}
	return l
}

func (l *repairLine) print(w io.Writer) {
	if l == nil || l.Passes == 0 {
		return
	}
	fmt.Fprintf(w, "repair\t%d stripes\t%d endangered, %d wait; %d were repaired, %d tries failed\n", l.Stripes, l.Endangered, l.Queue, l.Repaired, l.Failed)
	if l.Stripes > 0 {
		fmt.Fprintf(w, "\tsurvives\tany %d nodes, any %d operators, any %d jurisdictions\n", l.Nodes, l.Operators, l.Jurisdictions)
	}
}
