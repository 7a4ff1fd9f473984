package cli

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
)

// nodeFigures are the figures of a home's place in its swarm.
type nodeFigures struct{ node *node }

var _ prometheus.Collector = nodeFigures{}

// figure is one number of a node.
type figure struct {
	name, help string
	value      func(nodeStatusResult) float64
}

func swarmFigures() []figure {
	flag := func(b bool) float64 {
		if b {
			return 1
		}
		return 0
	}
	return []figure{
		{"pifs_swarm_epoch", "Number of the newest record of members.", func(r nodeStatusResult) float64 { return float64(r.Epoch) }},
		{"pifs_swarm_members", "Members in that record.", func(r nodeStatusResult) float64 { return float64(r.Members) }},
		{"pifs_swarm_connected", "Members that are connected now.", func(r nodeStatusResult) float64 { return float64(r.Connected) }},
		{"pifs_swarm_member", "1 as long as this home is a member.", func(r nodeStatusResult) float64 { return flag(r.Member) }},
		{"pifs_swarm_evidence", "Pieces of evidence that the founder signed two histories.", func(r nodeStatusResult) float64 { return float64(r.Evidence) }},
		{"pifs_node_capacity_bytes", "Bytes that the node offers.", func(r nodeStatusResult) float64 { return float64(r.Capacity) }},
		{"pifs_node_shards", "Shards that the node keeps.", func(r nodeStatusResult) float64 { return float64(r.Shards) }},
		{"pifs_node_stored_bytes", "Bytes of those shards.", func(r nodeStatusResult) float64 { return float64(r.Stored) }},
		{"pifs_node_free_bytes", "Bytes that the node would still take.", func(r nodeStatusResult) float64 { return float64(r.Free) }},
	}
}

// repairFigures are of the stripes that the node looks after. Before it has
// looked at them there are none.
func repairFigures() []figure {
	of := func(value func(*repairLine) float64) func(nodeStatusResult) float64 {
		return func(r nodeStatusResult) float64 { return value(r.Repair) }
	}
	return []figure{
		{"pifs_repair_looked_seconds", "Unix time at which the node had last looked at all its stripes.", of(func(l *repairLine) float64 { return float64(l.Ended) })},
		{"pifs_repair_stripes", "Stripes that are this node's task.", of(func(l *repairLine) float64 { return float64(l.Stripes) })},
		{"pifs_repair_endangered_stripes", "Stripes of those that are to be repaired.", of(func(l *repairLine) float64 { return float64(l.Endangered) })},
		{"pifs_repair_queued_stripes", "Stripes that wait for repair.", of(func(l *repairLine) float64 { return float64(l.Queue) })},
		{"pifs_repair_malformed_stripes", "Stripes that were put so that nobody can repair them.", of(func(l *repairLine) float64 { return float64(l.Malformed) })},
		{"pifs_repair_survived_nodes", "Nodes whose failure at one moment costs no stripe; -1 if some lack shards as it is.", of(func(l *repairLine) float64 { return float64(l.Nodes) })},
		{"pifs_repair_survived_operators", "Operators whose failure at one moment costs no stripe.", of(func(l *repairLine) float64 { return float64(l.Operators) })},
		{"pifs_repair_survived_jurisdictions", "Jurisdictions whose failure at one moment costs no stripe.", of(func(l *repairLine) float64 { return float64(l.Jurisdictions) })},
	}
}

// doneFigures are what the node did since it started: they only grow.
func doneFigures() []figure {
	of := func(value func(*repairLine) uint64) func(nodeStatusResult) float64 {
		return func(r nodeStatusResult) float64 { return float64(value(r.Repair)) }
	}
	return []figure{
		{"pifs_repair_passes_total", "Looks at all stripes that were ended.", of(func(l *repairLine) uint64 { return l.Passes })},
		{"pifs_repair_repaired_stripes_total", "Stripes that were repaired.", of(func(l *repairLine) uint64 { return l.Repaired })},
		{"pifs_repair_rebuilt_shards_total", "Shards that were rebuilt.", of(func(l *repairLine) uint64 { return l.Rebuilt })},
		{"pifs_repair_bytes_total", "Bytes that were read and written for repair.", of(func(l *repairLine) uint64 { return l.Bytes })},
		{"pifs_repair_failed_total", "Tries to repair a stripe without success.", of(func(l *repairLine) uint64 { return l.Failed })},
		{"pifs_sweep_expired_claims_total", "Claims to shards that ended.", func(r nodeStatusResult) float64 { return float64(r.Swept.Expired) }},
		{"pifs_sweep_deleted_shards_total", "Shards that left the trash.", func(r nodeStatusResult) float64 { return float64(r.Swept.Deleted) }},
		{"pifs_sweep_orphaned_shards_total", "Shards that a crash had left without a claim.", func(r nodeStatusResult) float64 { return float64(r.Swept.Orphans) }},
		{"pifs_scrub_read_shards_total", "Shards that the node read to find bad ones.", func(r nodeStatusResult) float64 { return float64(r.Scrubbed.Shards) }},
		{"pifs_scrub_read_bytes_total", "Bytes of them.", func(r nodeStatusResult) float64 { return float64(r.Scrubbed.Bytes) }},
		{"pifs_scrub_bad_shards_total", "Shards that were found to be missing or damaged, in each scrub again until they are mended.", func(r nodeStatusResult) float64 { return float64(r.Scrubbed.Bad) }},
	}
}

// Describe implements prometheus.Collector: which figures there are depends on
// what the node is, so none is announced.
func (f nodeFigures) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (f nodeFigures) Collect(out chan<- prometheus.Metric) {
	r, err := f.node.status(context.Background(), none{}, nil)
	if err != nil {
		out <- prometheus.NewInvalidMetric(prometheus.NewInvalidDesc(err), err)
		return
	}
	send := func(kind prometheus.ValueType, all []figure) {
		for _, g := range all {
			out <- prometheus.MustNewConstMetric(prometheus.NewDesc(g.name, g.help, nil, nil), kind, g.value(r))
		}
	}
	send(prometheus.GaugeValue, swarmFigures())
	if r.Repair == nil {
		return // it keeps no shards
	}
	send(prometheus.CounterValue, doneFigures())
	if r.Repair.looked() {
		send(prometheus.GaugeValue, repairFigures())
	}
}
