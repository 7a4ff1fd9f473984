package cli

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"pifs/blockstore"
	"pifs/blockstore/failpoint"
	"pifs/swarm"
	"pifs/swarm/decide"
	nodestore "pifs/swarm/node"
	"pifs/swarm/proof"
	"pifs/swarm/repair"
	"pifs/swarm/wire"
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

// served is a node as members reach it: it keeps shards, and looks after stripes.
type served struct {
	*nodestore.Node
	*repair.Repairer
}

var (
	_ wire.ShardServer  = served{}
	_ wire.WhichServer  = served{}
	_ wire.MendServer   = served{}
	_ wire.SurveyServer = served{}
)

// repairLine is what a node tells of the stripes that it looks after: those of
// which it is the first live holder.
type repairLine struct {
	Ended      int64  `json:"ended"`      // Unix seconds: when it had last looked at everything, 0 if it has not yet
	Passes     uint64 `json:"passes"`     // looks at everything since it started
	Stripes    uint64 `json:"stripes"`    // in the last of them
	Endangered uint64 `json:"endangered"` // of those, that are to be repaired
	Queue      uint64 `json:"queue"`      // that wait for that
	Repaired   uint64 `json:"repaired"`   // stripes, since it started
	Rebuilt    uint64 `json:"rebuilt"`    // shards of them
	Bytes      uint64 `json:"bytes"`      // read and written for that
	Failed     uint64 `json:"failed"`     // tries without success
	Malformed  uint64 `json:"malformed"`  // stripes that their writers made so that nobody can repair them

	// Any so many may fail at once and cost no stripe, as it stands; -1 if fewer
	// than k shards of one are proved as it is.
	Nodes         int16 `json:"survives_nodes"`
	Operators     int16 `json:"survives_operators"`
	Jurisdictions int16 `json:"survives_jurisdictions"`
}

func newRepairLine(s *wire.Surveyed) *repairLine {
	return &repairLine{
		Ended: s.Ended, Passes: s.Passes, Stripes: s.Stripes, Endangered: s.Endangered, Queue: s.Queue, Repaired: s.Repaired, Rebuilt: s.Rebuilt,
		Bytes: s.Bytes, Failed: s.Failed, Malformed: s.Malformed, Nodes: s.Nodes, Operators: s.Operators, Jurisdictions: s.Jurisdictions,
	}
}

// looked reports whether the node has looked at its stripes since it started:
// before that, its figures say nothing.
func (l *repairLine) looked() bool { return l != nil && l.Passes > 0 }

func (l *repairLine) print(w io.Writer) {
	if !l.looked() {
		return
	}
	fmt.Fprintf(w, "repair\t%d stripes\t%d endangered, %d wait; %d were repaired, %d tries failed\n", l.Stripes, l.Endangered, l.Queue, l.Repaired, l.Failed)
	if l.Malformed > 0 {
		fmt.Fprintf(w, "\tMALFORMED\t%d stripes were put so that nobody can repair them\n", l.Malformed)
	}
	if l.Stripes > 0 {
		fmt.Fprintf(w, "\tsurvives\t%s\n", l.survives())
	}
}

// surveyed is what this node tells of its stripes; nil if it serves none.
func (n *node) surveyed(ctx context.Context) *repairLine {
	if n.repairer == nil {
		return nil
	}
	v, err := n.repairer.Survey(ctx, n.identity.ID)
	if err != nil {
		return nil
	}
	return newRepairLine(v)
}
