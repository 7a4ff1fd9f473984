package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metricsServer serves the figures of a node for Prometheus, and profiles, on a
// loopback address. The zero value serves nothing.
type metricsServer struct {
	registry *prometheus.Registry
	http     *http.Server
	lis      net.Listener
}

// checkMetrics refuses an address that others could reach: profiles tell what
// the process has in memory.
func checkMetrics(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fail(errUsage, fmt.Sprintf("--metrics %s: write it as 127.0.0.1:9437", addr), err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return fail(errUsage, fmt.Sprintf("--metrics %s: only loopback addresses, such as 127.0.0.1:9437, since profiles tell much", addr), nil)
	}
	return nil
}

// listenMetrics begins to serve at addr; the figures are those of the process and
// of the collectors.
func listenMetrics(addr string, all ...prometheus.Collector) (*metricsServer, error) {
	m := &metricsServer{registry: prometheus.NewRegistry()}
	all = append(all, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, c := range all {
		if err := m.registry.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	var err error
	if m.lis, err = net.Listen("tcp", addr); err != nil {
		return nil, fail(errBusy, fmt.Sprintf("--metrics %s: %s", addr, oneLine(err)), err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	m.http = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	return m, nil
}

// serve answers until close.
func (m *metricsServer) serve() error {
	if err := m.http.Serve(m.lis); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve metrics: %w", err)
	}
	return nil
}

// close answers nobody any more.
func (m *metricsServer) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), lastAnswer)
	defer cancel()
	if err := m.http.Shutdown(ctx); err != nil {
		return m.http.Close() // a profile that is being taken is not waited for
	}
	return nil
}

// nodeFigures are the figures of a home's place in its swarm.
type nodeFigures struct{ node *node }

var _ prometheus.Collector = nodeFigures{}

// figure is one gauge of a node.
type figure struct {
	name, help string
	value      func(nodeStatusResult) float64
}

func figures() []figure {
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

// Describe implements prometheus.Collector.
func (f nodeFigures) Describe(out chan<- *prometheus.Desc) { prometheus.DescribeByCollect(f, out) }

// Collect implements prometheus.Collector.
func (f nodeFigures) Collect(out chan<- prometheus.Metric) {
	r, err := f.node.status(context.Background(), none{}, nil)
	for _, g := range figures() {
		desc := prometheus.NewDesc(g.name, g.help, nil, nil)
		if err != nil {
			out <- prometheus.NewInvalidMetric(desc, err)
			continue
		}
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, g.value(r))
	}
}
